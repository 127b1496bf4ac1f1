package canonical

import (
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

func TestCompareRevisions(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"1", "2", -1},
		{"10", "9", 1},
		{"1.10.0", "1.9.3", 1},
		{"1.0", "1", 0},
		{"007", "7", 0},
		{"1.0.0-a", "1.0.0-b", -1},
		{"", "3", 0},
		{"3", "", 0},
		{"1", "1.0.1", -1},
	} {
		if got := CompareRevisions(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := CompareRevisions(c.b, c.a); got != -c.want {
			t.Errorf("%q and %q: %d, want %d", c.b, c.a, got, -c.want)
		}
	}
}

func TestDocumentsAreUnits(t *testing.T) {
	const (
		csaf = `{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"t","tracking":{"id":"A:1","version":"3","current_release_date":"2024-02-01T00:00:00Z"}},"vulnerabilities":[`
		vex  = `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://x/vex-1","timestamp":"2024-01-01T00:00:00Z","version":2,"statements":[`
	)
	said := `{"vulnerability":{"name":"CVE-2024-1000"},"products":[{"@id":"pkg:npm/a@1"}],"status":"fixed"}`
	const now model.Time = 1_800_000_000_000 // 2027
	for _, c := range []struct {
		name, text string
		whole      bool
		revision   string
		id         string
	}{
		{name: "CSAF", text: csaf + `{"cve":"CVE-2024-1000"}]}`, whole: true, revision: "3", id: "A:1:CVE-2024-1000"},
		{name: "CSAF of which a part cannot be read", text: csaf + `{"cve":"CVE-2024-1000"},{}]}`, revision: "3", id: "A:1:CVE-2024-1000"},
		{name: "OpenVEX", text: vex + said + `]}`, whole: true, revision: "2", id: "VEX-"},
		{name: "OpenVEX of which a part cannot be read", text: vex + said + `,{"status":"fixed"}]}`, revision: "2", id: "VEX-"},
		{name: "KEV", text: `{"catalogVersion":"1","dateReleased":"2024-06-01T15:00:00.1Z","count":1,"vulnerabilities":[{"cveID":"CVE-2024-1000","dateAdded":"2024-01-01"}]}`, whole: true, id: "KEV-"},
		{name: "a part of KEV", text: `{"catalogVersion":"1","dateReleased":"2024-06-01T15:00:00.1Z","count":2,"vulnerabilities":[{"cveID":"CVE-2024-1000","dateAdded":"2024-01-01"}]}`, id: "KEV-"},
	} {
		d, err := Decode("x", "x.json", []byte(c.text))
		if err != nil || len(d.Records) != 1 || d.Document == nil {
			t.Errorf("%s: %+v, %v", c.name, d, err)
			continue
		}
		doc, a := d.Document, d.Records[0]
		if doc.Whole != c.whole || doc.Revision != c.revision || doc.At.IsZero() || doc.Source != "x" || doc.ID == "" {
			t.Errorf("%s: %+v", c.name, doc)
		}
		if !doc.Has(&a) || !strings.HasPrefix(a.ID, c.id) {
			t.Errorf("%s has not %s", c.name, a.ID)
		}
		if at, revision := doc.Version(&a, now); doc.Older(at, revision) || !doc.Older(doc.At+1, "") || doc.Older(0, "") || doc.Older(doc.At-1, "99") {
			t.Errorf("%s: is older than itself, or not than the next: %v %q", c.name, at, revision)
		}
		if at, revision := doc.Version(&a, doc.At-model.Time(366*24*time.Hour/time.Millisecond)); at != 0 || revision != "" {
			t.Errorf("%s: of a time that is to come, and yet a version: %v %q", c.name, at, revision)
		}
		if doc.Revision != "" && (!doc.Older(doc.At, "99") || doc.Older(doc.At, "1")) {
			t.Errorf("%s: of one time, its revision %s is to decide", c.name, doc.Revision)
		}
	}
	d, err := Decode("x", "x.json", []byte(csaf+`]}`))
	if err != nil || d.Document == nil || !d.Document.Whole {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, a := range []model.Advisory{
		{AdvisoryKey: model.AdvisoryKey{Source: "x", ID: "A:1:2:CVE-2024-1000"}, Related: []string{"A:1:2"}},
		{AdvisoryKey: model.AdvisoryKey{Source: "x", ID: "A:12"}},
	} {
		if d.Document.Has(&a) {
			t.Errorf("%s has %s, which is of another document", d.Document.ID, a.ID)
		}
	}
	if d, err := Decode("x", "x.json", []byte(`{"vulnerabilities":[{"cveID":"CVE-2024-1000","dateAdded":"2024-01-01"}],"catalogVersion":"1"}`)); err == nil && d.Document != nil {
		t.Error("a catalog that does not say when it was published is no version of one")
	}
}

// TestAnEntryOfACatalogIsNotBehindIt: else every catalog after a slip of the pen was older than what is held.
func TestAnEntryOfACatalogIsNotBehindIt(t *testing.T) {
	d, err := Decode("x", "kev.json", []byte(`{"catalogVersion":"1","dateReleased":"2024-06-01T15:00:00Z","count":2,"vulnerabilities":[
{"cveID":"CVE-2024-1000","dateAdded":"2062-01-01"},{"cveID":"CVE-2024-1001","dateAdded":"2024-06-01"}]}`))
	if err != nil || len(d.Records) != 2 || len(d.Bad) > 0 || !d.Document.Whole {
		t.Fatalf("%+v, %v", d, err)
	}
	for i, want := range []string{"2024-06-01T15:00:00.000Z", "2024-06-01T00:00:00.000Z"} {
		a := d.Records[i]
		if a.Exploit.Known.String() != want || a.Published != a.Exploit.Known || a.Modified != a.Exploit.Known {
			t.Errorf("%s: known since %v, published %v, modified %v; want %s", a.ID, a.Exploit.Known, a.Published, a.Modified, want)
		}
		if at, _ := d.Document.Version(&a, d.Document.At); d.Document.Older(at, "") {
			t.Errorf("%s is newer than the catalog that has it", a.ID)
		}
	}
}
