package canonical

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

var rewrite = flag.Bool("rewrite", false, "write the goldens anew")

// Every document of testdata/documents, beside what comes of it.
func TestDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/documents/*.*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".golden") {
			continue
		}
		n++
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Decode("", filepath.Base(file), raw)
		got := written(t, d, err)
		golden := file + ".golden"
		if *rewrite {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", file, got, want)
		}
		for i := range d.Records {
			held(t, &d.Records[i])
		}
	}
	if n < 9 {
		t.Errorf("there are %d documents", n)
	}
}

// written shows what was decoded.
func written(t *testing.T, d Decoded, err error) []byte {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "kind %s\n", d.Kind)
	if err != nil {
		fmt.Fprintf(&b, "error %v\n", err)
	}
	for _, a := range d.Records {
		raw, err := model.Encode(a)
		if err != nil {
			t.Fatal(err)
		}
		v := jsontext.Value(raw)
		if err := v.Indent(jsontext.WithIndent(" ")); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", v)
	}
	for _, k := range d.Deleted {
		fmt.Fprintf(&b, "deleted %s\n", k)
	}
	for _, x := range d.Bad {
		fmt.Fprintf(&b, "bad %s: %s\n", x.Name, x.Reason)
	}
	return []byte(b.String())
}

// held fails where a record is beyond what may be stored.
func held(t *testing.T, a *model.Advisory) {
	t.Helper()
	if checkID(a.ID) != nil || CheckSource(a.Source) != nil || len(a.Summary) > maxSummary || strings.ContainsAny(a.Summary, "\n\r") ||
		len(a.Affected) > maxAffected || len(a.Statements) > maxStatements || len(a.CWEs) > maxCWEs || len(a.Severity) > maxScores {
		t.Fatalf("out of bounds: %+v", a)
	}
	for _, list := range [][]string{a.Aliases, a.Upstream, a.Related, a.CWEs} {
		if !slices.IsSorted(list) {
			t.Fatalf("not sorted: %+v", a)
		}
	}
	for _, e := range a.Affected {
		if e.Ecosystem == "" || e.Name == "" || e.Outside {
			t.Fatalf("an affected entry of nothing: %+v", a)
		}
	}
	for _, s := range a.Statements {
		if len(s.Products) == 0 || !slices.IsSorted(s.Products) || s.Status == "" || len(s.Note) > maxSummary || len(s.Justification) > maxID {
			t.Fatalf("a statement about nothing: %+v", s)
		}
	}
	if x := a.Exploit; x != nil && !(x.Probability >= 0 && x.Probability <= 1 && x.Percentile >= 0 && x.Percentile <= 1) {
		t.Fatalf("a share that is none: %+v", x)
	}
	b, err := model.Encode(a)
	if err != nil {
		t.Fatalf("cannot be stored: %v", err)
	}
	var back model.Advisory
	if err := model.Decode(b, &back); err != nil {
		t.Fatalf("cannot be read back: %v\n%s", err, b)
	}
	if again, err := model.Encode(back); err != nil || string(again) != string(b) {
		t.Fatalf("changed by storing it:\n%s\n%s", b, again)
	}
}

func TestDecodeRefusesDocuments(t *testing.T) {
	deep := strings.Repeat(`{"branches":[`, 64)
	for _, c := range []struct {
		name, raw string
		kind      fault.Kind
		want      string
	}{
		{"nothing", "", fault.Invalid, "not valid JSON"},
		{"KEV that is cut", `{"catalogVersion":"1","vulnerabilities":[`, fault.Invalid, "not valid JSON"},
		{"KEV with a member twice", `{"catalogVersion":"1","vulnerabilities":[{"cveID":"a","cveID":"b"}]}`, fault.Invalid, "duplicate"},
		{"EPSS without a date", "cve,epss,percentile\nCVE-2024-1000,0,0\n", fault.Invalid, "want a comment with score_date"},
		{"EPSS without a head", "#score_date:2024-01-01\n", fault.Invalid, "it ends before the line"},
		{"EPSS with another head", "#score_date:2024-01-01\nCVE-2024-1000,0,0\n", fault.Invalid, "want cve,epss,percentile"},
		{"EPSS with a long line", "#score_date:2024-01-01\ncve,epss,percentile\n" + strings.Repeat("x", maxEPSSLine+1), fault.TooLarge, "line 3 has more than"},
		{"NVD of something", `{"resultsPerPage":1,"vulnerabilities":{}}`, fault.Invalid, "/vulnerabilities must not be an object"},
		{"CSAF of another category", `{"document":{"category":"other","csaf_version":"2.0"}}`, fault.Invalid, "begins with csaf_"},
		{"CSAF of another version", `{"document":{"category":"csaf_vex","csaf_version":"1.0"}}`, fault.Version, "only 2.x"},
		{"CSAF without an id", `{"document":{"category":"csaf_vex","csaf_version":"2.0"}}`, fault.Invalid, "it has no id"},
		{"CSAF with a product twice", `{"document":{"category":"csaf_vex","csaf_version":"2.0","tracking":{"id":"A"}},"product_tree":{"full_product_names":[{"product_id":"a"},{"product_id":"a"}]}}`, fault.Invalid, "is there twice"},
		{"CSAF too deep", `{"document":{},"product_tree":` + deep, fault.TooLarge, "more than 64 deep"},
		{"OpenVEX of another context", `{"@context":"https://example.org","@id":"x"}`, fault.Invalid, "want https://openvex.dev/ns"},
		{"OpenVEX without an id", `{"@context":"https://openvex.dev/ns/v0.2.0"}`, fault.Invalid, "@id is empty"},
		{"a change of nothing", `{"op":"sing","id":"X"}`, fault.Invalid, "want put or del"},
		{"a change of another record", `{"op":"put","id":"X-2","record":{"id":"X-1","modified":"2024-01-01"}}`, fault.Invalid, "the line is of"},
		{"a deletion of nothing", `{"op":"del"}`, fault.Invalid, "it has no id"},
		{"many values", `{"catalogVersion":"1","x":[` + strings.Repeat("0,", maxInside) + `0]}`, fault.TooLarge, "more than 2000000 values"},
		{"large", strings.Repeat(" ", MaxDocument+1), fault.TooLarge, "the bound is 33554432"},
		{"a list that is none", `[1,`, fault.Invalid, "not valid JSON"},
		{"a name", `"x"`, fault.Invalid, "it is not a JSON object"},
	} {
		d, err := Decode("test", "x.json", []byte(c.raw))
		if err == nil {
			t.Errorf("%s: it was taken: %+v", c.name, d)
			continue
		}
		if fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v error %q; want %v with %q", c.name, fault.KindOf(err), err, c.kind, c.want)
		}
	}
	if _, err := Decode("Not A Source", "x.json", []byte("[]")); !fault.Is(err, fault.Invalid) {
		t.Errorf("bad source: %v", err)
	}
}

func TestSniff(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want Kind
	}{
		{`{"schema_version":"1.7.0","id":"X"}`, KindOSV},
		{"\r\n {\"id\":\"X\"}", KindOSV},
		{`{"summary":"s","details":{"op":1},"op":"put"}`, KindOSV}, // what is nested ends the search
		{`{"path":"x","op":"del"}`, KindChange},
		{`{"title":"t","catalogVersion":"1"}`, KindKEV},
		{`{"format":"NVD_CVE","vulnerabilities":[]}`, KindNVD},
		{`{"resultsPerPage":3}`, KindNVD},
		{`{"$schema":"x","document":{}}`, KindCSAF},
		{`{"@context":"x"}`, KindOpenVEX},
		{"#model_version:x\n", KindEPSS},
		{"cve,epss,percentile\n", KindEPSS},
		{"[]", KindOSV},
		{"", KindOSV},
		{"{", KindOSV},
		{`{"a":`, KindOSV},
		{"\x00", KindOSV},
	} {
		if got := Sniff([]byte(c.raw)); got != c.want {
			t.Errorf("%q: %s, want %s", c.raw, got, c.want)
		}
	}
}

func TestDecodeMinds(t *testing.T) {
	const osv = `{"id":"X-1","modified":"2024-01-01T00:00:00Z"}`
	for _, c := range []struct {
		source, name, raw, want string
	}{
		{"", "feeds/kev.json", `{"catalogVersion":"1","vulnerabilities":[{"cveID":"cve-2024-1000","dateAdded":"2024-01-01"}]}`, "feeds/KEV-CVE-2024-1000"},
		{"", "kev.json", `{"catalogVersion":"1","vulnerabilities":[{"cveID":"CVE-2024-1000","dateAdded":"2024-01-01"}]}`, "cisa-kev/KEV-CVE-2024-1000"},
		{"mine", "kev.json", `{"catalogVersion":"1","vulnerabilities":[{"cveID":"CVE-2024-1000","dateAdded":"2024-01-01"}]}`, "mine/KEV-CVE-2024-1000"},
		{"", "x/golang/X-1~2.json", osv, "golang/X-1~2"},
		{"", "x.json", "\xef\xbb\xbf" + osv, "local/X-1"},
		{"", "history/golang/2025-09-01.000001.json", `{"op":"put","path":"data/X-1~2.json","record":` + osv + `}`, "golang/X-1~2"},
	} {
		d, err := Decode(c.source, c.name, []byte(c.raw))
		if err != nil || len(d.Records) != 1 || d.Records[0].AdvisoryKey.String() != c.want {
			t.Errorf("%s: %+v, %v; want %s", c.name, d, err, c.want)
		}
	}
	d, err := Decode("s", "x.json", []byte(`{"op":"del","id":"X-1","path":"a/X-1.json","moved":true}`))
	if err != nil || len(d.Deleted) != 0 {
		t.Errorf("a record that moved was deleted: %+v, %v", d, err)
	}
}

// A quarter of a million scores are handed over one by one.
func TestManyScores(t *testing.T) {
	var b strings.Builder
	b.WriteString("#model_version:v2025.03.14,score_date:2025-08-25T12:55:00+0000\ncve,epss,percentile\n")
	const rows = 260_000
	for i := range rows {
		fmt.Fprintf(&b, "CVE-2024-%05d,0.%05d,0.5\n", 1000+i, i%100_000)
	}
	n := 0
	bad, err := EachEPSS("epss", "epss.csv", []byte(b.String()), func(a model.Advisory) error {
		if n++; n == 12_346 && (a.Upstream[0] != "CVE-2024-13345" || a.Exploit.Probability != 0.12345) {
			t.Errorf("row %d is %+v %+v", n, a, a.Exploit)
		}
		return nil
	})
	if err != nil || len(bad) != 0 || n != rows {
		t.Errorf("%d of %d rows, bad %v, %v", n, rows, bad, err)
	}
	stop := fmt.Errorf("enough")
	if _, err := EachEPSS("epss", "epss.csv", []byte(b.String()), func(model.Advisory) error { return stop }); err != stop {
		t.Errorf("the error of fn became %v", err)
	}
	bad, err = EachEPSS("epss", "x", []byte("#score_date:2024-01-01\ncve,epss,percentile\n"+strings.Repeat("x\n", maxEPSSBad+5)), func(model.Advisory) error { return nil })
	if err != nil || len(bad) != maxEPSSBad+1 || bad[maxEPSSBad].Reason != "5 more lines could not be read" {
		t.Errorf("%d bad lines are named, %v", len(bad), err)
	}
}

func TestVersRange(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"vers:npm/>=1.0.0|<1.4.0|>=2.0.0|<=2.0.3", "[] [{SEMVER [{1.0.0   } { 1.4.0  }]} {SEMVER [{2.0.0   } {  2.0.3 }]}]"},
		{"vers:deb/<1.2", "[] [{ECOSYSTEM [{0   } { 1.2  }]}]"},
		{"vers:pypi/1.0|=2.0", "[1.0 2.0] []"},
		{"vers:generic/*", "[] [{ECOSYSTEM [{0   }]}]"},
		{"vers:npm/>=3.0", "[] [{SEMVER [{3.0   }]}]"},
		{"vers:rpm/<1%3A2.0", "[] [{ECOSYSTEM [{0   } { 1:2.0  }]}]"},
		{"vers:npm/>1.0", "no"},
		{"vers:npm/!=1.0", "no"},
		{"vers:npm/<1|<2", "no"},
		{"vers:npm/>=1|>=2", "no"},
		{"vers:npm/", "no"},
		{"vers:npm/*|1", "no"},
		{"vers:npm/<", "no"},
		{"1.0", "no"},
		{"vers:npm/<%zz", "no"},
	} {
		versions, ranges, ok := versRange(c.in)
		got := "no"
		if ok {
			got = fmt.Sprint(versions, ranges)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
}

func TestEcosystemOfPURL(t *testing.T) {
	for _, c := range []struct{ in, platform, want string }{
		{"pkg:deb/debian/openssl@3.0.1-1?arch=source&distro=bookworm", "", "Debian:12 openssl 3.0.1-1"},
		{"pkg:deb/debian/openssl@3.0.1-1?arch=source&distro=debian-12.5", "", "Debian:12 openssl 3.0.1-1"},
		{"pkg:deb/debian/openssl@3.0.1-1?distro=debian-3.1", "", "Debian:3.1 openssl 3.0.1-1"},
		{"pkg:deb/debian/libssl3@3.0.1-1?arch=amd64&distro=debian-12", "", "no"}, // advisories name the source
		{"pkg:deb/debian/openssl@3.0.1-1", "", "no"},
		{"pkg:deb/ubuntu/openssl@3?distro=ubuntu-22.04", "", "Ubuntu:22.04 openssl 3"},
		{"pkg:apk/alpine/busybox@1.36-r0?distro=alpine-3.18.4", "", "Alpine:v3.18 busybox 1.36-r0"},
		{"pkg:apk/alpine/busybox@1.36-r0?distro=v3.18", "", "Alpine:v3.18 busybox 1.36-r0"},
		{"pkg:apk/wolfi/busybox@1.36-r0", "", "Wolfi busybox 1.36-r0"},
		{"pkg:rpm/rocky-linux/foo@1-1?epoch=2&distro=rocky-9.1&arch=x86_64", "", "Rocky Linux:9 foo 2:1-1"},
		{"pkg:rpm/redhat/foo@1-1", "cpe:/o:redhat:enterprise_linux:9::baseos", "Red Hat:enterprise_linux:9::baseos foo 1-1"},
		{"pkg:rpm/redhat/foo@1-1", "", "no"},
		{"pkg:rpm/fedora/foo@1-1?distro=fedora-40", "", "no"},
		{"pkg:npm/%40angular/core@1.0.0#sub", "", "npm @angular/core 1.0.0"},
		{"pkg:golang/golang.org/x/net@v0.1.0", "", "Go golang.org/x/net v0.1.0"},
		{"pkg:maven/org.apache/log4j@2", "", "Maven org.apache:log4j 2"},
		{"npm/x", "", "no"},
		{"pkg:npm", "", "no"},
		{"pkg:npm/", "", "no"},
		{"pkg:npm/a%zz", "", "no"},
		{"pkg:npm/a b", "", "no"},
		{"pkg:npm/a%0a", "", "no"},
	} {
		got := "no"
		if p, ok := readPURL(c.in); ok {
			if ecosystem, name, _, ok := p.ecosystem(c.platform); ok {
				got = ecosystem + " " + name + " " + p.full()
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
}

// FuzzDecode reads documents of every kind.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/documents/*.*")
	if err != nil || len(files) == 0 {
		f.Fatal("no vectors: ", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, ".golden") {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Decode("fuzz", "x/y.json", raw)
		if err != nil {
			if s := err.Error(); strings.ContainsAny(s, "\n\r") || len(s) > 600 {
				t.Fatalf("the reason is no short line: %q", s)
			}
		}
		for i := range d.Records {
			held(t, &d.Records[i])
		}
		for _, x := range d.Bad {
			if x.Name == "" || x.Reason == "" || strings.ContainsAny(x.Reason, "\n\r") || len(x.Reason) > 700 {
				t.Fatalf("no reason: %+v", x)
			}
		}
		for _, k := range d.Deleted {
			if checkID(k.ID) != nil {
				t.Fatalf("deleted %q", k.ID)
			}
		}
	})
}

// FuzzPURL reads package URLs and version ranges.
func FuzzPURL(f *testing.F) {
	for _, s := range []string{
		"pkg:deb/debian/openssl@3.0.1-1?arch=source&distro=bookworm", "pkg:npm/%40a/b@1", "vers:npm/>=1.0.0|<1.4.0", "vers:x/*", "pkg:rpm/redhat/a@1?epoch=1&rpmmod=a:b",
	} {
		f.Add(s, "cpe:/a:redhat:enterprise_linux:9::appstream")
	}
	f.Fuzz(func(t *testing.T, text, platform string) {
		if p, ok := readPURL(text); ok {
			ecosystem, name, _, ok := p.ecosystem(platform)
			if ok && (ecosystem == "" || name == "") {
				t.Fatalf("%q is package %q of %q", text, name, ecosystem)
			}
		}
		versions, ranges, ok := versRange(text)
		if ok && len(versions)+len(ranges) == 0 {
			t.Fatalf("%q is a range of nothing", text)
		}
		for _, r := range ranges {
			if len(r.Events) == 0 || r.Events[0].Introduced == "" {
				t.Fatalf("%q begins nowhere: %+v", text, r)
			}
		}
	})
}
