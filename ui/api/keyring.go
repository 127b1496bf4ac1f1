package api

import (
	"crypto/ecdsa"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/sync/durable"
)

// Keyring keeps the private signing keys. Their public halves are rows. It is safe for concurrent use.
type Keyring interface {
	// Keep makes room for a new key. It is kept once the changes are applied, which belong into the proposal that
	// announces it; where that fails, undo forgets it. A name that is taken is of kind Exists.
	Keep(name string, key *ecdsa.PrivateKey) (changes []model.Change, undo func() error, err error)
	// All returns the keys by name.
	All() (map[string]*ecdsa.PrivateKey, error)
}

// KeyFolder is a Keyring in a folder: NAME.pem, mode 0600. They never leave it.
type KeyFolder struct{ Dir string }

// Keep implements Keyring: the key is durable on return. An existing one is never overwritten.
func (k KeyFolder) Keep(name string, key *ecdsa.PrivateKey) ([]model.Change, func() error, error) {
	return nil, func() error { return os.Remove(k.path(name)) }, fault.Wrap("keep key "+name, k.write(name, key))
}

func (k KeyFolder) write(name string, key *ecdsa.PrivateKey) error {
	pem, err := bundle.EncodePrivate(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return fault.New(fault.Other, "", "%w", err)
	}
	err = durable.Create(k.path(name), pem, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fault.New(fault.Exists, "", "this server has a key of that name already; choose another name")
	case err != nil:
		return fault.New(fault.Other, "", "%w", err)
	}
	return nil
}

// All implements Keyring.
func (k KeyFolder) All() (map[string]*ecdsa.PrivateKey, error) {
	entries, err := os.ReadDir(k.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Other, "read signing keys", "%w", err)
	}
	keys := map[string]*ecdsa.PrivateKey{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".pem")
		if !ok || strings.HasPrefix(name, ".") {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, fault.New(fault.Other, "read signing key "+name, "%w", err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return nil, fault.New(fault.ReadOnly, "read signing key "+name,
				"%s can be read by others (mode %04o): run chmod 600 on it, and think about who has seen it", k.path(name), mode)
		}
		raw, err := os.ReadFile(k.path(name))
		if err != nil {
			return nil, fault.New(fault.Other, "read signing key "+name, "%w", err)
		}
		key, err := bundle.ParsePrivate(raw)
		if err != nil {
			return nil, fault.New(fault.Corrupt, "read signing key "+name, "%s: %w", k.path(name), err)
		}
		keys[name] = key
	}
	return keys, nil
}

func (k KeyFolder) path(name string) string { return filepath.Join(k.Dir, name+".pem") }
