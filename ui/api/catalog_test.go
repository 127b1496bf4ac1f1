package api

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// told is all that a catalog holds, for comparing.
func (g *catalog) told() (out []string) {
	for _, x := range g.rows {
		var in []string
		for _, s := range x.in {
			in = append(in, s.Ecosystem+" "+s.Name)
			if g.sheets[sheetKey(s.Ecosystem, s.Name)] != s {
				in = append(in, "of another time")
			}
		}
		slices.Sort(in)
		out = append(out, fmt.Sprintf("%s %s %s %d %+v %q %v %v %v", x.id, x.fold, x.hash, x.changed, x.head, x.text, x.sources, in, x.speaks))
	}
	for k, s := range g.sheets {
		var of []string
		for _, x := range s.of {
			of = append(of, x.id)
		}
		slices.Sort(of)
		out = append(out, fmt.Sprintf("%q %v %d", k, of, s.Len()))
	}
	for e, n := range g.bases {
		out = append(out, fmt.Sprint(e, " has ", n))
	}
	for id, from := range g.spoken {
		out = append(out, fmt.Sprint(id, " is spoken of ", len(from)))
	}
	slices.Sort(out)
	return out
}

// sameAnew makes the catalog anew and holds it against what it was: followed one by one it is what it is when made of all rows.
func sameAnew(t *testing.T, s *Server, find func()) {
	t.Helper()
	followed, built := s.catalog.told(), s.catalog.built
	s.catalog.ready = false
	if find(); s.catalog.built != built+1 {
		t.Fatalf("made %d times", s.catalog.built-built)
	}
	if anew := s.catalog.told(); !slices.Equal(followed, anew) {
		t.Errorf("followed: %s\nanew: %s", strings.Join(followed, "\n"), strings.Join(anew, "\n"))
	}
}

// judged is what affects a package by the rows alone: every release as a host is judged, "ID verdict fixed", sorted.
func judged(t *testing.T, v View, purl string) (out []string) {
	t.Helper()
	u, ok := exposure.ReadPackageURL(purl)
	if !ok {
		t.Fatalf("%s is no package URL", purl)
	}
	systems := map[string]bool{}
	if err := v.EachAdvisory(func(a model.Advisory) error {
		for i := range a.Affected {
			systems[a.Affected[i].Ecosystem] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	m := exposure.NewMatcher(v)
	best := map[string]model.Finding{}
	for _, e := range slices.Sorted(maps.Keys(systems)) {
		if u.In(e) {
			judgeInto(t, v, m, best, model.Lookup{Ecosystem: e, Name: u.Name, Version: u.Version})
		}
	}
	for id, f := range best {
		out = append(out, fmt.Sprint(id, " ", f.Verdict, " ", f.Fixed))
	}
	slices.Sort(out)
	return out
}

// judgeInto adds what one Lookup has, by the ids of canonicals: the first for sure, else the first.
func judgeInto(t *testing.T, v View, m *exposure.Matcher, best map[string]model.Finding, l model.Lookup) {
	t.Helper()
	all, err := m.Judge([]model.Lookup{l})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all[0].Findings {
		id, ok, err := v.CanonicalOf(f.Advisory)
		if err != nil || !ok {
			t.Fatal(f.Advisory, ok, err)
		}
		was, had := best[id]
		if f.Verdict != model.VerdictSuppressed && (!had || was.Verdict != model.VerdictAffected && f.Verdict == model.VerdictAffected) {
			best[id] = f
		}
	}
}

// foundBy is what a search by a package URL finds, as judged has it.
func foundBy(t *testing.T, s *Server, purl string) (out []string) {
	t.Helper()
	in := searchAdvisoriesInput{Purl: purl, Limit: 1000}
	for {
		page, err := s.searchAdvisories(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Body.Canonicals {
			out = append(out, fmt.Sprint(c.ID, " ", c.Verdict, " ", c.Fixed))
		}
		if in.Cursor = page.Body.Next; in.Cursor == "" {
			if len(out) != page.Body.Total {
				t.Errorf("%s: %d of %d", purl, len(out), page.Body.Total)
			}
			slices.Sort(out)
			return out
		}
	}
}

// TestSearchesByPurlSayWhatHostsAreTold: whatever comes, changes and goes, a version is searched as a host with it is judged.
func TestSearchesByPurlSayWhatHostsAreTold(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	r := newHQ(t)
	r.puts([]model.Advisory{advisory("x", "X-1", nil, "npm", "y", "1")})
	if _, err := r.server.searchAdvisories(t.Context(), &searchAdvisoriesInput{Limit: 1}); err != nil {
		t.Fatal(err)
	}
	some := 0
	for round := range 12 {
		var put []model.Advisory
		var gone []model.AdvisoryKey
		for range 1 + rnd.IntN(40) {
			source := []string{"debian-dsa", "osv", "alpine"}[rnd.IntN(3)]
			a := advisory(source, fmt.Sprint("X-", rnd.IntN(90)), []string{fmt.Sprintf("CVE-2026-%04d", rnd.IntN(60))}, fmt.Sprint("Debian:", 10+rnd.IntN(4)), "linux", fmt.Sprintf("6.%d", rnd.IntN(9)))
			switch rnd.IntN(10) {
			case 0:
				a.Affected[0].Ranges[0].Events = a.Affected[0].Ranges[0].Events[:1]
			case 1:
				a.Affected[0].Outside = true
			case 2:
				a.Withdrawn = 1
			case 3:
				a.Affected[0].Ranges[0].Events[1].Fixed = "no version"
			case 4:
				a.Affected = append(a.Affected, model.Affected{Ecosystem: "Debian:12", Name: "linux", Versions: []string{"6.3"}})
			case 5:
				a.Affected, a.Statements = nil, []model.Statement{{Status: model.StatementNotAffected, Products: []string{"pkg:deb/debian/linux"}}}
			}
			put = append(put, a)
		}
		for range rnd.IntN(10) {
			gone = append(gone, model.AdvisoryKey{Source: "osv", ID: fmt.Sprint("X-", rnd.IntN(90))})
		}
		put = slices.DeleteFunc(put, func(a model.Advisory) bool { return slices.Contains(gone, a.AdvisoryKey) })
		built := r.server.catalog.built
		r.puts(put, gone...)
		v, done := r.server.c.Store.View()
		for _, version := range []string{"6.0", "6.3", "6.4.1", "7", "no version"} {
			for _, distro := range []string{"", "?distro=debian-12", "?distro=bookworm", "?distro=debian-99"} {
				purl := "pkg:deb/debian/linux@" + url.PathEscape(version) + distro
				want, got := judged(t, v, purl), foundBy(t, r.server, purl)
				if !slices.Equal(got, want) {
					t.Fatalf("round %d: %s:\n%s\nand as a host is judged\n%s", round, purl, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				some += len(got)
			}
		}
		done()
		if r.server.catalog.built != built {
			t.Fatal("the catalog was made anew where it could follow")
		}
	}
	if some == 0 {
		t.Error("nothing was found")
	}
	sameAnew(t, r.server, func() { foundBy(t, r.server, "pkg:npm/y") })
}

// TestTheCatalogIsKept: it is there before anyone searches, and many records at once have it made anew once.
func TestTheCatalogIsKept(t *testing.T) {
	r := shelved(t)
	ctx, stop := context.WithCancel(t.Context())
	kept := make(chan struct{})
	go func() { defer close(kept); r.server.keepCatalog(ctx) }()
	defer func() { stop(); <-kept }()
	g := &r.server.catalog
	state := func() (int, int) {
		g.state.RLock()
		defer g.state.RUnlock()
		return g.built, len(g.rows)
	}
	until := func(rows int) {
		t.Helper()
		limit, tick := time.After(20*time.Second), time.NewTicker(5*time.Millisecond)
		defer tick.Stop()
		for {
			if built, n := state(); n == rows {
				if built != 1 {
					t.Errorf("made %d times", built)
				}
				return
			}
			select {
			case <-tick.C:
			case <-limit:
				built, n := state()
				t.Fatalf("%d rows of %d, made %d times", n, rows, built)
			}
		}
	}
	until(4)
	r.puts([]model.Advisory{advisory("debian-dsa", "DSA-7000-1", nil, "Debian:12", "wget", "1.0")})
	until(5)
}

// TestDamagedRecordsEndTheCatalog: a record that does not decode is an error, whatever stands behind it, and no search waits for ever.
func TestDamagedRecordsEndTheCatalog(t *testing.T) {
	r := shelved(t)
	v, done := r.server.c.Store.View()
	defer done()
	for _, bad := range []int{0, 2000, 4999} {
		var g catalog
		err := g.update(t.Context(), torn{v, bad})
		if err == nil || !strings.Contains(err.Error(), "decode") || g.ready {
			t.Errorf("record %d: %v", bad, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var g catalog
	if err := g.update(ctx, torn{v, -1}); err == nil || g.ready {
		t.Errorf("in a context that has ended: %v", err)
	}
	if err := g.update(t.Context(), torn{v, -1}); err != nil || !g.ready {
		t.Error(err)
	}
}

// torn gives many records of which one is none.
type torn struct {
	View
	bad int
}

func (x torn) EachAdvisoryJSON(fn func([]byte) error) error {
	good, err := model.Encode(advisory("s", "S-1", nil, "npm", "a", "1"))
	for i := range 5000 {
		raw := good
		if i == x.bad {
			raw = good[:len(good)/2]
		}
		if err == nil {
			err = fn(raw)
		}
	}
	return err
}
