package api

import (
	"context"
	"net/http"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

type keyOutput struct {
	Status int
	Body   schema.Key
}

func (s *Server) listKeys(_ context.Context, _ *none) (*out[[]schema.Key], error) {
	signers, err := s.signers()
	if err != nil {
		return nil, err
	}
	private, err := s.c.Keys.All()
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	for _, key := range private {
		mine[bundle.KeyID(&key.PublicKey)] = true
	}
	rows := make([]schema.Key, 0, len(signers))
	for _, k := range signers {
		rows = append(rows, keyRow(k, mine[k.ID]))
	}
	return &out[[]schema.Key]{Body: rows}, nil
}

func keyRow(k model.SignerKey, private bool) schema.Key {
	return schema.Key{ID: k.ID, Name: k.Name, Public: k.Public, AddedAt: k.AddedAt.Std(), Private: private, Revoked: k.Revoked}
}

func (s *Server) signers() ([]model.SignerKey, error) {
	v, done := s.c.Store.View()
	defer done()
	return v.Signers()
}

type generateKeyInput struct{ Body schema.KeyGenerate }

func (s *Server) generateKey(ctx context.Context, in *generateKeyInput) (*keyOutput, error) {
	if err := s.freeKeyName(in.Body.Name, ""); err != nil {
		return nil, err
	}
	key, err := bundle.GenerateKey(s.c.Rand)
	if err != nil {
		return nil, err
	}
	public, err := bundle.EncodePublic(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	row := model.SignerKey{ID: bundle.KeyID(&key.PublicKey), Name: in.Body.Name, Public: string(public), AddedAt: model.TimeOf(s.c.Now())}
	changes, undo, err := s.c.Keys.Keep(in.Body.Name, key)
	if err != nil {
		return nil, err
	}
	if err := s.c.Proposer.Propose(ctx, append(changes, model.TrustSigner{Stamp: s.stamp(ctx), Key: row})...); err != nil {
		if rest := undo(); rest != nil {
			s.c.Log.Warn("a signing key that nobody trusts stays on disk", "name", in.Body.Name, "err", rest)
		}
		return nil, fault.Wrap("generate key", err)
	}
	return &keyOutput{Status: http.StatusCreated, Body: keyRow(row, true)}, nil
}

type trustKeyInput struct{ Body schema.KeyTrust }

func (s *Server) trustKey(ctx context.Context, in *trustKeyInput) (*keyOutput, error) {
	const op = "trust key"
	public, err := bundle.ParsePublic([]byte(in.Body.Public))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	id := bundle.KeyID(public)
	if err := s.freeKeyName(in.Body.Name, id); err != nil {
		return nil, err
	}
	pem, err := bundle.EncodePublic(public)
	if err != nil {
		return nil, err
	}
	row := model.SignerKey{ID: id, Name: in.Body.Name, Public: string(pem), AddedAt: model.TimeOf(s.c.Now())}
	if err := s.c.Proposer.Propose(ctx, model.TrustSigner{Stamp: s.stamp(ctx), Key: row}); err != nil {
		return nil, fault.Wrap(op, err)
	}
	private, err := s.c.Keys.All()
	if err != nil {
		return nil, err
	}
	held := false
	for _, key := range private {
		held = held || bundle.KeyID(&key.PublicKey) == id
	}
	return &keyOutput{Status: http.StatusOK, Body: keyRow(row, held)}, nil
}

// freeKeyName refuses a name that another key has: names choose keys, so they must tell them apart.
func (s *Server) freeKeyName(name, id string) error {
	signers, err := s.signers()
	if err != nil {
		return err
	}
	for _, k := range signers {
		if k.Name == name && k.ID != id {
			return fault.New(fault.Exists, "", "there is a key named %q already (%s); choose another name", name, k.ID)
		}
		if id != "" && k.ID == id && k.Revoked {
			return fault.New(fault.Denied, "trust key", "the key %s was revoked; make another", id)
		}
	}
	return nil
}

type keyNameInput struct {
	Name string `path:"name" maxLength:"128" doc:"name or id"`
}

type pemOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *Server) publicKey(_ context.Context, in *keyNameInput) (*pemOutput, error) {
	signers, err := s.signers()
	if err != nil {
		return nil, err
	}
	for _, k := range signers {
		if k.Name == in.Name || k.ID == in.Name {
			return &pemOutput{ContentType: "application/x-pem-file", Body: []byte(k.Public)}, nil
		}
	}
	return nil, fault.New(fault.NotFound, "", "there is no key %q here; the list of keys has those there are", in.Name)
}
