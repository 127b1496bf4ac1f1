package index

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// Report is what Check found.
type Report struct {
	Rows    int // rows that were read and decoded
	Entries int // index entries that were counted
	FaultN  int
	Faults  []string // the first 100, one line each
}

// OK reports whether every row decodes and the indexes hold exactly what the rows say.
func (r Report) OK() bool { return r.FaultN == 0 }

// Check reads the whole store: each row must decode and stand under its own key, each index, the one
// in memory included, must hold exactly what the rows say, and the counts of each site, and those of all, must be
// what its hosts come to; before that, each block of each table is held against its sum, also those
// that no row is in. What is wrong is in the report; the error is of ctx or of the disk. Writers go on meanwhile.
func (s *Store) Check(ctx context.Context) (Report, error) {
	if err := s.checkTables(ctx); err != nil {
		return Report{}, err
	}
	s.tend()           // what is made later is looked at too
	s.applying.RLock() // the view and the index in memory are of the same commit
	v := s.View()
	known := v.memory.Len()
	s.applying.RUnlock()
	defer v.Close()
	c := &checker{ctx: ctx, store: s, r: &v.Reader, known: known, want: map[key.Space]int{}, sums: map[model.SiteID]*model.SiteCounts{}}
	err := c.all()
	return c.report, err
}

type checker struct {
	ctx    context.Context
	store  *Store
	r      *Reader
	known  int // hosts in the index in memory when r was opened
	report Report
	want   map[key.Space]int                  // index entries that the rows ask for, less those that are missing
	sums   map[model.SiteID]*model.SiteCounts // what the rows of hosts come to; the zero id is all of them
	unread int                                // rows of hosts that could not be read
}

func (c *checker) all() error {
	none := func(k []byte) ([]byte, [][]byte) { return k, nil }
	for _, err := range []error{
		rows(c, key.SpaceMember, func(_ []byte, m model.Member) ([]byte, [][]byte) { return key.Member(m.ID), memberEntries(m) }),
		rows(c, key.SpaceSite, func(_ []byte, s model.Site) ([]byte, [][]byte) { return none(key.Site(s.ID)) }),
		c.hosts(),
		c.counts(), // behind the hosts, which it is compared with
		c.trends(),
		c.beats(),
		c.local(),
		rows(c, key.SpaceAdvisory, func(_ []byte, a model.Advisory) ([]byte, [][]byte) {
			return key.Advisory(a.AdvisoryKey), advisoryEntries(a)
		}),
		rows(c, key.SpaceAdvisoryGone, func(_ []byte, g advisoryGone) ([]byte, [][]byte) {
			if ok, err := c.r.has(key.Advisory(g.AdvisoryKey)); err == nil && ok {
				c.fault("%s is there, and remembered as removed", g.AdvisoryKey)
			}
			return key.AdvisoryGone(g.AdvisoryKey), goneEntries(g)
		}),
		rows(c, key.SpaceCanonical, func(_ []byte, x model.Canonical) ([]byte, [][]byte) {
			return key.Canonical(x.ID), canonicalEntries(x)
		}),
		rows(c, key.SpaceCanonicalEvent, func(_ []byte, e model.CanonicalEvent) ([]byte, [][]byte) { return none(key.CanonicalEvent(e.Seq)) }),
		rows(c, key.SpaceStage, func(k []byte, _ apply.Part) ([]byte, [][]byte) { return none(k) }),
		rows(c, key.SpacePartner, func(_ []byte, p model.Partner) ([]byte, [][]byte) { return none(key.Partner(p.Name)) }),
		rows(c, key.SpaceAuthority, func(_ []byte, a model.PutAuthority) ([]byte, [][]byte) { return none(key.Authority(a.Source)) }),
		rows(c, key.SpaceAcceptance, func(_ []byte, a model.Acceptance) ([]byte, [][]byte) { return none(key.Acceptance(a.ID)) }),
		rows(c, key.SpaceImport, func(k []byte, _ model.ImportRecord) ([]byte, [][]byte) { return none(k) }),
		rows(c, key.SpaceMatch, func(_ []byte, m model.Match) ([]byte, [][]byte) { return none(key.Match(m.Digest)) }),
		rows(c, key.SpaceFindings, func(_ []byte, f findings) ([]byte, [][]byte) { return none(key.Findings(f.Digest)) }),
		rows(c, key.SpaceExposure, func(_ []byte, e model.Exposure) ([]byte, [][]byte) { return none(key.Exposure(e.Site)) }),
		rows(c, key.SpaceSigner, func(_ []byte, s model.SignerKey) ([]byte, [][]byte) { return none(key.Signer(s.ID)) }),
		rows(c, key.SpaceCommand, func(_ []byte, m model.Command) ([]byte, [][]byte) { return key.Command(m.ID), commandEntries(m) }),
		rows(c, key.SpaceTask, func(_ []byte, t model.Task) ([]byte, [][]byte) { return none(key.Task(t.Command, t.Host)) }),
		rows(c, key.SpaceAccount, func(_ []byte, a model.Account) ([]byte, [][]byte) { return none(key.Account(a.Name)) }),
		rows(c, key.SpaceSession, func(_ []byte, s model.Session) ([]byte, [][]byte) { return none(key.Session(s.ID)) }),
		rows(c, key.SpaceAudit, func(_ []byte, e model.AuditEntry) ([]byte, [][]byte) { return none(key.Audit(e.Seq)) }),
		rows(c, key.SpaceSearch, func(_ []byte, s model.SavedSearch) ([]byte, [][]byte) { return none(key.Search(s.Name)) }),
		rows(c, key.SpaceWatermark, func(k []byte, _ model.Position) ([]byte, [][]byte) { return none(k) }),
		rows(c, key.SpaceDirective, func(k []byte, d directive) ([]byte, [][]byte) {
			to, seq, err := key.ReadDirective(k)
			if err != nil {
				return nil, nil
			}
			return k, [][]byte{key.DirectiveKey(to, d.Key, seq)}
		}),
		c.requests(),
		c.alerts(),
		c.canonicals(),
	} {
		if err != nil {
			return err
		}
	}
	for _, e := range key.Table() {
		if !e.Index {
			continue
		}
		if err := c.index(e.Space); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) fault(format string, args ...any) {
	c.report.FaultN++
	if len(c.report.Faults) < 100 {
		c.report.Faults = append(c.report.Faults, fmt.Sprintf(format, args...))
	}
}

// rows checks one keyspace of rows in JSON. Of returns the key that a row ought to have, and its index
// entries.
func rows[T any](c *checker, space key.Space, of func(k []byte, row T) (own []byte, entries [][]byte)) error {
	return c.each(space, func(k, v []byte) ([]byte, [][]byte, error) {
		var row T
		if err := c.r.rows.decode(v, &row); err != nil {
			return nil, nil, err
		}
		own, entries := of(k, row)
		return own, entries, nil
	})
}

// each checks one keyspace of rows. Fn reads a row and returns the key that it ought to have and its index
// entries; its error is about the row.
func (c *checker) each(space key.Space, fn func(k, v []byte) (own []byte, entries [][]byte, err error)) error {
	if err := c.ctx.Err(); err != nil {
		return context.Cause(c.ctx)
	}
	return c.r.scan(space.Prefix(), func(k, v []byte) error {
		if c.report.Rows++; c.report.Rows%1024 == 0 && c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		own, entries, err := fn(k, v)
		if err != nil {
			c.fault("%s: %v", key.Describe(k), err)
			return nil
		}
		if !bytes.Equal(own, k) {
			c.fault("%s holds the row of %s", key.Describe(k), key.Describe(own))
		}
		for _, e := range entries {
			ok, err := c.r.has(e)
			switch {
			case err != nil:
				return err
			case ok:
				c.want[key.Space(e[0])]++
			default:
				c.fault("%s is missing for %s", key.Describe(e), key.Describe(k))
			}
		}
		return nil
	})
}

// index checks that an index has no more entries than the rows ask for; they have all been found in it.
func (c *checker) index(space key.Space) error {
	if err := c.ctx.Err(); err != nil {
		return context.Cause(c.ctx)
	}
	n, err := c.r.count(space.Prefix())
	if err != nil {
		return err
	}
	c.report.Entries += n
	if n == c.want[space] {
		return nil
	}
	return c.r.scan(space.Prefix(), func(k, _ []byte) error {
		entries, err := c.r.asked(k)
		if err != nil && !fault.Is(err, fault.Corrupt) {
			return err
		}
		if err != nil || !slices.ContainsFunc(entries, func(e []byte) bool { return bytes.Equal(e, k) }) {
			c.fault("%s is in the index, but no row asks for it", key.Describe(k))
		}
		return nil
	})
}

// asked returns the index entries of the row that an index key names; none where there is no such row.
func (r *Reader) asked(k []byte) ([][]byte, error) {
	switch key.Space(k[0]) {
	case key.SpaceMemberPin, key.SpaceMemberName:
		_, id, err := key.ReadMemberPin(k)
		if key.Space(k[0]) == key.SpaceMemberName {
			_, _, id, err = key.ReadMemberName(k)
		}
		if err != nil {
			return nil, err
		}
		return entriesOf(r, key.Member(id), memberEntries)
	case key.SpaceHostPackages:
		_, id, err := key.ReadHostPackages(k)
		if err != nil {
			return nil, err
		}
		h, ok, err := r.Host(id)
		if err != nil || !ok {
			return nil, err
		}
		upper, err := r.upper()
		return hostEntries(h, upper), err
	case key.SpaceAdvisoryPackage:
		_, _, a, err := key.ReadAdvisoryPackage(k)
		if err != nil {
			return nil, err
		}
		return entriesOf(r, key.Advisory(a), advisoryEntries)
	case key.SpaceAdvisoryIdentifier:
		_, a, err := key.ReadAdvisoryIdentifier(k)
		if err != nil {
			return nil, err
		}
		return entriesOf(r, key.Advisory(a), advisoryEntries)
	case key.SpaceAdvisoryIdentity:
		_, a, err := key.ReadAdvisoryIdentity(k)
		if err != nil {
			return nil, err
		}
		return entriesOf(r, key.Advisory(a), advisoryEntries)
	case key.SpaceCanonicalHash, key.SpaceAdvisoryCanonical:
		_, id, err := key.ReadCanonicalHash(k)
		if key.Space(k[0]) == key.SpaceAdvisoryCanonical {
			_, id, err = key.ReadAdvisoryCanonical(k)
		}
		if err != nil {
			return nil, err
		}
		return entriesOf(r, key.Canonical(id), canonicalEntries)
	case key.SpaceAdvisoryCursor:
		_, a, err := key.ReadAdvisoryCursor(k)
		if err != nil {
			return nil, err
		}
		entries, err := entriesOf(r, key.Advisory(a), advisoryEntries)
		if err != nil || entries != nil {
			return entries, err
		}
		return entriesOf(r, key.AdvisoryGone(a), goneEntries)
	case key.SpaceCommandOpen:
		id, err := key.ReadCommandOpen(k)
		if err != nil {
			return nil, err
		}
		return entriesOf(r, key.Command(id), commandEntries)
	case key.SpaceDirectiveKey:
		to, _, seq, err := key.ReadDirectiveKey(k)
		if err != nil {
			return nil, err
		}
		return entriesOf(r, key.Directive(to, seq), func(d directive) [][]byte {
			return [][]byte{key.DirectiveKey(to, d.Key, seq)}
		})
	case key.SpaceRequestOrder:
		return r.requestAsked(k)
	case key.SpaceAlertOpen:
		id, err := key.ReadAlertOpen(k)
		if err != nil {
			return nil, err
		}
		return entriesOf(r, key.Alert(id), alertEntries)
	case key.SpaceAlertEnded:
		_, id, err := key.ReadAlertEnded(k)
		if err != nil {
			return nil, err
		}
		return entriesOf(r, key.Alert(id), alertEntries)
	}
	return nil, nil
}

func entriesOf[T any](r *Reader, k []byte, entries func(T) [][]byte) ([][]byte, error) {
	row, ok, err := get[T](r, k)
	if err != nil || !ok {
		return nil, err
	}
	return entries(row), nil
}
