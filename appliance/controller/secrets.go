package controller

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/api"
)

// signing begins the names of the keys that bundles are signed with.
const signing = "signing/"

// keys keeps the group's signing keys as secrets in the rows, so that every node of the group can sign. A sealed
// secret is
//
//	0          12
//	| nonce    | AES-256-GCM of the bytes, with the name as additional data |
//
// under SHA-256 of "skerry secrets 1", a zero byte and the group's key.
type keys struct {
	rows  serve.Rows
	group []byte // its key
}

func (k keys) seal() (cipher.AEAD, error) {
	sum := sha256.Sum256(append([]byte("skerry secrets 1\x00"), k.group...))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Keep implements api.Keyring: the change keeps the key.
func (k keys) Keep(name string, key *ecdsa.PrivateKey) ([]model.Change, func() error, error) {
	const op = "keep a signing key"
	pem, err := bundle.EncodePrivate(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := k.seal()
	if err != nil {
		return nil, nil, fault.New(fault.Other, op, "%w", err)
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, nil, fault.New(fault.Other, op, "%w", err)
	}
	at := model.Stamp{Actor: "system", At: model.TimeOf(time.Now())}
	secret := model.Secret{Name: signing + name, Sealed: aead.Seal(nonce, nonce, pem, []byte(signing+name))}
	return []model.Change{model.PutSecret{Stamp: at, Secret: secret}}, func() error { return nil }, nil
}

// All implements api.Keyring.
func (k keys) All() (map[string]*ecdsa.PrivateKey, error) {
	const op = "read signing keys"
	v := k.rows.Store.View()
	defer v.Close()
	secrets, err := v.Secrets()
	if err != nil {
		return nil, err
	}
	aead, err := k.seal()
	if err != nil {
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	all := map[string]*ecdsa.PrivateKey{}
	for _, s := range secrets {
		name, ok := strings.CutPrefix(s.Name, signing)
		if !ok {
			continue
		}
		n := aead.NonceSize()
		if len(s.Sealed) < n {
			return nil, fault.New(fault.Corrupt, op, "%s is too short to be one", s.Name)
		}
		pem, err := aead.Open(nil, s.Sealed[:n], s.Sealed[n:], []byte(s.Name))
		if err != nil {
			return nil, fault.New(fault.Corrupt, op, "%s does not open with the key of this group: cluster/group.key in the data folder is not the one that it was sealed with; take it from another controller or a backup", s.Name)
		}
		if all[name], err = bundle.ParsePrivate(pem); err != nil {
			return nil, fault.New(fault.Corrupt, op, "%s: %w", s.Name, err)
		}
	}
	return all, nil
}

// adopt makes the keys in a folder keys of the group: earlier versions kept them there, each on one node.
func (k keys) adopt(ctx context.Context, n *node.Node, folder api.KeyFolder) error {
	old, err := folder.All()
	if err != nil || len(old) == 0 {
		return err
	}
	mine, err := k.All()
	if err != nil {
		return err
	}
	for name, key := range old {
		if _, ok := mine[name]; ok {
			continue
		}
		changes, _, err := k.Keep(name, key)
		if err == nil {
			err = n.Propose(ctx, changes...)
		}
		if err != nil && !fault.Is(err, fault.Exists) {
			return err
		}
	}
	return nil
}
