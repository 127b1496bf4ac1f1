package canonical

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func vector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeKeepsTheFacts(t *testing.T) {
	at := func(s string) (out model.Time) {
		if err := out.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		return out
	}
	below := func(fixed string) []model.Range {
		return []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: fixed}}}}
	}
	for _, c := range []struct {
		file string
		want model.Advisory
	}{
		{"full.json", model.Advisory{
			AdvisoryKey: model.AdvisoryKey{Source: "test", ID: "TEST-2024-0001"},
			Aliases:     []string{"CVE-2024-0001", "GHSA-xxxx-yyyy-zzzz"},
			Upstream:    []string{"CVE-2024-0002"},
			Published:   at("2024-04-30T00:00:00Z"),
			Modified:    at("2024-05-01T12:30:00.123Z"),
			Summary:     "One two three",
			Severity:    []model.Score{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
			Affected: []model.Affected{
				{Ecosystem: "PyPI", Name: "foo-bar", Ranges: below("1.2"), Versions: []string{"1.0", "1.1"}, Severity: []model.Score{{Type: TypeWord, Score: "high"}}},
				{Ecosystem: "opam", Name: "ocaml"},
			},
		}},
		{"erratum.json", model.Advisory{
			AdvisoryKey: model.AdvisoryKey{Source: "test", ID: "ALSA-2024:0001"},
			Related:     []string{"CVE-2024-1", "CVE-2024-2"},
			Modified:    at("2024-01-02T03:04:05Z"),
			Summary:     "Important: foo security update",
			Severity:    []model.Score{{Type: TypeWord, Score: "high"}},
			Affected:    []model.Affected{{Ecosystem: "AlmaLinux:9", Name: "foo", Ranges: below("1:2.0-1.el9")}},
		}},
		{"withdrawn.json", model.Advisory{
			AdvisoryKey: model.AdvisoryKey{Source: "test", ID: "X-1"},
			Withdrawn:   1, // withdrawn, at a time that nobody knows
			Affected: []model.Affected{{Ecosystem: "npm", Name: "a", Ranges: []model.Range{{
				Type:   "SEMVER",
				Events: []model.Event{{Introduced: "1.0.0"}, {LastAffected: "1.5.0"}, {Limit: "*"}},
			}}}},
		}},
	} {
		got, err := DecodeOSV("test", vector(t, c.file))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.file, got, c.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	affected := func(s string) string {
		return `{"id":"A-1","modified":"2024-01-01T00:00:00Z","affected":[` + s + `]}`
	}
	event := func(s string) string {
		return affected(`{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"SEMVER","events":[` + s + `]}]}`)
	}
	for _, c := range []struct {
		name, raw string
		kind      fault.Kind
		want      string // part of the reason
	}{
		{"empty", ``, fault.Invalid, "not valid JSON at byte 0"},
		{"cut", `{"id":"A-1","modi`, fault.Invalid, "not valid JSON at byte 17"},
		{"two values", `{"id":"A-1","modified":"2024-01-01T00:00:00Z"} {}`, fault.Invalid, "not valid JSON"},
		{"a list", `[]`, fault.Invalid, "it is not a JSON object"},
		{"same member twice", `{"id":"A-1","id":"A-2"}`, fault.Invalid, "duplicate"},
		{"bad UTF-8", "{\"id\":\"A\xff\"}", fault.Invalid, "UTF-8"},
		{"wrong type", `{"id":7}`, fault.Invalid, "/id must not be a number"},
		{"wrong type below", affected(`{"package":"npm"}`), fault.Invalid, "/affected/0/package must not be a text"},
		{"another JSON", `{"name":"left-pad"}`, fault.Invalid, "it has no id"},
		{"no modified", `{"id":"A-1"}`, fault.Invalid, "A-1 has no modified time"},
		{"bad time", `{"id":"A-1","modified":"yesterday"}`, fault.Invalid, `modified: "yesterday" is not an RFC 3339 time`},
		{"id with a line end", `{"id":"A\n1","modified":"2024-01-01T00:00:00Z"}`, fault.Invalid, `the id "A\n1" has characters`},
		{"long id", `{"id":"` + strings.Repeat("a", 129) + `","modified":"2024-01-01T00:00:00Z"}`, fault.TooLarge, "longer than 128 bytes"},
		{"package without a name", affected(`{"package":{"ecosystem":"npm"}}`), fault.Invalid, "affected package 0 has no ecosystem or no name"},
		{"unknown range", affected(`{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"VIBES"}]}`), fault.Invalid, `the type "VIBES" is none of`},
		{"two in one event", event(`{"introduced":"0","fixed":"1"}`), fault.Invalid, "event 0 has 2 of introduced"},
		{"nothing in an event", event(`{"introduced":"0"},{}`), fault.Invalid, "event 1 has 0 of introduced"},
		{"never introduced", event(`{"fixed":"1"}`), fault.Invalid, "no event says where it was introduced"},
		{"long version", event(`{"introduced":"` + strings.Repeat("1", 257) + `"}`), fault.Invalid, "longer than 256 bytes"},
		{"empty version", affected(`{"package":{"ecosystem":"npm","name":"a"},"versions":[""]}`), fault.Invalid, "a version of \"a\" is empty"},
		{"deep", `{"database_specific":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, fault.TooLarge, "more than 64 deep at byte 84"},
		{"many values", `{"database_specific":[` + strings.Repeat("0,", maxValues) + `0]}`, fault.TooLarge, "more than 500000 values"},
		{"many aliases", `{"id":"A-1","modified":"2024-01-01T00:00:00Z","aliases":["x"` + strings.Repeat(`,"x"`, maxIdentifiers) + `]}`, fault.TooLarge, "aliases has more than 2000"},
		{"large", strings.Repeat(" ", MaxRaw+1), fault.TooLarge, "the bound is 8388608"},
	} {
		_, err := DecodeOSV("test", []byte(c.raw))
		if err == nil {
			t.Errorf("%s: it was taken", c.name)
			continue
		}
		if fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v error %q; want %v with %q", c.name, fault.KindOf(err), err, c.kind, c.want)
		}
	}
	if _, err := DecodeOSV("Not A Source", vector(t, "full.json")); !fault.Is(err, fault.Invalid) {
		t.Errorf("bad source: %v", err)
	}
}

func TestLongSummaryIsCutAtACharacter(t *testing.T) {
	raw := fmt.Sprintf(`{"id":"A-1","modified":"2024-01-01","summary":"x%s"}`, strings.Repeat("é", 2000))
	a, err := DecodeOSV("test", []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Summary) != 1_023 || !utf8.ValidString(a.Summary) {
		t.Errorf("%d bytes, valid %v; want 1023, true", len(a.Summary), utf8.ValidString(a.Summary))
	}
}

func TestSource(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"osv/debian-dsa/DSA-1.json", "debian-dsa"},
		{`C:\osv\Debian DSA\DSA-1.json`, "debian-dsa"},
		{"advisories/github-reviewed/2024/01/GHSA-a/GHSA-a.json", "github-reviewed"},
		{"cves/2024/1xxx/CVE-2024-1000.json", "cves"},
		{"/srv/all.zip/PYSEC-1.json", "all"},
		{"DSA-1.json", "local"},
		{"../../DSA-1.json", "local"},
		{"/DSA-1.json", "local"},
		{"2024/DSA-1.json", "local"},
		{strings.Repeat("a", 80) + "/x.json", strings.Repeat("a", 64)},
	} {
		if got := Source(c.path); got != c.want {
			t.Errorf("Source(%q) = %q, want %q", c.path, got, c.want)
		}
	}
}

func TestRecordID(t *testing.T) {
	for _, c := range []struct{ path, id, want string }{
		{"oss-fuzz/OSV-2023-152~2.json", "OSV-2023-152", "OSV-2023-152~2"},
		{"oss-fuzz/OSV-2023-152.json", "OSV-2023-152", "OSV-2023-152"},
		{"x/a~b.json", "a", "a"},
		{"x/a~.json", "a", "a"},
		{"x/~2.json", "a", "a"},
		{"x/a~2.json", "a~2", "a~2"},
		{"x/a~20240101.json", "a", "a"},
	} {
		got := RecordID(c.path, c.id)
		if got != c.want {
			t.Errorf("RecordID(%q, %q) = %q, want %q", c.path, c.id, got, c.want)
		}
		if plain := PlainID(got); plain != PlainID(c.id) {
			t.Errorf("PlainID(%q) = %q", got, plain)
		}
	}
	raw := []byte(`{"id":"OSV-1","modified":"2024-01-01T00:00:00Z","aliases":["CVE-2024-0001"]}`)
	a, err := DecodeFile("", "osv/oss-fuzz/OSV-1~2.json", raw)
	if err != nil {
		t.Fatal(err)
	}
	if a.Source != "oss-fuzz" || a.ID != "OSV-1~2" || !slices.Equal(a.Aliases, []string{"CVE-2024-0001", "OSV-1"}) {
		t.Errorf("the second record of one id became %+v", a)
	}
}

// FuzzNames reads any name of a file: the source that it gives is one, and a record's id is found again
// below its suffix.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"osv/debian-dsa/DSA-1-1.json", "osv/oss-fuzz/OSV-1~2.json", `C:\x\2024\a.json`, "../../a.json", "~1.json", "a~1234.json", "\xff/\x00~3.json"} {
		f.Add(s, "OSV-1")
	}
	f.Fuzz(func(t *testing.T, name, id string) {
		if s := Source(name); CheckSource(s) != nil {
			t.Errorf("%q is of source %q", name, s)
		}
		if got := RecordID(name, id); got != id && (!strings.HasPrefix(got, id+"~") || PlainID(got) != id && id != "") {
			t.Errorf("%q in %q is kept as %q", id, name, got)
		}
	})
}

func FuzzDecodeOSV(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no vectors: ", err)
	}
	for _, name := range files {
		f.Add(vector(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := DecodeFile("fuzz", "x/y~2.json", raw)
		if err != nil {
			if s := err.Error(); strings.ContainsAny(s, "\n\r") || len(s) > 600 {
				t.Fatalf("the reason is no short line: %q", s)
			}
			return
		}
		if a.ID == "" || len(a.ID) > maxID || a.Source != "fuzz" || len(a.Summary) > maxSummary || strings.ContainsAny(a.Summary, "\n\r") {
			t.Fatalf("out of bounds: %+v", a)
		}
		if !slices.IsSorted(a.Aliases) || !slices.IsSorted(a.Upstream) || !slices.IsSorted(a.Related) {
			t.Fatalf("not sorted: %+v", a)
		}
		b, err := model.Encode(a)
		if err != nil {
			t.Fatalf("cannot be stored: %v", err)
		}
		var back model.Advisory
		if err := model.Decode(b, &back); err != nil {
			t.Fatalf("cannot be read back: %v\n%s", err, b)
		}
		again, err := model.Encode(back)
		if err != nil || string(again) != string(b) {
			t.Fatalf("changed by storing it:\n%s\n%s", b, again)
		}
	})
}
