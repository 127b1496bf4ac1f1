package proof

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// history reads the recorded change sets of one source, the oldest first.
func history(t testing.TB, source string) (names []string, lines map[string][][]byte) {
	t.Helper()
	lines = map[string][][]byte{}
	err := eachEntry(sharedData(t, "dev-history.tar.zst"), []string{"history/" + source + "/"}, func(name string, body []byte) error {
		base := strings.TrimPrefix(path.Base(name), "base-") // it is of the first day
		names = append(names, base)
		for line := range strings.Lines(string(body)) {
			lines[base] = append(lines[base], []byte(strings.TrimSpace(line)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names, lines
}

// TestTrapDeletedAndRenamed follows sources through a year: what they deleted is gone, and what they renamed is there once, and
// belongs to the same vulnerability as before.
func TestTrapDeletedAndRenamed(t *testing.T) {
	for _, c := range []struct {
		source                string
		renamed               string // from this prefix, all of it
		to                    string
		least, deleted, bound int
	}{
		{"drupal", "DSA-CONTRIB-", "DRUPAL-CONTRIB-", 300, 361, 500},
		{"bitnami", "", "", 4000, 290, 8000},
	} {
		names, lines := history(t, c.source)
		held := newShelf()
		deleted, n := map[string]bool{}, 0
		var early []model.Advisory
		for _, name := range names {
			for _, line := range lines[name] {
				x, err := canonical.DecodeChange(c.source, line)
				if err != nil {
					t.Fatalf("%s %s: %v", c.source, name, err)
				}
				if x.Delete {
					if x.Moved {
						continue
					}
					n++
					deleted[x.Key.ID] = true
					delete(held.records, x.Key)
					continue
				}
				delete(deleted, x.Key.ID)
				held.records[x.Key] = x.Record
			}
			if name == names[0] {
				for _, a := range held.records {
					early = append(early, a)
				}
			}
		}
		for id := range deleted {
			if _, ok := held.records[model.AdvisoryKey{Source: c.source, ID: id}]; ok {
				t.Errorf("%s was deleted and is there", id)
			}
		}
		t.Logf("%s: %d change sets, %d deletions, %d records at the end", c.source, len(names), n, len(held.records))
		if n < c.deleted || len(held.records) < c.least || len(held.records) > c.bound {
			t.Errorf("%s: %d deletions, %d records; want %d and %d to %d", c.source, n, len(held.records), c.deleted, c.least, c.bound)
		}
		if c.renamed == "" {
			continue
		}
		joined := 0
		for k := range held.records {
			if strings.HasPrefix(k.ID, c.renamed) {
				t.Errorf("%s is still there", k)
			}
		}
		for _, a := range early {
			now, ok := held.records[model.AdvisoryKey{Source: c.source, ID: c.to + strings.TrimPrefix(a.ID, c.renamed)}]
			if !ok || !strings.HasPrefix(a.ID, c.renamed) {
				continue
			}
			// Both name one CVE, so a server that had the one and got the other keeps one canonical.
			if old := cvesOf(a); len(old) == 1 && slices.Equal(cvesOf(now), old) {
				joined++
			}
		}
		t.Logf("%s: %d records of another name are of the same CVE as before", c.source, joined)
		if joined == 0 {
			t.Errorf("%s: no renamed record kept its CVE", c.source)
		}
	}
}

// TestTrapWithdrawn finds nothing by a record that is withdrawn, and takes a vulnerability for withdrawn only where nobody
// keeps it.
func TestTrapWithdrawn(t *testing.T) {
	s := mustTree(t)
	n, entries := 0, 0
	for k, a := range s.records {
		if a.Withdrawn.IsZero() {
			continue
		}
		n++
		for _, e := range a.Affected {
			version := "0.0.1"
			for _, r := range e.Ranges {
				for _, v := range r.Events {
					if v.Introduced != "" && v.Introduced != "0" {
						version = v.Introduced
					}
				}
			}
			if len(e.Versions) > 0 {
				version = e.Versions[0]
			}
			entries++
			p := in(e.Ecosystem, e.Name, version)
			p.Source, p.SourceVersion = e.Name, version
			if f, ok := s.found(t, model.OS{}, p)[a.ID]; ok && f.Advisory == k {
				t.Errorf("found %+v by a record that is withdrawn", f)
			}
		}
	}
	if n != 3_318 || entries != 54 {
		t.Errorf("%d records are withdrawn, with %d packages", n, entries)
	}
	partly := 0
	for _, g := range groups(t, s) {
		gone, kept := 0, 0
		members := make([]model.Advisory, 0, len(g.Members))
		for _, e := range g.Members {
			a := s.records[e.AdvisoryKey]
			members = append(members, a)
			switch {
			case e.Reason == model.EdgeFact:
			case a.Withdrawn.IsZero():
				kept++
			default:
				gone++
			}
		}
		if got := !merge.Head(g.ID, members).Withdrawn.IsZero(); got != (gone > 0 && kept == 0) {
			t.Errorf("%s: withdrawn is %v with %d records withdrawn and %d in force", g.ID, got, gone, kept)
		}
		if gone > 0 && kept > 0 {
			partly++
		}
	}
	t.Logf("%d records are withdrawn, with %d packages; %d vulnerabilities are by some of their sources", n, entries, partly)
}

// TestTrapNotAffected keeps what a distribution says was never affected, as a statement about that package in that release; where
// the same record says the contrary as well, it says nothing.
func TestTrapNotAffected(t *testing.T) {
	s := mustTree(t)
	products := func(a model.Advisory) (out []string) {
		for _, x := range a.Statements {
			if x.Status != model.StatementNotAffected {
				t.Errorf("%s: %+v", a.AdvisoryKey, x)
			}
			out = append(out, x.Products...)
		}
		return out
	}
	for id, want := range map[string][]string{
		"ALPINE-CVE-2016-0682":  {"pkg:apk/alpine/db?arch=source&distro=v3.8"},
		"ALPINE-CVE-2022-29824": {"pkg:apk/alpine/libxslt?arch=source&distro=edge"},
		// rsync of 3.16 is called never affected, and mended in a version.
		"ALPINE-CVE-2020-14387": {"pkg:apk/alpine/rsync?arch=source&distro=edge"},
	} {
		if got := products(s.record(t, "alpine", id)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	if got := products(s.record(t, "debian-dsa", "DSA-1005-1")); !slices.Equal(got, []string{"pkg:deb/debian/xine-lib?arch=source&distro=debian-3.0"}) {
		t.Errorf("DSA-1005-1: %q", got)
	}
	n := map[string]int{}
	for k, a := range s.records {
		n[k.Source] += len(a.Statements)
	}
	t.Logf("statements: alpine %d, debian-dsa %d, debian-dla %d", n["alpine"], n["debian-dsa"], n["debian-dla"])

	// What such a statement does: the finding of another record of that vulnerability is shown, and not counted.
	free := newShelf()
	free.add(s.record(t, "alpine", "ALPINE-CVE-2022-29824"))
	free.add(model.Advisory{
		AdvisoryKey: model.AdvisoryKey{Source: "local", ID: "L-1"}, Aliases: []string{"CVE-2022-29824"},
		Affected: []model.Affected{{Ecosystem: "Alpine:edge", Name: "libxslt", Ranges: []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}}}}}},
	})
	p := in("Alpine:edge", "libxslt", "1.1.35-r0")
	p.Source, p.SourceVersion = p.Name, p.Version
	if got := verdict(free.found(t, model.OS{}, p), "L-1"); got != model.VerdictSuppressed {
		t.Errorf("a statement that libxslt is not affected leaves %q", got)
	}
}
