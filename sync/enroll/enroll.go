// Package enroll makes a machine a member: a site of a controller, an agent of a site, a node of a
// controller group.
//
// It owns the one-time token, the certificate authority of an upper tier, the conversation of the
// first contact (both ends of it) and the identity that a member keeps on disk. It never writes the
// registry itself: it proposes model.Enroll, and model.Note for what it refuses. It never lets a
// token's secret leave the machine before the other end has proved that it is the one the token was
// made by. DESIGN.md has the conversation and the byte diagram.
package enroll

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// DefaultTTL is how long a token holds unless its maker says otherwise.
const DefaultTTL = 24 * time.Hour

// earliest is an instant that is certainly past. A machine without a working clock starts in 1970;
// nothing is issued or judged before this.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock returns now's time, and never less than earliest. A nil now is time.Now.
func clock(now func() time.Time) time.Time {
	if now == nil {
		now = time.Now
	}
	if t := now(); t.After(earliest) {
		return t
	}
	return earliest
}

// noun names a member of that kind in messages and audit actions.
func noun(k model.MemberKind) string {
	switch k {
	case model.MemberSite:
		return "site"
	case model.MemberController:
		return "controller"
	}
	return "agent"
}

// upperRole is the role of the server that a member of that kind enrolls at.
func upperRole(k model.MemberKind) model.Role {
	if k == model.MemberSite || k == model.MemberController {
		return model.RoleController
	}
	return model.RoleSite
}

// Members reads the registry. Its answers reflect at least every Propose that has returned.
type Members interface {
	Member(id model.NodeID) (model.Member, bool, error)
	// MemberByPin finds the member, not removed, whose key has that pin.
	MemberByPin(pin string) (model.Member, bool, error)
}

// Proposer makes changes durable. It returns when they are applied.
type Proposer interface {
	Propose(ctx context.Context, changes ...model.Change) error
}

// diskFault tells a folder that cannot be written from other trouble.
func diskFault(op string, err error) error {
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return fault.Wrap(op, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOSPC):
		return fault.New(fault.ReadOnly, op, "%w: the data folder must be writable for the user that runs Skerry, with free space", err)
	}
	return fault.New(fault.Other, op, "%w", err)
}

// readPrivate reads a file that holds a secret and refuses one that others can read too.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fault.New(fault.Denied, "", "%s can be read by others (mode %04o): run chmod 600 %s, and think about who has seen it", path, mode, path)
	}
	if info.Size() > 64<<10 {
		return nil, fault.New(fault.Corrupt, "", "%s has %d bytes, far too many for a key", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	return b, nil
}
