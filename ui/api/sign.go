package api

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
)

// federationKey is the name of the key that a controller makes by itself.
const federationKey = "federation"

// signer returns the private key that bundles are signed with, and the rows of all keys that this server holds, for those to learn of
// who import: the named one or, without a name, the oldest that may sign now, so that what others trust goes on working when
// another key is made. A key whose successor is here as well signs until it retires. A controller without any makes one.
func (s *Server) signer(ctx context.Context, name string) (*ecdsa.PrivateKey, []model.SignerKey, error) {
	const op = "choose signing key"
	keys, err := s.c.Keys.All()
	if err != nil {
		return nil, nil, err
	}
	if name != "" && keys[name] == nil {
		return nil, nil, fault.New(fault.NotFound, op, "this server holds no private key %q; the list of keys has those it holds", name)
	}
	if len(keys) == 0 {
		if s.c.Role != model.RoleController {
			return nil, nil, fault.New(fault.NotFound, op, "this server holds no signing key: generate one first")
		}
		return s.ownKey(ctx, op)
	}
	signers, err := s.signers()
	if err != nil {
		return nil, nil, err
	}
	var held []model.SignerKey // what is known of the private keys
	byID := map[string]*ecdsa.PrivateKey{}
	chosen := ""
	for n, key := range keys {
		id := bundle.KeyID(&key.PublicKey)
		byID[id] = key
		if n == name {
			chosen = id
		}
	}
	now := s.now()
	for _, k := range signers {
		if byID[k.ID] != nil && slices.Contains(purposesOf(k), model.PurposeFederation) && stateOf(k, now) != keyRetired {
			held = append(held, k)
		}
	}
	candidates := slices.Clone(held)
	if len(held) > bundle.MaxKeys { // the oldest are known everywhere by now
		slices.SortFunc(held, func(a, b model.SignerKey) int {
			return cmp.Or(cmp.Compare(b.AddedAt, a.AddedAt), strings.Compare(a.ID, b.ID))
		})
		held = held[:bundle.MaxKeys]
	}
	usable := slices.DeleteFunc(candidates, func(k model.SignerKey) bool {
		state := stateOf(k, now)
		return state == keyRevoked || state == keyRetired || chosen != "" && k.ID != chosen
	})
	if chosen == "" { // whose predecessor still signs waits
		usable = slices.DeleteFunc(usable, func(k model.SignerKey) bool {
			return slices.ContainsFunc(held, func(x model.SignerKey) bool { return x.Successor == k.ID && stateOf(x, now) == keyRetiring })
		})
	}
	switch {
	case len(usable) == 0 && chosen != "":
		return nil, nil, fault.New(fault.Denied, op, "the key %q may not sign bundles: it is revoked, retired or for something else", name)
	case len(usable) == 0:
		return nil, nil, fault.New(fault.Denied, op, "none of the %d keys of this server may sign bundles: they are revoked, retired or for something else; generate another", len(keys))
	}
	oldest := slices.MinFunc(usable, func(a, b model.SignerKey) int {
		return cmp.Or(cmp.Compare(a.AddedAt, b.AddedAt), strings.Compare(a.ID, b.ID))
	})
	return byID[oldest.ID], held, nil
}

// signsNow returns the id of the key that bundles are signed with where none is named; "": there is none yet.
func (s *Server) signsNow(ctx context.Context) string {
	if keys, err := s.c.Keys.All(); err != nil || len(keys) == 0 {
		return ""
	}
	key, _, err := s.signer(ctx, "")
	if err != nil {
		return ""
	}
	return bundle.KeyID(&key.PublicKey)
}

// ownKey makes the key of a controller that needs one and has none.
func (s *Server) ownKey(ctx context.Context, op string) (*ecdsa.PrivateKey, []model.SignerKey, error) {
	name := federationKey
	if s.freeKeyName(name, "") != nil {
		var err error
		if name, err = s.successorName(name, ""); err != nil {
			return nil, nil, err
		}
	}
	key, row, err := s.makeKey(unkeyed(ctx), op, name, []string{model.PurposeFederation})
	return key, []model.SignerKey{row}, err
}
