package apply

import (
	"bytes"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of a secret.
const (
	maxSecretName = 128
	maxSealed     = 64 << 10
)

// putSecret keeps a secret of the group. There is no way to replace one: a key that was signed with must stay.
func (a *applier) putSecret(c model.PutSecret) error {
	const op = "keep a secret of the group"
	s := c.Secret
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789._-/"
	if s.Name == "" || len(s.Name) > maxSecretName || strings.Trim(s.Name, allowed) != "" {
		return fault.New(fault.Invalid, op, "the name %q is not 1 to %d of a-z 0-9 . _ - /", fault.Clip(s.Name, maxSecretName), maxSecretName)
	}
	if len(s.Sealed) == 0 || len(s.Sealed) > maxSealed {
		return fault.New(fault.Invalid, op, "%s has %d bytes, and must have 1 to %d", s.Name, len(s.Sealed), maxSealed)
	}
	if a.env.Role != model.RoleController {
		return fault.New(fault.Invalid, op, "only a controller has secrets of a group")
	}
	was, known, err := a.tx.Secret(s.Name)
	if err != nil {
		return err
	}
	if known {
		if bytes.Equal(was.Sealed, s.Sealed) {
			return nil
		}
		return fault.New(fault.Exists, op, "there is one named %s already", s.Name)
	}
	s.At = c.At
	if err := a.tx.PutSecret(s); err != nil {
		return err
	}
	return a.note(c.Stamp, "secret.add", s.Name, true, "", nil)
}
