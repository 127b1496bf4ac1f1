package site

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/durable"
)

// The registry is what a site keeps twice: the rows that neither an agent nor the controller could bring again, in a
// file beside the stores. `skerry site rebuild` reads it. It is small, and written anew when it has changed.
//
//	zstd of JSON of registry, with a frame checksum
const (
	registryVersion = 1
	registryEvery   = 10 * time.Second
	maxRegistry     = 256 << 20 // bytes of JSON
)

// registry is the rows that a site keeps twice.
type registry struct {
	Version  int                 `json:"version"`
	Self     model.Found         `json:"self"`
	Epoch    model.Epoch         `json:"epoch"` // of the outbox
	Members  []model.Member      `json:"members,omitzero"`
	Accounts []model.Account     `json:"accounts,omitzero"`
	Signers  []model.SignerKey   `json:"signers,omitzero"`
	Searches []model.SavedSearch `json:"searches,omitzero"`
	Rules    []model.Rule        `json:"rules,omitzero"`
	Policies []model.Policy      `json:"policies,omitzero"`

	Partners    []model.Partner      `json:"partners,omitzero"`
	Acceptances []model.Acceptance   `json:"acceptances,omitzero"`
	Authorities []model.PutAuthority `json:"authorities,omitzero"`

	// Audit is the newest entry of the audit record, so that what a new record follows is known.
	Audit model.AuditEntry `json:"audit,omitzero"`
}

func registryPath(data string) string { return filepath.Join(data, "registry.zst") }

// keepRegistry writes the registry now and then, where it has changed, until ctx ends.
func (s *site) keepRegistry(ctx context.Context) error {
	var last [sha256.Size]byte
	seen, failed := uint64(0), false
	for {
		var err error
		if seen, err = s.rows.Wait(ctx, seen); err != nil {
			if ctx.Err() != nil {
				_ = s.writeRegistry(&last) // who was added in the last moments
			}
			return nil // the end, of ctx or of the store
		}
		if err = s.writeRegistry(&last); err != nil && !failed {
			s.log.Warn("the copy of the registry cannot be written; a rebuild would go by an older one", "reason", err.Error())
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			_ = s.writeRegistry(&last) // who was added in the last moments
			return nil
		case <-time.After(registryEvery):
		}
	}
}

// writeRegistry writes the registry unless it is the one with that digest.
func (s *site) writeRegistry(last *[sha256.Size]byte) error {
	r, sum, err := s.changedRegistry(*last)
	if err != nil || sum == *last {
		return err
	}
	raw, err := model.Encode(r)
	if err != nil {
		return err
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer w.Close()
	if err := durable.Write(registryPath(s.Data), w.EncodeAll(raw, nil), 0o600); err != nil {
		return err
	}
	*last = sum
	return nil
}

// changedRegistry returns the registry and its digest; the digest alone where it is the last one.
func (s *site) changedRegistry(last [sha256.Size]byte) (r registry, sum [sha256.Size]byte, err error) {
	v := s.rows.Store.View()
	defer v.Close()
	if r, err = readFew(v); err != nil {
		return r, sum, err
	}
	r.Epoch = s.outbox.Epoch()
	if sum, err = digestRegistry(v, r); err != nil || sum == last {
		return r, sum, err
	}
	r.Members, err = readMembers(v)
	return r, sum, err
}

// digestRegistry returns the digest of a registry, of which r has all but the members: those are many, and change seldom, so they
// are looked at one by one. The newest entry of the audit record alone is no reason to write, and not in it.
func digestRegistry(v *index.View, r registry) (sum [sha256.Size]byte, err error) {
	r.Audit = model.AuditEntry{}
	h := sha256.New()
	add := func(row any) error {
		raw, err := model.Encode(row)
		h.Write(raw)
		return err
	}
	if err = add(r); err != nil {
		return sum, err
	}
	for _, kind := range registered {
		if err = v.EachMember(kind, func(m model.Member) error { return add(m) }); err != nil {
			return sum, err
		}
	}
	h.Sum(sum[:0])
	return sum, nil
}

// registered is the kinds of members that a registry has.
var registered = []model.MemberKind{model.MemberHost, model.MemberGateway}

func readMembers(v *index.View) (all []model.Member, err error) {
	for _, kind := range registered {
		members, err := v.Members(kind)
		if err != nil {
			return nil, err
		}
		all = append(all, members...)
	}
	return all, nil
}

func readRegistry(v *index.View) (r registry, err error) {
	if r, err = readFew(v); err == nil {
		r.Members, err = readMembers(v)
	}
	return r, err
}

// readFew reads all but the members.
func readFew(v *index.View) (r registry, err error) {
	r.Version = registryVersion
	if r.Self, _, err = v.Self(); err != nil {
		return r, err
	}
	if r.Accounts, err = v.Accounts(); err != nil {
		return r, err
	}
	if r.Signers, err = v.Signers(); err != nil {
		return r, err
	}
	if r.Searches, err = v.Searches(); err != nil {
		return r, err
	}
	if r.Rules, err = v.Rules(); err != nil {
		return r, err
	}
	if r.Policies, err = v.Policies(); err != nil {
		return r, err
	}
	if r.Partners, err = v.Partners(); err != nil {
		return r, err
	}
	if r.Acceptances, err = v.Acceptances(); err != nil {
		return r, err
	}
	if r.Authorities, err = v.AuthorityRows(); err != nil {
		return r, err
	}
	r.Audit, _, err = v.LastAudit()
	return r, err
}

// loadRegistry reads the registry of a data folder; NotFound where there is none.
func loadRegistry(data string) (registry, error) {
	path := registryPath(data)
	op := "read " + path
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return registry{}, fault.New(fault.NotFound, op, "it is not there")
	}
	if err != nil {
		return registry{}, fault.New(fault.ReadOnly, op, "%w", err)
	}
	r, err := decodeRegistry(raw)
	return r, fault.Wrap(op, err)
}

func decodeRegistry(raw []byte) (r registry, err error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxRegistry), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return r, err
	}
	defer d.Close()
	plain, err := d.DecodeAll(raw, nil)
	if err != nil {
		return r, fault.New(fault.Corrupt, "", "it does not decompress: %w", err)
	}
	if err := model.Decode(plain, &r); err != nil {
		return r, fault.New(fault.Corrupt, "", "%w", err)
	}
	if r.Version != registryVersion {
		return r, fault.New(fault.Version, "", "its version is %d; this program reads %d", r.Version, registryVersion)
	}
	return r, nil
}

// put writes the rows of a registry into an empty store.
func (r registry) put(tx apply.Tx) error {
	if err := tx.PutSelf(r.Self); err != nil {
		return err
	}
	for _, m := range r.Members {
		if err := tx.PutMember(m); err != nil {
			return err
		}
	}
	for _, a := range r.Accounts {
		if err := tx.PutAccount(a); err != nil {
			return err
		}
	}
	for _, k := range r.Signers {
		if err := tx.PutSigner(k); err != nil {
			return err
		}
	}
	for _, q := range r.Searches {
		if err := tx.PutSearch(q); err != nil {
			return err
		}
	}
	for _, p := range r.Partners {
		if err := tx.PutPartner(p); err != nil {
			return err
		}
	}
	for _, a := range r.Acceptances {
		if err := tx.PutAcceptance(a); err != nil {
			return err
		}
	}
	for _, a := range r.Authorities {
		if err := tx.PutAuthority(a); err != nil {
			return err
		}
	}
	for _, x := range r.Rules {
		if err := tx.PutRule(x); err != nil {
			return err
		}
	}
	for _, p := range r.Policies {
		if err := tx.PutPolicy(p); err != nil {
			return err
		}
	}
	return nil
}
