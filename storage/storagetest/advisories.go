package storagetest

import (
	"fmt"
	"strings"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

func advisories(s suite) {
	k := model.AdvisoryKey{Source: "debian", ID: "DSA-1"}
	a := model.Advisory{
		AdvisoryKey: k, Aliases: []string{"CVE-1"}, Summary: strings.Repeat("é", 500), Cursor: model.Cursor{At: 1, Seq: 1},
		Affected: []model.Affected{{Ecosystem: "Debian:12", Name: "zlib"}, {Ecosystem: "Debian:12", Name: "zlib"}},
	}
	put := func(tx Tx) {
		s.ok(tx.PutAdvisory(a))
		s.ok(tx.DeleteCanonical("DSA-1"))
		group(s, tx, a)
	}
	other := model.AdvisoryKey{Source: "debian-x", ID: "DSA-1"}
	s.twice(put, func(tx Tx) {
		row(s, a, true)(tx.Advisory(k))
		row(s, a, false)(tx.Advisory(other))
	})
	a.Aliases, a.Affected, a.Cursor.Seq = []string{"CVE-1", "cve-1", "DSA-1"}, nil, 2
	s.twice(put, func(tx Tx) { row(s, a, true)(tx.Advisory(k)) })
	s.twice(func(tx Tx) {
		s.ok(tx.DeleteAdvisory(k, model.Cursor{At: 1, Seq: 3}))
		s.ok(tx.DeleteAdvisory(other, model.Cursor{At: 1, Seq: 3}))
		s.ok(tx.DeleteCanonical("dsa-1"))
	}, func(tx Tx) { row(s, a, false)(tx.Advisory(k)) })
	s.write(func(tx Tx) { s.ok(tx.DeleteAdvisory(k, model.Cursor{At: 1, Seq: 4})) })
	a.Cursor.Seq = 5
	s.twice(put, func(tx Tx) { row(s, a, true)(tx.Advisory(k)) })
}

// names fits a transaction to grouping.
type names struct {
	suite
	tx Tx
}

// Having implements merge.Names.
func (n names) Having(identity string, most int) (all []merge.Record, err error) {
	keys, err := n.tx.Identified(identity, most)
	for _, k := range keys {
		a, ok, err := n.tx.Advisory(k)
		if n.ok(err); !ok {
			n.Fatalf("%s has the identity %q and is not there", k, identity)
		}
		all = append(all, merge.RecordOf(a))
	}
	return all, err
}

// group writes the canonicals around a record.
func group(s suite, tx Tx, a model.Advisory) {
	s.Helper()
	groups, err := merge.Regroup(names{s, tx}, merge.Identities(a))
	s.ok(err)
	for _, g := range groups {
		c := model.Canonical{ID: g.ID, Hash: merge.Hash(g.ID), Since: 1, Changed: 2, Members: g.Members}
		var members []model.Advisory
		for _, e := range g.Members {
			a, _, err := tx.Advisory(e.AdvisoryKey)
			s.ok(err)
			members = append(members, a)
		}
		c.Head = merge.Head(c.ID, members)
		s.ok(tx.PutCanonical(c))
	}
}

func canonicals(s suite) {
	a := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "a", ID: "GHSA-x"}, Aliases: []string{"CVE-2024-0001"}}
	b := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "b", ID: "cve-2024-0001"}, Cursor: model.Cursor{Seq: 2}}
	lone := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "b", ID: "Lone-1"}, Cursor: model.Cursor{Seq: 3}}
	id := func(tx Tx, k model.AdvisoryKey, want string) {
		s.Helper()
		got, ok, err := tx.CanonicalOf(k)
		s.ok(err)
		if got != want || ok != (want != "") {
			s.Fatalf("%s belongs to %q, %v; want %q", k, got, ok, want)
		}
	}
	s.twice(func(tx Tx) {
		for _, x := range []model.Advisory{a, b, lone} {
			s.ok(tx.PutAdvisory(x))
		}
		group(s, tx, a)
		group(s, tx, lone)
	}, func(tx Tx) {
		for _, x := range []struct {
			identity string
			most     int
			want     []model.AdvisoryKey
		}{
			{"CVE-2024-0001", 0, []model.AdvisoryKey{a.AdvisoryKey, b.AdvisoryKey}},
			{"CVE-2024-0001", 1, []model.AdvisoryKey{a.AdvisoryKey}},
			{"GHSA-X", 5, []model.AdvisoryKey{a.AdvisoryKey}},
			{"CVE-2024-00", 5, nil},
		} {
			got, err := tx.Identified(x.identity, x.most)
			s.ok(err)
			equal(s, x.identity, got, x.want)
		}
		id(tx, a.AdvisoryKey, "CVE-2024-0001")
		id(tx, b.AdvisoryKey, "CVE-2024-0001")
		id(tx, lone.AdvisoryKey, "Lone-1")
		id(tx, model.AdvisoryKey{Source: "b", ID: "Lone"}, "")
		c, ok, err := tx.Canonical("lone-1 ")
		s.ok(err)
		if !ok || c.ID != "Lone-1" || c.Since != 1 {
			s.Fatalf("%+v", c)
		}
	})
	s.twice(func(tx Tx) {
		s.ok(tx.DeleteAdvisory(lone.AdvisoryKey, model.Cursor{Seq: 4}))
		s.ok(tx.DeleteCanonical("LONE-1"))
		s.ok(tx.DeleteCanonical("absent"))
		s.ok(tx.DeleteAdvisory(b.AdvisoryKey, model.Cursor{Seq: 5}))
		group(s, tx, a)
		if tx.PutCanonical(model.Canonical{ID: "x"}) == nil || tx.PutCanonical(model.Canonical{Members: []model.Edge{{}}}) == nil {
			s.Error("a canonical of nothing was taken")
		}
	}, func(tx Tx) {
		id(tx, a.AdvisoryKey, "CVE-2024-0001")
		id(tx, b.AdvisoryKey, "")
		id(tx, lone.AdvisoryKey, "")
	})
	s.write(func(tx Tx) {
		s.ok(tx.PutEvents(nil))
		s.ok(tx.PutEvents([]model.CanonicalEvent{{ID: "1"}, {ID: "2", Seq: 77}}))
	})
}

func runs(s suite) {
	run := apply.Run{ID: "r", Parts: 2, At: 7, Bytes: 5}
	part := func(n int) apply.Part {
		return apply.Part{Put: []model.Advisory{{AdvisoryKey: model.AdvisoryKey{Source: "s", ID: fmt.Sprint(n)}, Summary: strings.Repeat("long ", 2000)}}, Delete: []model.AdvisoryKey{{Source: "s", ID: "gone"}}}
	}
	s.twice(func(tx Tx) {
		row(s, run, false)(tx.OpenRun())
		s.ok(tx.DropRun())
		for n := range 2 {
			size, err := tx.PutPart("r", n, part(n))
			s.ok(err)
			if b, err := model.Encode(part(n)); err != nil || size != len(b) {
				s.Fatalf("a part of %d bytes has %d, %v", len(b), size, err)
			}
		}
		s.ok(tx.PutRun(run))
		s.ok(tx.PutRunResult(apply.RunResult{Run: "before", Created: 3}))
		s.ok(tx.PutTurn(apply.Turn{Generation: 1, Cursor: model.Cursor{At: 5, Seq: 3}}))
	}, func(tx Tx) {
		row(s, run, true)(tx.OpenRun())
		row(s, part(1), true)(tx.Part("r", 1))
		row(s, part(2), false)(tx.Part("r", 2))
		row(s, apply.RunResult{Run: "before", Created: 3}, true)(tx.RunResult("before"))
		row(s, apply.RunResult{}, false)(tx.RunResult("r"))
		row(s, model.Cursor{At: 5, Seq: 3}, true)(tx.CursorOf(1))
		row(s, model.Cursor{}, false)(tx.CursorOf(2))
	})
	s.twice(func(tx Tx) {
		s.ok(tx.DropRun())
		for n := range 100 {
			s.ok(tx.PutRunResult(apply.RunResult{Run: fmt.Sprint(n)}))
			s.ok(tx.PutTurn(apply.Turn{Generation: uint64(n) + 2}))
		}
	}, func(tx Tx) {
		row(s, run, false)(tx.OpenRun())
		row(s, part(0), false)(tx.Part("r", 0))
		row(s, apply.RunResult{Run: "99"}, true)(tx.RunResult("99"))
		row(s, apply.RunResult{}, false)(tx.RunResult("0")) // the newest few are remembered
		row(s, model.Cursor{}, true)(tx.CursorOf(101))
		row(s, model.Cursor{}, true)(tx.CursorOf(101 - 63))
		row(s, model.Cursor{}, false)(tx.CursorOf(101 - 64))
	})
}

func partners(s suite) {
	p := model.Partner{Name: "oslo", Enabled: true, MaxBundle: 5, Sources: []string{"osv"}, At: 7}
	x := model.Acceptance{ID: "a1", Vulnerability: "CVE-2024-1", Reason: "r", By: "ann", At: 1, Until: 9, Envelope: []byte{0, 1}}
	y := x
	y.ID = "a2"
	who := model.PutAuthority{Source: "osv", Ecosystems: []string{"npm"}}
	list := func(tx Tx, want ...string) {
		s.Helper()
		all, err := tx.Acceptances()
		s.ok(err)
		var got []string
		for _, a := range all {
			got = append(got, a.ID)
		}
		equal(s, "acceptances", got, want)
	}
	s.twice(func(tx Tx) {
		row(s, p, false)(tx.Partner("oslo"))
		list(tx)
		s.ok(tx.PutPartner(p))
		s.ok(tx.PutAcceptance(y))
		s.ok(tx.PutAcceptance(x))
		s.ok(tx.PutAuthority(model.PutAuthority{Source: "osv"}))
		s.ok(tx.PutAuthority(who))
	}, func(tx Tx) {
		row(s, p, true)(tx.Partner("oslo"))
		row(s, p, false)(tx.Partner("osl"))
		row(s, x, true)(tx.Acceptance("a1"))
		list(tx, "a1", "a2")
		rows, err := tx.AuthorityRows()
		s.ok(err)
		if len(rows) != 1 {
			s.Fatalf("%+v", rows)
		}
		row(s, who, true)(rows[0], true, nil)
	})
	s.twice(func(tx Tx) {
		s.ok(tx.DeletePartner("oslo"))
		s.ok(tx.DeletePartner("oslo"))
		s.ok(tx.DeleteAcceptance("a1"))
		s.ok(tx.DeleteAcceptance("absent"))
	}, func(tx Tx) {
		row(s, p, false)(tx.Partner("oslo"))
		row(s, x, false)(tx.Acceptance("a1"))
		list(tx, "a2")
	})
}
