package index

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// pick returns one of n small values of some noun, so that operations meet each other.
func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func smallID(rng *rand.Rand) (id [16]byte) {
	id[15] = byte(1 + rng.IntN(8))
	return id
}

func randomAdvisory(rng *rand.Rand, seq model.Seq) model.Advisory {
	names := func() []string {
		var s []string
		for range rng.IntN(3) {
			s = append(s, pick(rng, "CVE-1", "cve-1", "CVE-2", "GHSA-x", "ID-3"))
		}
		return s
	}
	a := model.Advisory{
		AdvisoryKey: randomAdvisoryKey(rng), Aliases: names(), Upstream: names(), Related: names(),
		Cursor: model.Cursor{At: model.Time(seq) * 10, Seq: seq},
	}
	for range rng.IntN(4) {
		a.Affected = append(a.Affected, model.Affected{Ecosystem: pick(rng, "Debian:1", "Debian:12", "npm"), Name: pick(rng, "zlib", "zlib1g", "a\x00b")})
	}
	return a
}

func randomAdvisoryKey(rng *rand.Rand) model.AdvisoryKey {
	return model.AdvisoryKey{Source: pick(rng, "debian", "ghsa"), ID: pick(rng, "ID-1", "ID-2", "ID-3", "ID-4")}
}

// step does one random operation.
func step(t *testing.T, tx *Tx, rng *rand.Rand, n int) {
	switch rng.IntN(11) {
	case 0, 1:
		ok(t, tx.PutMember(model.Member{
			ID: smallID(rng), Kind: pick(rng, model.MemberSite, model.MemberHost), Name: pick(rng, "a", "ab", "b"),
			Status: pick(rng, model.MemberPending, model.MemberEnrolled, model.MemberRemoved), Pin: pick(rng, "", "p1", "p2"),
		}))
	case 2, 3:
		h := host(0, smallID(rng))
		h.ID, h.Agent = smallID(rng), smallID(rng)
		h.PackagesDigest = pick(rng, "", "d", "dd", "e")
		h.Hostname = pick(rng, "Web", "db", "bü\"ro")
		h.Status = pick(rng, model.HostUp, model.HostDown, model.HostUnknown)
		ok(t, tx.PutHost(h))
	case 4:
		ok(t, tx.DeleteHost(smallID(rng)))
	case 5, 6:
		ok(t, tx.PutAdvisory(randomAdvisory(rng, model.Seq(n))))
	case 7:
		ok(t, tx.DeleteAdvisory(randomAdvisoryKey(rng), model.Cursor{At: 5, Seq: model.Seq(n)}))
	case 8:
		ok(t, tx.PutCommand(model.Command{ID: smallID(rng), State: pick(rng, model.CommandQueued, model.CommandRunning, model.CommandPartial, model.CommandExpired)}))
	case 9:
		to := pick(rng, model.NodeID{}, model.NodeID{1}, model.NodeID{2})
		switch rng.IntN(3) {
		case 0:
			ok(t, tx.PutDirective(to, pick(rng, model.ItemAcceptance, model.ItemAcceptGone), "acceptance:"+randomAdvisoryKey(rng).String(), 1))
		case 1:
			ok(t, tx.PutDirective(to, model.ItemOrder, model.CommandID(smallID(rng)).String(), 1))
		case 2:
			ok(t, tx.RemoveDirective(to, pick(rng, "acceptance:"+randomAdvisoryKey(rng).String(), model.CommandID(smallID(rng)).String())))
		}
	case 10:
		ok(t, tx.PutMatch(model.Match{Digest: pick(rng, "d", "dd", "e")}))
	}
}

// TestIndexesEqualRows: after random puts and deletes, in transactions of random length of which some
// are discarded, Check finds nothing, and each query gives what a full scan of the rows gives.
func TestIndexesEqualRows(t *testing.T) {
	t.Run("site", func(t *testing.T) { indexesEqualRows(t, openMem(t)) })
	t.Run("controller", func(t *testing.T) {
		s := openMem(t)
		tx := s.Begin()
		ok(t, tx.PutSelf(model.Found{Self: model.NodeID{1}, Role: model.RoleController}))
		ok(t, tx.Commit(1, false))
		indexesEqualRows(t, s)
	})
}

func indexesEqualRows(t *testing.T, s *Store) {
	rng := seeded(t)
	n := 1
	for range 150 {
		tx := s.Begin()
		for range 1 + rng.IntN(12) {
			n++
			step(t, tx, rng, n)
		}
		regroup(t, tx)
		if rng.IntN(5) == 0 {
			compareQueries(t, &tx.Reader) // a transaction sees its own writes in every query
			tx.Discard()
			continue
		}
		recount(t, tx)
		ok(t, tx.Commit(uint64(n), false))
		sound(t, s)
		v := s.View()
		compareQueries(t, &v.Reader)
		compareSites(t, v)
		ok(t, v.Close())
	}
	if r := sound(t, s); r.Rows < 20 || r.Entries < 20 {
		t.Fatalf("too little happened: %+v", r)
	}
}

func compareQueries(t *testing.T, r *Reader) {
	t.Helper()
	same := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %v; a full scan says %v", what, got, want)
		}
	}
	var hosts []model.Host
	ok(t, r.EachHost(func(h model.Host) error { hosts = append(hosts, h); return nil }))
	ids := func(keep func(model.Host) bool) (out []model.HostID) {
		for _, h := range hosts {
			if keep(h) {
				out = append(out, h.ID)
			}
		}
		return out
	}
	collect := func(out *[]model.HostID) func(model.Host) error {
		return func(h model.Host) error { *out = append(*out, h.ID); return nil }
	}
	upper, err := r.upper()
	ok(t, err)
	var wantDigests, digests []string
	for _, d := range []string{"d", "dd", "e"} {
		var got []model.HostID
		ok(t, r.HostsWithPackages(d, collect(&got)))
		want := ids(func(h model.Host) bool { return h.PackagesDigest == d && !upper })
		same("hosts with "+d, got, want)
		if len(want) > 0 {
			wantDigests = append(wantDigests, d)
		}
	}
	ok(t, r.EachDigest(func(d string) error { digests = append(digests, d); return nil }))
	same("digests", digests, wantDigests)
	ok(t, r.EachMatchHead(func(m model.Match, n int) error {
		same("hosts of match "+m.Digest, n, len(ids(func(h model.Host) bool { return h.PackagesDigest == m.Digest && !upper })))
		return nil
	}))
	compareMembers(t, r, same)
	compareAdvisories(t, r, same)
	compareWork(t, r, same)
}

// compareSites compares what the index in memory says of sites with the rows.
func compareSites(t *testing.T, v *View) {
	t.Helper()
	for n := range 10 {
		site := model.SiteID{15: byte(n)}
		var got, want []model.HostID
		ok(t, v.HostsOfSite(site, func(h model.Host) error { got = append(got, h.ID); return nil }))
		ok(t, v.EachHost(func(h model.Host) error {
			if h.Site == site {
				want = append(want, h.ID)
			}
			return nil
		}))
		if !slices.Equal(got, want) {
			t.Fatalf("hosts of site %v: got %v; a full scan says %v", site, got, want)
		}
	}
}

func compareMembers(t *testing.T, r *Reader, same func(string, any, any)) {
	var members []model.Member
	ok(t, each(r, key.SpaceMember.Prefix(), func(m model.Member) error { members = append(members, m); return nil }))
	for _, k := range []model.MemberKind{model.MemberSite, model.MemberHost} {
		for _, name := range []string{"a", "ab", "b", "c"} {
			i := slices.IndexFunc(members, func(m model.Member) bool {
				return m.Kind == k && m.Name == name && m.Status != model.MemberRemoved
			})
			id, found, err := r.MemberNamed(k, name)
			ok(t, err)
			same("member named "+name, found, i >= 0)
			if found {
				same("member named "+name, id, members[i].ID)
			}
		}
	}
	for _, pin := range []string{"p", "p1", "p2"} {
		i := slices.IndexFunc(members, func(m model.Member) bool { return m.Pin == pin && m.Status != model.MemberRemoved })
		m, found, err := r.MemberByPin(pin)
		ok(t, err)
		same("member with pin "+pin, found, i >= 0)
		if found {
			same("member with pin "+pin, m, members[i])
		}
	}
}

func compareAdvisories(t *testing.T, r *Reader, same func(string, any, any)) {
	var rows []model.Advisory
	ok(t, r.EachAdvisory(func(a model.Advisory) error { rows = append(rows, a); return nil }))
	var gone []advisoryGone
	ok(t, each(r, key.SpaceAdvisoryGone.Prefix(), func(g advisoryGone) error { gone = append(gone, g); return nil }))
	keys := func(keep func(model.Advisory) bool) (out []model.AdvisoryKey) {
		for _, a := range rows {
			if keep(a) {
				out = append(out, a.AdvisoryKey)
			}
		}
		return out
	}
	for _, eco := range []string{"Debian:1", "Debian:12", "npm"} {
		for _, pkg := range []string{"zlib", "zlib1g", "a\x00b", "a"} {
			var got []model.AdvisoryKey
			ok(t, r.AdvisoriesFor(eco, pkg, func(a model.Advisory) error { got = append(got, a.AdvisoryKey); return nil }))
			same("advisories for "+eco+" "+pkg, got, keys(func(a model.Advisory) bool {
				return slices.ContainsFunc(a.Affected, func(p model.Affected) bool { return p.Ecosystem == eco && p.Name == pkg })
			}))
		}
	}
	for _, name := range []string{"cve-1", "CVE-2", "ghsa-X", "ID-3", "ID"} {
		list, err := r.AdvisoriesNaming(name)
		ok(t, err)
		var got []model.AdvisoryKey
		for _, a := range list {
			got = append(got, a.AdvisoryKey)
		}
		is := func(s string) bool { return strings.EqualFold(s, name) }
		same("advisories naming "+name, got, keys(func(a model.Advisory) bool {
			return is(a.ID) || slices.ContainsFunc(a.Aliases, is) || slices.ContainsFunc(a.Upstream, is) || slices.ContainsFunc(a.Related, is)
		}))
	}
	var want []model.AdvisoryChange
	for _, a := range rows {
		id := ""
		ok(t, r.EachCanonical("", func(c model.Canonical) error {
			if slices.ContainsFunc(c.Members, func(e model.Edge) bool { return e.AdvisoryKey == a.AdvisoryKey }) {
				id = c.ID
				got, found, err := r.CanonicalHashed(c.Hash)
				ok(t, err)
				same("canonical with the hash of "+c.ID, got, c)
				same("canonical with the hash of "+c.ID, found, true)
			}
			return nil
		}))
		want = append(want, model.AdvisoryChange{Key: a.AdvisoryKey, Cursor: a.Cursor, Advisory: &a, Canonical: id})
	}
	for _, g := range gone {
		want = append(want, model.AdvisoryChange{Key: g.AdvisoryKey, Cursor: g.Cursor})
	}
	slices.SortFunc(want, func(a, b model.AdvisoryChange) int { return cmp.Compare(a.Cursor.Seq, b.Cursor.Seq) })
	for _, from := range []int{0, len(want) / 2, len(want)} {
		var after model.Cursor
		if from > 0 {
			after = want[from-1].Cursor
		}
		var got []model.AdvisoryChange
		ok(t, r.AdvisoriesAfter(after, func(c model.AdvisoryChange) error { got = append(got, c); return nil }))
		same(fmt.Sprintf("changes after %v", after), len(got), len(want)-from)
		for i := range got {
			same("change", got[i], want[from+i])
		}
		n := 0
		ok(t, r.ChangesAfter(after, func(c model.AdvisoryChange) error {
			if c.Raw != nil {
				c.Advisory = new(model.Advisory)
				ok(t, model.Decode(c.Raw, c.Advisory))
				c.Raw = nil
			}
			same("stored change", c, want[from+n])
			n++
			return nil
		}))
		same("stored changes", n, len(got))
	}
}

func compareWork(t *testing.T, r *Reader, same func(string, any, any)) {
	var open, all []model.CommandID
	ok(t, each(r, key.SpaceCommand.Prefix(), func(c model.Command) error {
		all = append(all, c.ID)
		if c.State == model.CommandQueued || c.State == model.CommandRunning {
			open = append(open, c.ID)
		}
		return nil
	}))
	var got []model.CommandID
	ok(t, r.OpenCommands(func(c model.Command) error { got = append(got, c.ID); return nil }))
	same("open commands", got, open)
	slices.Reverse(all)
	var listed []model.CommandID
	for before := (model.CommandID{}); ; {
		page, err := r.Commands(before, 3)
		ok(t, err)
		for _, c := range page {
			listed = append(listed, c.ID)
			before = c.ID
		}
		if len(page) < 3 {
			break
		}
	}
	same("commands", listed, all)
}

// TestCheckFinds: a check that cannot fail proves nothing.
func TestCheckFinds(t *testing.T) {
	h := host(1, model.SiteID{9})
	h.PackagesDigest = "d"
	a := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "debian", ID: "ID-1"}, Cursor: model.Cursor{At: 1, Seq: 1}}
	for name, c := range map[string]struct {
		damage func(tx *Tx) error
		say    string
	}{
		"missing entry": {func(tx *Tx) error { return tx.remove(key.HostPackages("d", h.ID)) }, "is missing for host/"},
		"stale entry":   {func(tx *Tx) error { return tx.mark(key.HostPackages("e", h.ID)) }, "no row asks for it"},
		"lost beat":     {func(tx *Tx) error { return tx.remove(key.HostBeat(h.ID)) }, "has no beat"},
		"ghost beat": {func(tx *Tx) error {
			return tx.batch.Set(key.HostBeat(hostID(2)), compact.AppendBeat(nil, h.Beat()), nil)
		}, "is the beat of a host that is not there"},
		"bad beat": {func(tx *Tx) error { return tx.batch.Set(key.HostBeat(h.ID), []byte{1, 2}, nil) }, "are not the beat of a host"},
		"lost row": {func(tx *Tx) error {
			return errors.Join(tx.remove(key.Host(h.ID)), tx.remove(key.HostPackages("d", h.ID)), tx.remove(key.HostBeat(h.ID)))
		}, "knows 1 hosts, and there are 0 rows"},
		"bad trend": {func(tx *Tx) error {
			return tx.batch.Set(key.Trend(h.Site, model.ResHour, 7e9), appendCounts([]byte{formCounts, countsLayout, 2}, &model.SiteCounts{}), nil)
		}, "holds the row of trend/"},
		"bad counts":  {func(tx *Tx) error { return tx.batch.Set(key.Counts(h.Site), []byte{formCounts, countsLayout, 2}, nil) }, "no row of counts"},
		"journal":     {func(tx *Tx) error { return tx.batch.Set(key.HostJournal(77, 0), h.ID[:], nil) }, "does not follow"},
		"journal ids": {func(tx *Tx) error { return tx.batch.Set(key.HostJournal(1, 0), h.ID[:15], nil) }, "are not ids of hosts"},
		"checkpoint": {func(tx *Tx) error {
			return tx.batch.Set(key.SearchCheckpoint(7, 0), append([]byte{headLayout, 27: 9}, 0), nil)
		}, "not what its head says"},
		"entry of none":  {func(tx *Tx) error { return tx.mark(key.MemberName("site", "x", model.NodeID{4})) }, "no row asks for it"},
		"stale cursor":   {func(tx *Tx) error { return tx.mark(key.AdvisoryCursor(model.Cursor{At: 1, Seq: 7}, a.AdvisoryKey)) }, "no row asks for it"},
		"stale command":  {func(tx *Tx) error { return tx.mark(key.CommandOpen(model.CommandID{1})) }, "no row asks for it"},
		"stale name":     {func(tx *Tx) error { return tx.mark(key.AdvisoryIdentifier("cve-9", a.AdvisoryKey)) }, "no row asks for it"},
		"stale package":  {func(tx *Tx) error { return tx.mark(key.AdvisoryPackage("npm", "left-pad", a.AdvisoryKey)) }, "no row asks for it"},
		"stale identity": {func(tx *Tx) error { return tx.mark(key.AdvisoryIdentity("CVE-9", a.AdvisoryKey)) }, "no row asks for it"},
		"stale hash":     {func(tx *Tx) error { return tx.mark(key.CanonicalHash("sha256:aa", "ID-1")) }, "no row asks for it"},
		"lost canonical": {func(tx *Tx) error { return tx.DeleteCanonical("ID-1") }, "there is no canonical ID-1"},
		"stale canonical": {func(tx *Tx) error {
			return tx.PutCanonical(model.Canonical{ID: "ID-9", Hash: merge.Hash("ID-9"), Members: []model.Edge{{AdvisoryKey: a.AdvisoryKey}}})
		}, "there are 2 canonicals, and the records make 1"},
		"other head": {func(tx *Tx) error {
			c, _, err := tx.Canonical("ID-1")
			c.Head.Summary = "x"
			return errors.Join(err, tx.PutCanonical(c))
		}, "and its records make"},
		"other reason": {func(tx *Tx) error {
			c, _, err := tx.Canonical("ID-1")
			c.Members[0].Reason = model.EdgeGuard
			return errors.Join(err, tx.PutCanonical(c))
		}, "and its records make"},
		"stage of none":  {func(tx *Tx) error { _, err := tx.PutPart("r", 0, apply.Part{}); return err }, "is of no run that is open"},
		"lost part":      {func(tx *Tx) error { return tx.PutRun(apply.Run{ID: "r", Parts: 1}) }, "0 of the 1 parts"},
		"lost directive": {func(tx *Tx) error { return tx.remove(key.Directive(model.NodeID{}, 1)) }, "no row asks for it"},
		"wrong key":      {func(tx *Tx) error { return tx.put(key.Host(hostID(2)), h) }, "holds the row of host "},
		"both": {func(tx *Tx) error {
			return tx.put(key.AdvisoryGone(a.AdvisoryKey), advisoryGone{a.AdvisoryKey, a.Cursor})
		}, "remembered as removed"},
		"damage":       {func(tx *Tx) error { return tx.batch.Set(key.Host(h.ID), []byte{formJSON, '{'}, nil) }, "does not decode"},
		"unknown form": {func(tx *Tx) error { return tx.batch.Set(key.Host(h.ID), []byte{9}, nil) }, "unknown form 9"},
		"bad zstd":     {func(tx *Tx) error { return tx.batch.Set(key.Findings("d"), []byte{formZstd, 1, 2}, nil) }, "does not decompress"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openMem(t)
			write(t, s, func(tx *Tx) {
				ok(t, tx.PutHost(h))
				ok(t, tx.PutAdvisory(a))
				regroup(t, tx)
				ok(t, tx.PutDirective(model.NodeID{}, model.ItemShelf, "shelf", 1))
			})
			sound(t, s)
			write(t, s, func(tx *Tx) { ok(t, c.damage(tx)) })
			r, err := s.Check(t.Context())
			ok(t, err)
			if r.OK() || !strings.Contains(strings.Join(r.Faults, "\n"), c.say) {
				t.Fatalf("Check says %d faults %q; want %q", r.FaultN, r.Faults, c.say)
			}
		})
	}
}
