package api

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/bundle"
)

// keyring is the folder of this server's private signing keys: NAME.pem, mode 0600. They never leave
// it. The public halves are rows.
type keyring struct{ dir string }

// generate makes a key and writes it, durable on return. An existing key is never overwritten.
func (k keyring) generate(name string, rand io.Reader) (*ecdsa.PrivateKey, error) {
	op := "generate key " + name
	key, err := bundle.GenerateKey(rand)
	if err != nil {
		return nil, err
	}
	pem, err := bundle.EncodePrivate(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	temp, err := os.CreateTemp(k.dir, ".new-*")
	if err != nil {
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(pem)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	// A hard link, unlike a rename, fails where the name is taken.
	if err := os.Link(temp.Name(), k.path(name)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fault.New(fault.Exists, op, "this server has a key of that name already; choose another name")
		}
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	if err := syncFolder(k.dir); err != nil {
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	return key, nil
}

// discard removes a key that was never announced.
func (k keyring) discard(name string) error { return os.Remove(k.path(name)) }

// all returns the keys by name.
func (k keyring) all() (map[string]*ecdsa.PrivateKey, error) {
	entries, err := os.ReadDir(k.dir)
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

// signer returns the named key, or the only one.
func (k keyring) signer(name string) (*ecdsa.PrivateKey, error) {
	const op = "choose signing key"
	keys, err := k.all()
	if err != nil {
		return nil, err
	}
	if name != "" {
		if key, ok := keys[name]; ok {
			return key, nil
		}
		return nil, fault.New(fault.NotFound, op, "this server holds no private key %q; the list of keys has those it holds", name)
	}
	switch len(keys) {
	case 0:
		return nil, fault.New(fault.NotFound, op, "this server holds no signing key: make one with `skerry keys generate NAME`")
	case 1:
		for _, key := range keys {
			return key, nil
		}
	}
	return nil, fault.New(fault.Invalid, op, "this server holds %d signing keys: say which with --key NAME", len(keys))
}

func (k keyring) path(name string) string { return filepath.Join(k.dir, name+".pem") }

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
