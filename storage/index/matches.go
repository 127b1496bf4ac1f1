package index

import (
	"bytes"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// findings is the bulk of a match, in a row of its own: whoever wants the counts of a host's inventory must not pay for
// decoding it. The row of an inventory has its parts, or, where an earlier version made the match, the findings
// themselves. What is found of a Lookup is a row of the same space, with judgedMark before its id, which no digest begins with.
type findings struct {
	Digest   string            `json:"digest"`
	Findings []model.Finding   `json:"findings,omitzero"`
	Parts    []model.MatchPart `json:"parts,omitzero"`
	Judged   *model.Judged     `json:"judged,omitzero"`
}

const judgedMark = "="

// MatchHead returns what is known of an inventory's findings, without the findings and the parts.
func (r *Reader) MatchHead(digest string) (model.Match, bool, error) {
	return get[model.Match](r, key.Match(digest))
}

// MatchParts returns a match with its parts, or with its findings where it has none, as it is stored.
func (r *Reader) MatchParts(digest string) (model.Match, bool, error) {
	m, ok, err := r.MatchHead(digest)
	if err != nil || !ok {
		return m, ok, err
	}
	f, ok, err := get[findings](r, key.Findings(digest))
	if err == nil && !ok {
		err = dangling(key.Findings(digest))
	}
	m.Findings, m.Parts = f.Findings, f.Parts
	return m, err == nil, err
}

// Judged returns what is found of the Lookup with that id.
func (r *Reader) Judged(id string) (model.Judged, bool, error) {
	f, ok, err := get[findings](r, key.Findings(judgedMark+id))
	if err != nil || !ok {
		return model.Judged{}, false, err
	}
	if f.Judged == nil {
		return model.Judged{}, false, fault.New(fault.Corrupt, "read "+key.Describe(key.Findings(judgedMark+id)), "it is no row of a lookup")
	}
	return *f.Judged, true, nil
}

// EachJudged calls fn with what is found of every Lookup, by id.
func (r *Reader) EachJudged(fn func(model.Judged) error) error { return r.eachJudged(nil, fn) }

// EachJudgedOf calls fn with what is found of every Lookup that has a finding of the vulnerability now, by id.
func (r *Reader) EachJudgedOf(vulnerability string, fn func(model.Judged) error) error {
	quoted, err := model.Encode(vulnerability)
	if err != nil {
		return fault.New(fault.Invalid, "read findings", "%w", err)
	}
	return r.eachJudged(quoted, func(j model.Judged) error {
		if !slices.ContainsFunc(j.Findings, func(f model.Finding) bool { return f.Vulnerability == vulnerability }) {
			return nil
		}
		return fn(j)
	})
}

// eachJudged calls fn with the rows of Lookups in whose JSON the text stands: most are told apart by that without being decoded.
func (r *Reader) eachJudged(text []byte, fn func(model.Judged) error) error {
	lower := key.Findings(judgedMark)
	lower = lower[:len(lower)-len(key.Findings(""))+1] // without what ends the text
	return r.scan(lower, func(k, v []byte) error {
		b, err := r.rows.json(v)
		var f findings
		if err == nil && bytes.Contains(b, text) {
			err = model.Decode(b, &f)
		}
		if err != nil {
			return fault.New(fault.Corrupt, "read "+key.Describe(k), "%w", err)
		}
		if f.Judged == nil {
			return nil
		}
		return fn(*f.Judged)
	})
}

// Match returns the findings of one inventory.
func (r *Reader) Match(digest string) (model.Match, bool, error) {
	m, ok, err := r.MatchParts(digest)
	if err != nil || !ok || m.PartN == 0 {
		return m, ok, err
	}
	var list exposure.Listing
	for _, p := range m.Parts {
		j, ok, err := r.Judged(p.Lookup)
		if err == nil && !ok {
			err = dangling(key.Findings(judgedMark + p.Lookup))
		}
		if err != nil {
			return m, false, err
		}
		list.Add(j.Lookup, j.Findings, p.Packages)
	}
	m.Findings, m.Parts = list.Findings(), nil
	return m, true, nil
}

// EachMatchHead calls fn with what is known of every inventory's findings, without the findings, and the
// number of hosts that have it now.
func (r *Reader) EachMatchHead(fn func(m model.Match, hosts int) error) error {
	return each(r, key.SpaceMatch.Prefix(), func(m model.Match) error {
		n, err := r.count(key.HostsWith(m.Digest))
		if err != nil {
			return err
		}
		return fn(m, n)
	})
}

// PutMatch implements apply.Tx. Findings and parts repeat themselves a lot, so large ones are compressed.
func (t *Tx) PutMatch(m model.Match) error {
	f := findings{Digest: m.Digest, Findings: m.Findings, Parts: m.Parts}
	if err := t.PutMatchHead(m); err != nil {
		return err
	}
	return t.putFindings(f)
}

// PutMatchHead implements apply.Tx.
func (t *Tx) PutMatchHead(m model.Match) error {
	m.Findings, m.Parts = nil, nil
	return t.put(key.Match(m.Digest), m)
}

// PutJudged implements apply.Tx.
func (t *Tx) PutJudged(j model.Judged) error {
	return t.putFindings(findings{Digest: judgedMark + j.ID, Judged: &j})
}

// DeleteJudged implements apply.Tx.
func (t *Tx) DeleteJudged(id string) error { return t.remove(key.Findings(judgedMark + id)) }

func (t *Tx) putFindings(f findings) error {
	k := key.Findings(f.Digest)
	v, err := t.rows.encode(f, true)
	if err != nil {
		return fault.Wrap("write "+key.Describe(k), err)
	}
	return t.batch.Set(k, v, nil)
}

// DeleteMatch implements apply.Tx.
func (t *Tx) DeleteMatch(digest string) error {
	if err := t.remove(key.Findings(digest)); err != nil {
		return err
	}
	return t.remove(key.Match(digest))
}

// MarkDirty implements apply.Tx.
func (t *Tx) MarkDirty(digest string) error { return t.mark(key.Dirty(digest)) }

// ClearDirty implements apply.Tx.
func (t *Tx) ClearDirty(digest string) error { return t.remove(key.Dirty(digest)) }

// DirtyDigests returns inventories that must be matched again, at most limit; 0 is all.
func (r *Reader) DirtyDigests(limit int) ([]string, error) {
	var all []string
	err := r.scan(key.SpaceDirty.Prefix(), func(k, _ []byte) error {
		d, err := key.ReadDirty(k)
		if err != nil {
			return err
		}
		all = append(all, d)
		if len(all) == limit {
			return errEnough
		}
		return nil
	})
	return all, enough(err)
}

// EachDigest calls fn with every distinct PackagesDigest of the hosts.
func (r *Reader) EachDigest(fn func(digest string) error) error {
	prefix := key.SpaceHostPackages.Prefix()
	return r.iterate(prefix, key.After(prefix), func(it *pebble.Iterator) error {
		for ok := it.First(); ok; {
			digest, _, err := key.ReadHostPackages(it.Key())
			if err != nil {
				return err
			}
			if err := fn(digest); err != nil {
				return err
			}
			ok = it.SeekGE(key.After(key.HostsWith(digest)))
		}
		return nil
	})
}

// Exposure returns the roll-up of a site.
func (r *Reader) Exposure(site model.SiteID) (model.Exposure, bool, error) {
	return get[model.Exposure](r, key.Exposure(site))
}

// PutExposure implements apply.Tx.
func (t *Tx) PutExposure(e model.Exposure) error { return t.put(key.Exposure(e.Site), e) }

// DeleteExposure implements apply.Tx; one that is not there is no error.
func (t *Tx) DeleteExposure(site model.SiteID) error { return t.remove(key.Exposure(site)) }

// Signer returns a key that bundles may be signed with.
func (r *Reader) Signer(id string) (model.SignerKey, bool, error) {
	return get[model.SignerKey](r, key.Signer(id))
}

// Signers returns every signer key by id, revoked ones included.
func (r *Reader) Signers() ([]model.SignerKey, error) {
	return all[model.SignerKey](r, key.SpaceSigner.Prefix(), 0)
}

// PutSigner implements apply.Tx.
func (t *Tx) PutSigner(k model.SignerKey) error { return t.put(key.Signer(k.ID), k) }

// all returns the rows whose key starts with prefix, at most limit; 0 is all.
func all[T any](r *Reader, prefix []byte, limit int) ([]T, error) {
	var rows []T
	err := each(r, prefix, func(row T) error {
		rows = append(rows, row)
		if len(rows) == limit {
			return errEnough
		}
		return nil
	})
	return rows, enough(err)
}
