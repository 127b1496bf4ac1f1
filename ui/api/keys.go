package api

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

// The states of a key.
const (
	keyActive   = "active"
	keyRetiring = "retiring" // another key is to take its place
	keyRetired  = "retired"
	keyRevoked  = "revoked"
)

// The bounds of the overlap of a rotation.
const (
	leastOverlap = time.Minute
	mostOverlap  = 2 * 365 * 24 * time.Hour
	usualOverlap = 30 * 24 * time.Hour
)

func (s *Server) keyRoutes() {
	op(s, http.MethodGet, "/keys", "list-keys", "Keys that bundles and acceptances may be signed with", s.listKeys)
	op(s, http.MethodPost, "/keys", "generate-key", "Make a signing key that stays on this server", s.generateKey)
	op(s, http.MethodPost, "/keys/trust", "trust-key", "Accept what a key signed", s.trustKey)
	op(s, http.MethodGet, "/keys/{name}/public", "get-public-key", "A key's public half as PEM", s.publicKey, gives("application/x-pem-file"))
	op(s, http.MethodPost, "/keys/{name}/revoke", "revoke-key", "Let a key's signatures count for nothing, for good", s.revokeKey)
	op(s, http.MethodPost, "/keys/{name}/rotate", "rotate-key", "Make the successor of a key, trust it now, and let the key retire after an overlap", s.rotateKey)
}

type keyOutput struct {
	Status int
	Body   schema.Key
}

func (s *Server) listKeys(ctx context.Context, _ *none) (*out[[]schema.Key], error) {
	signers, err := s.signers()
	if err != nil {
		return nil, err
	}
	mine, err := s.private()
	if err != nil {
		return nil, err
	}
	signs := s.signsNow(ctx)
	rows := make([]schema.Key, 0, len(signers))
	for _, k := range signers {
		row := s.keyRow(k, mine[k.ID] != "")
		row.Signs = k.ID == signs
		rows = append(rows, row)
	}
	return &out[[]schema.Key]{Body: rows}, nil
}

// private returns the names of the private keys of this server, by id.
func (s *Server) private() (map[string]string, error) {
	keys, err := s.c.Keys.All()
	if err != nil {
		return nil, err
	}
	mine := map[string]string{}
	for name, key := range keys {
		mine[bundle.KeyID(&key.PublicKey)] = name
	}
	return mine, nil
}

// stateOf says whether a key's signatures count.
func stateOf(k model.SignerKey, now model.Time) string {
	switch {
	case k.Revoked:
		return keyRevoked
	case k.RetiresAt.IsZero():
		return keyActive
	case k.RetiresAt <= now:
		return keyRetired
	}
	return keyRetiring
}

func purposesOf(k model.SignerKey) []string {
	if len(k.Purposes) == 0 {
		return []string{model.PurposeFederation}
	}
	return k.Purposes
}

func (s *Server) keyRow(k model.SignerKey, private bool) schema.Key {
	return schema.Key{
		ID: k.ID, Name: k.Name, Public: k.Public, AddedAt: k.AddedAt.Std(), Private: private, Revoked: k.Revoked, Purposes: purposesOf(k),
		State: stateOf(k, s.now()), RetiresAt: at(k.RetiresAt), Successor: k.Successor,
	}
}

func (s *Server) signers() ([]model.SignerKey, error) {
	v, done := s.c.Store.View()
	defer done()
	return v.Signers()
}

// purposes judges what a key is to be for.
func purposes(op string, given []string) ([]string, error) {
	for _, p := range given {
		if p != model.PurposeFederation && p != model.PurposeAcceptance {
			return nil, fault.New(fault.Invalid, op, "purposes: %q: want federation or acceptance", fault.Clip(p, 48))
		}
	}
	given = slices.Clone(given)
	slices.Sort(given)
	return slices.Compact(given), nil
}

type generateKeyInput struct{ Body schema.KeyGenerate }

func (s *Server) generateKey(ctx context.Context, in *generateKeyInput) (*keyOutput, error) {
	const op = "generate key"
	may, err := purposes(op, in.Body.Purposes)
	if err != nil {
		return nil, err
	}
	if err := s.freeKeyName(in.Body.Name, ""); err != nil {
		return nil, err
	}
	_, row, err := s.makeKey(ctx, op, in.Body.Name, may)
	if err != nil {
		return nil, err
	}
	made := s.keyRow(row, true)
	made.Signs = s.signsNow(ctx) == row.ID
	return &keyOutput{Status: http.StatusCreated, Body: made}, nil
}

// makeKey makes a key and trusts it, together with further changes.
func (s *Server) makeKey(ctx context.Context, op, name string, may []string, more ...func(model.SignerKey) model.Change) (*ecdsa.PrivateKey, model.SignerKey, error) {
	key, err := bundle.GenerateKey(s.c.Rand)
	if err != nil {
		return nil, model.SignerKey{}, err
	}
	public, err := bundle.EncodePublic(&key.PublicKey)
	if err != nil {
		return nil, model.SignerKey{}, err
	}
	row := model.SignerKey{ID: bundle.KeyID(&key.PublicKey), Name: name, Public: string(public), AddedAt: s.now(), Purposes: may, Own: true}
	changes, undo, err := s.c.Keys.Keep(name, key)
	if err != nil {
		return nil, row, err
	}
	changes = append(changes, model.TrustSigner{Stamp: s.bySomebody(ctx), Key: row})
	for _, f := range more {
		changes = append(changes, f(row))
	}
	if err := s.c.Proposer.Propose(ctx, changes...); err != nil {
		if rest := undo(); rest != nil {
			s.c.Log.Warn("a signing key that nobody trusts stays on disk", "name", name, "err", rest)
		}
		return nil, row, fault.Wrap(op, err)
	}
	return key, row, nil
}

// bySomebody is the stamp of whoever asks; where nobody does, it is the system.
func (s *Server) bySomebody(ctx context.Context) model.Stamp {
	st := s.stamp(ctx)
	if st.Actor == "" {
		st.Actor = "system"
	}
	return st
}

type trustKeyInput struct{ Body schema.KeyTrust }

func (s *Server) trustKey(ctx context.Context, in *trustKeyInput) (*keyOutput, error) {
	const op = "trust key"
	may, err := purposes(op, in.Body.Purposes)
	if err != nil {
		return nil, err
	}
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
	row := model.SignerKey{ID: id, Name: in.Body.Name, Public: string(pem), AddedAt: s.now(), Purposes: may}
	signers, err := s.signers()
	if err != nil {
		return nil, err
	}
	for _, k := range signers {
		if k.ID != id {
			continue
		}
		if k.Name != row.Name {
			return nil, fault.New(fault.Exists, op, "the key %s is already trusted as %q; nothing was changed", id, k.Name)
		}
		row = k // what is known of it besides stays
		if len(may) > 0 {
			row.Purposes = may
		}
	}
	if err := s.c.Proposer.Propose(ctx, model.TrustSigner{Stamp: s.stamp(ctx), Key: row}); err != nil {
		return nil, fault.Wrap(op, err)
	}
	mine, err := s.private()
	if err != nil {
		return nil, err
	}
	return &keyOutput{Status: http.StatusOK, Body: s.keyRow(row, mine[id] != "")}, nil
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
	k, err := s.keyNamed(in.Name)
	if err != nil {
		return nil, err
	}
	return &pemOutput{ContentType: "application/x-pem-file", Body: []byte(k.Public)}, nil
}

func (s *Server) keyNamed(name string) (model.SignerKey, error) {
	signers, err := s.signers()
	if err != nil {
		return model.SignerKey{}, err
	}
	for _, k := range signers {
		if k.Name == name || k.ID == name {
			return k, nil
		}
	}
	return model.SignerKey{}, fault.New(fault.NotFound, "", "there is no key %q here; the list of keys has those there are", name)
}

type revokeKeyInput struct {
	Name string `path:"name" maxLength:"128" doc:"name or id"`
	Body schema.KeyRevoke
}

func (s *Server) revokeKey(ctx context.Context, in *revokeKeyInput) (*keyOutput, error) {
	k, err := s.keyNamed(in.Name)
	if err != nil {
		return nil, err
	}
	mine, err := s.private()
	if err != nil {
		return nil, err
	}
	if !k.Revoked {
		k.Revoked = true
		st := s.stamp(ctx)
		note := model.Note{Stamp: st, Action: "key.revoke", Object: k.ID, OK: true, Reason: in.Body.Reason, Detail: map[string]string{"name": k.Name}}
		if err := s.c.Proposer.Propose(ctx, model.TrustSigner{Stamp: st, Key: k}, note); err != nil {
			return nil, fault.Wrap("revoke key", err)
		}
	}
	return &keyOutput{Status: http.StatusOK, Body: s.keyRow(k, mine[k.ID] != "")}, nil
}

type rotateKeyInput struct {
	Name string `path:"name" maxLength:"128" doc:"name or id"`
	Body schema.KeyRotate
}

// rotateKey makes the successor. Until the old key retires bundles are signed with it and announce the new one, so that whoever trusts
// the old one alone learns of the new one from a bundle that it believes.
func (s *Server) rotateKey(ctx context.Context, in *rotateKeyInput) (*keyOutput, error) {
	const op = "rotate key"
	overlap := usualOverlap
	if in.Body.Overlap != "" {
		d, err := query.ParseAge(in.Body.Overlap)
		if err != nil {
			return nil, fault.New(fault.Invalid, op, "overlap: %w", err)
		}
		overlap = d
	}
	if overlap < leastOverlap || overlap > mostOverlap {
		return nil, fault.New(fault.Invalid, op, "overlap: want %s to 730d: until then both keys hold", leastOverlap)
	}
	old, err := s.keyNamed(in.Name)
	if err != nil {
		return nil, err
	}
	mine, err := s.private()
	if err != nil {
		return nil, err
	}
	switch state := stateOf(old, s.now()); {
	case mine[old.ID] == "":
		return nil, fault.New(fault.Conflict, op, "this server does not hold the private half of %q: rotate it where it was made", old.Name)
	case old.Successor != "" || state != keyActive:
		return nil, fault.New(fault.Conflict, op, "the key %q is %s already; rotate the one that took its place, or make a new one", old.Name, state)
	}
	name, err := s.successorName(old.Name, in.Body.Successor)
	if err != nil {
		return nil, err
	}
	st := s.stamp(ctx)
	_, row, err := s.makeKey(ctx, op, name, old.Purposes, func(row model.SignerKey) model.Change {
		old.RetiresAt, old.Successor = st.At.Add(overlap), row.ID
		return model.TrustSigner{Stamp: st, Key: old}
	}, func(row model.SignerKey) model.Change {
		return model.Note{Stamp: st, Action: "key.rotate", Object: old.ID, OK: true, Detail: map[string]string{
			"name": old.Name, "successor": row.Name, "retires_at": old.RetiresAt.String(),
		}}
	})
	if err != nil {
		return nil, err
	}
	return &keyOutput{Status: http.StatusCreated, Body: s.keyRow(row, true)}, nil
}

// successorName is the name of the key that comes after one of that name: the given one, else NAME-2, NAME-3, …
func (s *Server) successorName(old, given string) (string, error) {
	if given != "" {
		return given, s.freeKeyName(given, "")
	}
	stem, n := old, 1
	if i := strings.LastIndexByte(old, '-'); i > 0 {
		if x, err := strconv.Atoi(old[i+1:]); err == nil && x > 1 {
			stem, n = old[:i], x
		}
	}
	signers, err := s.signers()
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, k := range signers {
		taken[k.Name] = true
	}
	for n++; ; n++ {
		if name := fmt.Sprintf("%s-%d", stem[:min(len(stem), 58)], n); !taken[name] {
			return name, nil
		}
	}
}

// announced returns the changes by which keys that the bundle announces are trusted. Whoever signed is trusted, so that it may say
// what its next key is, which signs bundles of the same origin and nothing else; and of a key of its own that is known here,
// when it retires, or that it was revoked.
func (t *taking) announced(r *bundle.Reader, st model.Stamp) ([]model.TrustSigner, error) {
	if len(r.Signers()) == 0 {
		return nil, nil
	}
	signers, err := t.s.signers()
	if err != nil {
		return nil, err
	}
	signed := slices.DeleteFunc(slices.Clone(signers), func(k model.SignerKey) bool { return !slices.Contains(r.Signers(), k.ID) })
	own := slices.ContainsFunc(signed, func(k model.SignerKey) bool { return k.Own })
	var all []model.TrustSigner
	t.unknown = map[string]bool{}
	for _, k := range r.Announced() {
		i := slices.IndexFunc(signers, func(x model.SignerKey) bool { return x.ID == k.ID })
		if i < 0 {
			if k.Revoked { // nobody here trusted it
				continue
			}
			k.AddedAt, k.Purposes, k.Own, k.Origin = st.At, []string{model.PurposeFederation}, own, model.NodeID{}
			if !own {
				k.Origin = t.m.Origin
			}
			if taken := slices.ContainsFunc(signers, func(x model.SignerKey) bool { return x.Name == k.Name }); taken || k.Name == "" {
				k.Name = fault.Clip(t.m.OriginName+"-"+k.ID[len("sha256:"):][:8], 64)
			}
			all = append(all, model.TrustSigner{Stamp: st, Key: k})
			t.unknown[k.ID] = true
			continue
		}
		known := signers[i]
		theirs := slices.ContainsFunc(signed, func(x model.SignerKey) bool { return x.SameOwner(known) })
		switch {
		case !theirs || known.Revoked:
			continue
		case k.Revoked:
			known.Revoked = true
		case k.RetiresAt < st.At || !known.RetiresAt.IsZero():
			continue
		default:
			known.RetiresAt, known.Successor = k.RetiresAt, k.Successor
		}
		all = append(all, model.TrustSigner{Stamp: st, Key: known})
	}
	return all, nil
}
