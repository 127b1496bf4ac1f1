package key

import (
	"bytes"
	"cmp"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

var rewrite = flag.Bool("rewrite", false, "write the table of keyspaces into DESIGN.md anew")

// design is the document that holds the table for people.
const design = "../index/DESIGN.md"

func markdown() string {
	var b strings.Builder
	b.WriteString("| byte | keyspace | parts, in order | value | writer | since | derived |\n|---|---|---|---|---|---|---|\n")
	for _, e := range Table() {
		var parts []string
		for _, p := range e.Parts {
			parts = append(parts, p.Name+" "+p.Form.String())
		}
		index := ""
		switch {
		case e.Index:
			index = "index"
		case e.Local:
			index = "local"
		}
		b.WriteString("| `" + hexByte(byte(e.Space)) + "` | " + strings.Join([]string{
			e.Space.String(), strings.Join(parts, ", "), e.Value, e.Writer,
			string(rune('0' + e.Since)), index,
		}, " | ") + " |\n")
	}
	return b.String()
}

func TestDesignHoldsTheTable(t *testing.T) {
	const from, to = "<!-- table -->\n", "<!-- end -->\n"
	b, err := os.ReadFile(design)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), from)
	old, tail, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q … %q", design, from, to)
	}
	if old == markdown() {
		return
	}
	if !*rewrite {
		t.Fatalf("%s differs from Table(): run go test ./storage/key -rewrite", design)
	}
	if err := os.WriteFile(design, []byte(head+from+markdown()+to+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTable(t *testing.T) {
	var last Space
	names := map[string]bool{}
	for _, e := range Table() {
		if e.Space <= last {
			t.Errorf("%s: byte %x does not rise", e.Name, byte(e.Space))
		}
		last = e.Space
		if names[e.Name] {
			t.Errorf("%s is there twice", e.Name)
		}
		names[e.Name] = true
		if e.Since < 1 || e.Since > Schema {
			t.Errorf("%s: since %d, but the schema is %d", e.Name, e.Since, Schema)
		}
	}
}

// sample is one key of each keyspace, made from the same random parts, and what reading it must give.
type sample struct {
	space Space
	key   []byte
	parts []any
	read  func([]byte) ([]any, error)
}

func randomText(rng *rand.Rand) string {
	b := make([]byte, rng.IntN(6))
	for i := range b {
		b[i] = [...]byte{0, 1, 'a', 'b', 0xFE, 0xFF}[rng.IntN(6)]
	}
	return string(b)
}

func randomID(rng *rand.Rand) (id [16]byte) {
	for i := range id {
		id[i] = [...]byte{0, 1, 0xFF}[rng.IntN(3)]
	}
	return id
}

func samples(rng *rand.Rand) []sample {
	id, id2 := randomID(rng), randomID(rng)
	a, b, c, d := randomText(rng), randomText(rng), randomText(rng), randomText(rng)
	n, n2 := rng.Uint64()>>rng.IntN(64), rng.Uint64()>>rng.IntN(64)
	ak := model.AdvisoryKey{Source: c, ID: d}
	low := strings.ToLower(b)
	trendAt := model.Time(n2 >> 20)
	one := func(v any, err error) ([]any, error) { return []any{v}, err }
	return []sample{
		{SpaceMember, Member(id), []any{model.NodeID(id)}, func(k []byte) ([]any, error) { v, err := ReadMember(k); return one(v, err) }},
		{SpaceMemberPin, MemberPin(a, id), []any{a, model.NodeID(id)}, func(k []byte) ([]any, error) { p, v, err := ReadMemberPin(k); return []any{p, v}, err }},
		{SpaceMemberName, MemberName(model.MemberKind(a), b, id), []any{a, b, model.NodeID(id)}, func(k []byte) ([]any, error) {
			x, y, v, err := ReadMemberName(k)
			return []any{string(x), y, v}, err
		}},
		{SpaceSite, Site(id), []any{model.SiteID(id)}, func(k []byte) ([]any, error) { v, err := ReadSite(k); return one(v, err) }},
		{SpaceHost, Host(id), []any{model.HostID(id)}, func(k []byte) ([]any, error) { v, err := ReadHost(k); return one(v, err) }},
		{SpaceHostBeat, HostBeat(id), []any{model.HostID(id)}, func(k []byte) ([]any, error) { v, err := ReadHostBeat(k); return one(v, err) }},
		{SpaceHostJournal, HostJournal(n, uint16(n2)), []any{n, uint64(uint16(n2))}, func(k []byte) ([]any, error) {
			x, y, err := ReadHostJournal(k)
			return []any{x, uint64(y)}, err
		}},
		{SpaceSearchCheckpoint, SearchCheckpoint(n, n2), []any{n, n2}, func(k []byte) ([]any, error) {
			x, y, err := ReadSearchCheckpoint(k)
			return []any{x, y}, err
		}},
		{SpaceTrend, Trend(id, model.ResHour, trendAt), []any{model.SiteID(id), uint64(model.ResHour), uint64(model.ResHour.Place(trendAt))}, func(k []byte) ([]any, error) {
			x, y, z, err := ReadTrend(k)
			return []any{x, uint64(y), uint64(z)}, err
		}},
		{SpaceHostPackages, HostPackages(a, id), []any{a, model.HostID(id)}, func(k []byte) ([]any, error) {
			x, y, err := ReadHostPackages(k)
			return []any{x, y}, err
		}},
		{SpaceAdvisory, Advisory(ak), []any{c, d}, func(k []byte) ([]any, error) { v, err := ReadAdvisory(k); return []any{v.Source, v.ID}, err }},
		{SpaceAdvisoryGone, AdvisoryGone(ak), []any{c, d}, func(k []byte) ([]any, error) {
			v, err := ReadAdvisoryGone(k)
			return []any{v.Source, v.ID}, err
		}},
		{SpaceAdvisoryPackage, AdvisoryPackage(a, b, ak), []any{a, b, c, d}, func(k []byte) ([]any, error) {
			x, y, v, err := ReadAdvisoryPackage(k)
			return []any{x, y, v.Source, v.ID}, err
		}},
		{SpaceAdvisoryIdentifier, AdvisoryIdentifier(b, ak), []any{low, c, d}, func(k []byte) ([]any, error) {
			x, v, err := ReadAdvisoryIdentifier(k)
			return []any{x, v.Source, v.ID}, err
		}},
		{SpaceAdvisoryCursor, AdvisoryCursor(model.Cursor{At: model.Time(n2 >> 1), Seq: model.Seq(n)}, ak), []any{n, n2 >> 1, c, d}, func(k []byte) ([]any, error) {
			x, v, err := ReadAdvisoryCursor(k)
			return []any{uint64(x.Seq), uint64(x.At), v.Source, v.ID}, err
		}},
		{SpaceImport, Import(n), []any{n}, func(k []byte) ([]any, error) { v, err := ReadImport(k); return one(v, err) }},
		{SpaceDirty, Dirty(a), []any{a}, func(k []byte) ([]any, error) { v, err := ReadDirty(k); return one(v, err) }},
		{SpaceCommandOpen, CommandOpen(id), []any{model.CommandID(id)}, func(k []byte) ([]any, error) { v, err := ReadCommandOpen(k); return one(v, err) }},
		{SpaceTask, Task(id, id2), []any{model.CommandID(id), model.HostID(id2)}, func(k []byte) ([]any, error) {
			x, y, err := ReadTask(k)
			return []any{x, y}, err
		}},
		{SpaceRequest, Request(id), []any{model.NodeID(id)}, func(k []byte) ([]any, error) {
			v, err := ReadRequest(k)
			return one(model.NodeID(v), err)
		}},
		{SpaceRequestOrder, RequestOrder(n, id), []any{n, model.NodeID(id)}, func(k []byte) ([]any, error) {
			x, y, err := ReadRequestOrder(k)
			return []any{x, model.NodeID(y)}, err
		}},
		{SpaceAudit, Audit(model.Seq(n)), []any{model.Seq(n)}, func(k []byte) ([]any, error) { v, err := ReadAudit(k); return one(v, err) }},
		{SpaceDirective, Directive(id, model.Seq(n)), []any{model.NodeID(id), n}, func(k []byte) ([]any, error) {
			x, y, err := ReadDirective(k)
			return []any{x, uint64(y)}, err
		}},
		{SpaceDirectiveKey, DirectiveKey(id, a, model.Seq(n)), []any{model.NodeID(id), a, n}, func(k []byte) ([]any, error) {
			x, y, z, err := ReadDirectiveKey(k)
			return []any{x, y, uint64(z)}, err
		}},
		{SpaceAlertOpen, AlertOpen(id), []any{model.AlertID(id)}, func(k []byte) ([]any, error) { v, err := ReadAlertOpen(k); return one(v, err) }},
		{SpaceAlertEnded, AlertEnded(model.Time(n2>>1), id), []any{n2 >> 1, model.AlertID(id)}, func(k []byte) ([]any, error) {
			x, y, err := ReadAlertEnded(k)
			return []any{uint64(x), y}, err
		}},
		{SpaceAdvisoryIdentity, AdvisoryIdentity(b, ak), []any{b, c, d}, func(k []byte) ([]any, error) {
			x, v, err := ReadAdvisoryIdentity(k)
			return []any{x, v.Source, v.ID}, err
		}},
		{SpaceCanonicalHash, CanonicalHash(a, b), []any{a, b}, func(k []byte) ([]any, error) {
			x, y, err := ReadCanonicalHash(k)
			return []any{x, y}, err
		}},
		{SpaceAdvisoryCanonical, AdvisoryCanonical(ak, b), []any{c, d, b}, func(k []byte) ([]any, error) {
			v, x, err := ReadAdvisoryCanonical(k)
			return []any{v.Source, v.ID, x}, err
		}},
		{SpaceCanonicalEvent, CanonicalEvent(model.Seq(n)), []any{model.Seq(n)}, func(k []byte) ([]any, error) { v, err := ReadCanonicalEvent(k); return one(v, err) }},
		{SpaceStage, Stage(a, int(n2>>1)), []any{a, n2 >> 1}, func(k []byte) ([]any, error) {
			x, y, err := ReadStage(k)
			return []any{x, uint64(y)}, err
		}},
		// Keys that are only ever built: the row under them holds the parts.
		{SpaceCounts, Counts(id), []any{model.SiteID(id)}, func(k []byte) ([]any, error) { v, err := ReadCounts(k); return one(v, err) }},
		{SpaceSearch, Search(a), []any{a}, nil},
		{SpaceSecret, Secret(a), []any{a}, nil},
		{SpaceCanonical, Canonical(b), []any{strings.ToUpper(strings.TrimSpace(b))}, nil},
		{SpacePartner, Partner(a), []any{a}, nil},
		{SpaceAuthority, Authority(a), []any{a}, nil},
		{SpaceAcceptance, Acceptance(a), []any{a}, nil},
		{SpaceMatch, Match(a), []any{a}, nil},
		{SpaceFindings, Findings(a), []any{a}, nil},
		{SpaceExposure, Exposure(id), []any{model.SiteID(id)}, nil},
		{SpaceSigner, Signer(a), []any{a}, nil},
		{SpaceCommand, Command(id), []any{model.CommandID(id)}, nil},
		{SpaceAccount, Account(a), []any{a}, nil},
		{SpaceSession, Session(id), []any{model.SessionID(id)}, nil},
		{SpaceWatermark, Watermark(id), []any{model.NodeID(id)}, nil},
		{SpaceRule, Rule(a), []any{a}, nil},
		{SpaceAlert, Alert(id), []any{model.AlertID(id)}, nil},
		{SpaceWatch, Watch(a, id), []any{a, model.HostID(id)}, nil},
		{SpaceAlertCounts, AlertCounts(id), []any{model.SiteID(id)}, nil},
		{SpacePolicy, Policy(id), []any{model.PolicyID(id)}, nil},
		{SpacePoliciesHeld, PoliciesHeld(id), []any{model.SiteID(id)}, nil},
	}
}

// rank orders parts as people would: identifiers by bytes, numbers by size, text by bytes.
func rank(a, b any) int {
	switch a := a.(type) {
	case string:
		return cmp.Compare(a, b.(string))
	case uint64:
		return cmp.Compare(a, b.(uint64))
	case model.Seq:
		return cmp.Compare(a, b.(model.Seq))
	case interface{ String() string }:
		return cmp.Compare(a.String(), b.(interface{ String() string }).String())
	}
	panic("a part of unknown type")
}

func TestRoundTripAndOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	covered := map[Space]bool{SpaceMeta: true}
	for range 3000 {
		for i, x := range samples(rng) {
			y := samples(rng)[i]
			covered[x.space] = true
			if Space(x.key[0]) != x.space {
				t.Fatalf("%s: the key begins with %x", x.space, x.key[0])
			}
			if x.read != nil {
				parts, err := x.read(x.key)
				if err != nil || !slices.Equal(parts, x.parts) {
					t.Fatalf("%s: %x reads as %q, %v; want %q", x.space, x.key, parts, err, x.parts)
				}
				if _, err := x.read(x.key[:len(x.key)-1]); !fault.Is(err, fault.Corrupt) {
					t.Fatalf("%s: a cut key gives %v", x.space, err)
				}
				if _, err := x.read(append(slices.Clone(x.key), 0)); !fault.Is(err, fault.Corrupt) {
					t.Fatalf("%s: a long key gives %v", x.space, err)
				}
			}
			if got := Describe(x.key); !strings.HasPrefix(got, x.space.String()+"/") {
				t.Fatalf("%x is described as %q", x.key, got)
			}
			want := 0
			for i := range x.parts {
				if want = rank(x.parts[i], y.parts[i]); want != 0 {
					break
				}
			}
			if got := bytes.Compare(x.key, y.key); got != want {
				t.Fatalf("%s: %q and %q compare as %d, their keys as %d", x.space, x.parts, y.parts, want, got)
			}
		}
	}
	for _, e := range Table() {
		if !covered[e.Space] {
			t.Errorf("no key of %s was tried", e.Name)
		}
	}
}

// A prefix must select the keys with those parts and no others, even where one text begins another.
func TestPrefixes(t *testing.T) {
	id, id2 := model.HostID{1}, model.HostID{0xFF}
	a := model.AdvisoryKey{Source: "s", ID: "x"}
	for _, c := range []struct {
		prefix   []byte
		in, notN [][]byte
	}{
		{HostsWith("ab"), [][]byte{HostPackages("ab", id), HostPackages("ab", id2)}, [][]byte{HostPackages("abc", id), HostPackages("a", id2), HostPackages("ab\x00", id)}},
		{AdvisoriesFor("Debian:1", "zlib"), [][]byte{AdvisoryPackage("Debian:1", "zlib", a)}, [][]byte{AdvisoryPackage("Debian:12", "zlib", a), AdvisoryPackage("Debian:1", "zlib1g", a)}},
		{AdvisoriesNaming("CVE-1"), [][]byte{AdvisoryIdentifier("cve-1", a), AdvisoryIdentifier("Cve-1", a)}, [][]byte{AdvisoryIdentifier("CVE-12", a)}},
		{MembersOf("site"), [][]byte{MemberName("site", "b", model.NodeID(id)), MemberName("site", "", model.NodeID(id))}, [][]byte{MemberName("sites", "b", model.NodeID(id)), MemberName("host", "b", model.NodeID(id))}},
		{MembersNamed("site", "b"), [][]byte{MemberName("site", "b", model.NodeID(id))}, [][]byte{MemberName("host", "b", model.NodeID(id)), MemberName("site", "bb", model.NodeID(id))}},
		{TrendOf(model.SiteID{0xFF}, model.ResDay), [][]byte{Trend(model.SiteID{0xFF}, model.ResDay, 1<<40)}, [][]byte{Trend(model.SiteID{0xFF}, model.ResHour, 1<<40), Trend(model.SiteID{0xFF, 1}, model.ResDay, 1)}},
		{DirectivesOf(model.NodeID{0xFF}), [][]byte{Directive(model.NodeID{0xFF}, ^model.Seq(0))}, [][]byte{Directive(model.NodeID{0xFF, 1}, 1)}},
	} {
		end := After(c.prefix)
		within := func(k []byte) bool { return bytes.Compare(k, c.prefix) >= 0 && bytes.Compare(k, end) < 0 }
		for _, k := range c.in {
			if !within(k) {
				t.Errorf("%s is not within %x", Describe(k), c.prefix)
			}
		}
		for _, k := range c.notN {
			if within(k) {
				t.Errorf("%s is within %x", Describe(k), c.prefix)
			}
		}
	}
	if got := After([]byte{1, 0xFF, 0xFF}); !bytes.Equal(got, []byte{2}) {
		t.Errorf("After carries to %x", got)
	}
}

// FuzzRead: no bytes make a reader panic, and a key that describes itself is one that the table knows.
func FuzzRead(f *testing.F) {
	for _, s := range samples(rand.New(rand.NewPCG(1, 1))) {
		f.Add(s.key)
	}
	f.Add([]byte{})
	f.Add([]byte{byte(SpaceDirty), 'a', 0})
	f.Add([]byte{byte(SpaceDirty), 'a', 0, 7})
	readers := samples(rand.New(rand.NewPCG(1, 1)))
	f.Fuzz(func(t *testing.T, k []byte) {
		n := 0
		for _, s := range readers {
			if s.read == nil {
				continue
			}
			if _, err := s.read(k); err == nil {
				n++
			} else if !fault.Is(err, fault.Corrupt) {
				t.Fatalf("%x: %v", k, err)
			}
		}
		if n > 1 {
			t.Fatalf("%x is a key of %d keyspaces", k, n)
		}
		if Describe(k) == "" && len(k) > 0 {
			t.Fatalf("%x has no description", k)
		}
	})
}
