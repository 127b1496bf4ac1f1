package query

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
)

var rewrite = flag.Bool("rewrite", false, "write the goldens and docs/search.md anew")

// What people write, and the one form it is understood as.
func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"  \t\n", ""},
		{"*", ""},
		{"*:*", ""},
		{"status:down", "status:down"},
		{"status=down", "status:down"},
		{"STATUS : Down", "status:down"},
		{"status==down", "status:down"},
		{"status: down", "status:down"},
		{"is:down", "status:down"},
		{"state:up", "status:up"},
		{"status!=up", "-status:up"},
		{"status:!up", "-status:up"},
		{"status:!=up", "-status:up"},
		{"status<>up", "-status:up"},
		{"status ≠ up", "-status:up"},
		{"status:down,late", "status:down,late"},
		{"status:down|late", "status:down,late"},
		{"status:(down or late)", "status:down,late"},
		{"status!=down,late", "-status:down,late"},
		{"-status:down,late", "-status:down,late"},
		{"status:\"down\"", "status:down"},
		{"status:down status:late", "status:down status:late"},
		{"status:down or status:late", "status:down,late"},
		{"status:*", ""},
		{"os:debian>=12", "os:debian>=12"},
		{"os:debian >= 12", "os:debian>=12"},
		{"os:debian>= 12", "os:debian>=12"},
		{"os: debian >=12", "os:debian>=12"},
		{"os:debian:12", "os:debian:12"},
		{"os=debian:12", "os:debian:12"},
		{"os:debian=12", "os:debian:12"},
		{"os:debian:>=12", "os:debian>=12"},
		{"os:debian≥12", "os:debian>=12"},
		{"os:debian=>12", "os:debian>=12"},
		{"os:ubuntu:22.*", "os:ubuntu:22"},
		{"os:win*:2022", "os:win*:2022"},
		{"os:*:12", "os:*:12"},
		{`os:"debian 12"`, `os:"debian 12"`},
		{`os:"Debian GNU/Linux"`, `os:"debian gnu/linux"`},
		{`os:"windows server":2022`, `os:"windows server":2022`},
		{"os:debian:11..12", "os:debian:11..12"},
		{"os:(debian or ubuntu)", "os:debian,ubuntu"},
		{"os:debian>=12,ubuntu>=22.04", "os:debian>=12 or os:ubuntu>=22.04"},
		{"os:rhel9", "os:rhel9"},
		{`os:"windows 11 24H2"`, `os:"windows 11 24h2"`},
		{`os:arch:""`, "!a version is missing"},
		{`os:"arch (no version)"`, `os:"arch (no version)"`},
		{"tag:pci -tag:lab", "tag:pci -tag:lab"},
		{"tag:pci NOT tag:lab", "tag:pci -tag:lab"},
		{"tag:pci and not tag:lab", "tag:pci -tag:lab"},
		{"tag:pci AND !tag:lab", "tag:pci -tag:lab"},
		{"tag:pci && !tag:lab", "tag:pci -tag:lab"},
		{"+tag:pci -tag:lab", "tag:pci -tag:lab"},
		{`tag:"two words"`, `tag:"two words"`},
		{`tag:'two words'`, `tag:"two words"`},
		{"tag:“two words”", `tag:"two words"`},
		{`tag:"a \"b\" \\c"`, `tag:"a \"b\" \\c"`},
		{"tag:env=prod", `tag:"env=prod"`},
		{"tag:env:prod", `tag:"env:prod"`},
		{"tag=env=prod", `tag:"env=prod"`},
		{`tag:"a\*b"`, `tag:"a\*b"`},
		{`tag:a\*b`, `tag:"a\*b"`},
		{"tag:*", "tag:*"},
		{"-tag:*", "-tag:*"},
		{`tag:""`, "-tag:*"},
		{"has:tag", "tag:*"},
		{"no:owner", "-owner:*"},
		{"_exists_:owner", "owner:*"},
		{"tag:(pci and prod)", "tag:pci tag:prod"},
		{"tag:(pci or -lab)", "tag:pci or -tag:lab"},
		{`owner:CORP\alice`, `owner:"corp\\alice"`},
		{"owner:o'brien", `owner:"o'brien"`},
		{"a b or c d", "a b or c d"},
		{"a (b or c) d", "a (b or c) d"},
		{"(a b) or c", "a b or c"},
		{"((a))", "a"},
		{"a or (b or c)", "a or b or c"},
		{"(a b) c", "a b c"},
		{"a || b && c", "a or b c"},
		{"a | b", "a or b"},
		{"a & b", "a b"},
		{"not (a or b)", "-(a or b)"},
		{"-(a b)", "-(a b)"},
		{"not not a", "a"},
		{"!-a", "a"},
		{"-(-a)", "a"},
		{"--a", "a"},
		{"–a", "-a"},
		{"a,b", "a or b"},
		{"-*", "-*"},
		{"(a or b) or c", "a or b or c"},
		{"NOT(a)", "-a"},
		{"R&D", `"r&d"`},
		{`"or"`, `"or"`},
		{`"a b"`, `"a b"`},
		{"Web-01", "web-01"},
		{"web*", "name:web*"},
		{"*db*", "name:*db*"},
		{"*db", "name:*db"},
		{"w*b*1", "name:w*b*1"},
		{"we**b", "name:we*b"},
		{`"new "*`, `name:"new "*`},
		{`*"b c"*d`, `name:*"b c"*d`},
		{"name:web-01", "name:web-01"},
		{"hostname:WEB-01", "hostname:web-01"},
		{"name:*", "name:*"},
		{"orange", "orange"},
		{"android", "android"},
		{"a\u200bb", "a b"},
		{"a\u00a0b", "a b"},
		{"ip:10.2.0.0/16", "ip:10.2.0.0/16"},
		{"ip:10.2.", "ip:10.2.0.0/16"},
		{"ip:10.2", "ip:10.2.0.0/16"},
		{"ip:10.2.*", "ip:10.2.0.0/16"},
		{"ip:10", "ip:10.0.0.0/8"},
		{"ip:10.2.3.4/16", "ip:10.2.0.0/16"},
		{"ip:10/8", "ip:10.0.0.0/8"},
		{"ip:10.0.0.1-10.0.0.9", "ip:10.0.0.1-10.0.0.9"},
		{"ip:10.0.0.1..10.0.0.9", "ip:10.0.0.1-10.0.0.9"},
		{"ip:10.0.0.1-9", "ip:10.0.0.1-10.0.0.9"},
		{"ip:10.0.0.0-10.0.0.255", "ip:10.0.0.0/24"},
		{"ip:0.0.0.0/0", "ip:0.0.0.0/0"},
		{"ip:10.0.0.1", "ip:10.0.0.1"},
		{"ip:10.0.0.1/32", "ip:10.0.0.1"},
		{"ip:::ffff:10.0.0.1", "ip:10.0.0.1"},
		{"ip:2001:DB8::/32", "ip:2001:db8::/32"},
		{"ip:2001:db8:", "ip:2001:db8::/32"},
		{"ip:2001:db8:*", "ip:2001:db8::/32"},
		{"ip:2001:db8::1", "ip:2001:db8::1"},
		{"ip:::1", "ip:::1"},
		{"ip:none", "ip:unknown"},
		{"ip:*", "-ip:unknown"},
		{"ip:10.1.,10.2.", "ip:10.1.0.0/16,10.2.0.0/16"},
		{"10.2.", "10.2."},
		{"10.2", `"10.2"`},
		{"10.2.3.4", "ip:10.2.3.4"},
		{`"10.2.3.4"`, `"10.2.3.4"`},
		{"10.2.0.0/16", "ip:10.2.0.0/16"},
		{"10.2.*", "ip:10.2.0.0/16"},
		{"10.0.0.1-10.0.0.9", "ip:10.0.0.1-10.0.0.9"},
		{"2001:DB8::0001", "ip:2001:db8::1"},
		{"2001:db8", `"2001:db8"`},
		{"fe80::", "ip:fe80::"},
		{"2001:db8:", `"2001:db8:"`},
		{"mac:5254.00", "mac:52:54:00"},
		{"mac:52.54.00", "mac:52:54:00"},
		{"2001:db8::/32", "ip:2001:db8::/32"},
		{"mac:52:54:00", "mac:52:54:00"},
		{"mac:52-54-00-AB-CD-EF", "mac:52:54:00:ab:cd:ef"},
		{"mac:5254.00ab.cdef", "mac:52:54:00:ab:cd:ef"},
		{"mac:525400abcdef", "mac:52:54:00:ab:cd:ef"},
		{"mac:52:54:00:*", "mac:52:54:00"},
		{"52:54:00:ab:cd:ef", "mac:52:54:00:ab:cd:ef"},
		{"52-54-00-ab-cd-ef", "mac:52:54:00:ab:cd:ef"},
		{"mac:none", "mac:unknown"},
		{"mac:*", "-mac:unknown"},
		{"updates:5", "updates:5"},
		{"updates:>5", "updates:>5"},
		{"updates>5", "updates:>5"},
		{"updates > 5", "updates:>5"},
		{"updates: > 5", "updates:>5"},
		{"updates >= 5", "updates:>=5"},
		{"updates:5..10", "updates:5..10"},
		{"updates:5-10", "updates:5..10"},
		{"updates:5..", "updates:>=5"},
		{"updates:..5", "updates:<=5"},
		{"updates:5..*", "updates:>=5"},
		{"updates:unknown", "updates:unknown"},
		{"updates:*", "-updates:unknown"},
		{"updates!=0", "-updates:0"},
		{"updates:(>5 and <10)", "updates:>5 updates:<10"},
		{"updates:<5,>10", "updates:<5 or updates:>10"},
		{"-updates:5..10", "-updates:5..10"},
		{"updates:1,2,3", "updates:1,2,3"},
		{`updates:"5"`, "updates:5"},
		{"updates:0005", "updates:5"},
		{"compliance:<80%", "compliance:<80"},
		{"compliance:79.5", "compliance:79.5"},
		{"memory:>16g", "memory:>16g"},
		{"ram>=16GiB", "memory:>=16g"},
		{"mem:512mb", "memory:512m"},
		{"memory:1.5g", "memory:1536m"},
		{"memory:4096", "memory:4g"},
		{"memory:0", "memory:0m"},
		{"memory:1t", "memory:1024g"},
		{"memory:1g..2g", "memory:1g..2g"},
		{"cve:critical>0", "cve:critical>0"},
		{"cve:critical", "cve:critical>0"},
		{"cve.critical>0", "cve:critical>0"},
		{"cve.critical:>0", "cve:critical>0"},
		{"cve:critical > 0", "cve:critical>0"},
		{"cve_critical>=3", "cve:critical>=3"},
		{"cve:critical:>0", "cve:critical>0"},
		{"cve:critical=0", "cve:critical=0"},
		{"cve:critical:0", "cve:critical=0"},
		{"cve:>5", "cve:>5"},
		{"cve>5", "cve:>5"},
		{"cve:0", "cve:0"},
		{"cve:critical,high", "cve:critical>0 or cve:high>0"},
		{"cve:critical:1..5", "cve:critical:1..5"},
		{"cve:important>1", "cve:high>1"},
		{"cve:unknown>0", "cve:unknown>0"},
		{"cve:5..10", "cve:5..10"},
		{"vulns>3", "cve:>3"},
		{"-cve:critical", "-cve:critical>0"},
		{"severity:critical", "severity:critical"},
		{"severity:>=high", "severity:critical,high"},
		{"severity>=high", "severity:critical,high"},
		{"severity:<medium", "severity:low,none,clean"},
		{"severity:low..high", "severity:high,medium,low"},
		{"worst:unmatched", "severity:unmatched"},
		{"sev:important", "severity:high"},
		{"severity:>high", "severity:critical"},
		{"seen:>2h", "seen:>2h"},
		{"seen:<5m", "seen:<5m"},
		{"seen > 2 ", "!a unit is missing"},
		{"last_seen:>1d12h", "seen:>1d12h"},
		{"lastSeen:>36h", "seen:>1d12h"},
		{"seen:>90min", "seen:>1h30m"},
		{"seen:>1.5h", "seen:>1h30m"},
		{"seen:>2w", "seen:>14d"},
		{"seen:>1mo", "seen:>30d"},
		{"seen:>1y", "seen:>1y"},
		{"seen:<=10s", "seen:<=10s"},
		{"seen:>now-2h", "seen:<2h"},
		{"seen:<now-2h", "seen:>2h"},
		{"seen:2026-11-01", "seen:2026-11-01"},
		{"seen:>2026-11-01", "seen:>=2026-11-02"},
		{"seen:>=2026-11-01", "seen:>=2026-11-01"},
		{"seen:<2026-11-01", "seen:<2026-11-01"},
		{"seen:<=2026-11-01", "seen:<2026-11-02"},
		{"seen:2026-11", "seen:2026-11-01..2026-11-30"},
		{"seen:2026-11-01..2026-11-05", "seen:2026-11-01..2026-11-05"},
		{"seen:2026-11-01..", "seen:>=2026-11-01"},
		{"seen:..2026-11-01", "seen:<2026-11-02"},
		{"seen:>=2026-11-01T10:30", "seen:>=2026-11-01T10:30:00.000Z"},
		{"seen:>=2026-11-01T10:30+02:00", "seen:>=2026-11-01T08:30:00.000Z"},
		{`seen:<"2026-11-01 10:30"`, "seen:<2026-11-01T10:30:00.000Z"},
		{"seen:>2026-11-01T10:30:00.000Z", "seen:>2026-11-01T10:30:00.000Z"},
		{"seen:never", "seen:never"},
		{"seen:none", "seen:never"},
		{"seen:unknown", "seen:never"},
		{"seen:*", "-seen:never"},
		{"seen:1h..2h", "seen:1h..2h"},
		{"seen:1h..", "seen:>=1h"},
		{"cert:<30d", "cert:<30d"},
		{"cert:none", "cert:never"},
		{"cert:expired", "cert:<0s"},
		{"cert:<now+30d", "cert:<30d"},
		{"cert:<2027-01-01", "cert:<2027-01-01"},
		{"uptime:>90d", "uptime:>90d"},
		{"reboot:yes", "reboot:yes"},
		{"reboot:true", "reboot:yes"},
		{"reboot:no", "reboot:no"},
		{"reboot:unknown", "reboot:unknown"},
		{"reboot=1", "reboot:yes"},
		{"reboot:*", "-reboot:unknown"},
		{"simulated:yes", "simulated:yes"},
		{"is:simulated", "simulated:yes"},
		{"agent:<2.4", "agent:<2.4"},
		{"agent:2.4.1", "agent:2.4.1"},
		{"kernel:6.1*", "kernel:6.1*"},
		{"kernel:5.10..5.15", "kernel:5.10..5.15"},
		{"kernel>=5.15", "kernel:>=5.15"},
		{"arch:amd64", `arch:"amd64",x86_64`},
		{"arch:x86_64", "arch:x86_64"},
		{`arch:"amd64"`, `arch:"amd64"`},
		{"arch:arm64,riscv64", `arch:"arm64",aarch64,riscv64`},
		{"site:berlin", "site:berlin"},
		{"site:0190D5C2-7a1e-7c3f-9b0a-2f1d3c4b5a69", "site:0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69"},
		{"city:\"São Paulo\"", `city:"são paulo"`},
		{"city:münchen", "city:münchen"},
		{"id:0190D5C2-7A1E-7C3F-9B0A-2F1D3C4B5A69", "id:0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69"},
		{"0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69", "0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69"},
		{
			"status:down os:debian>=12 tag:pci -tag:lab ip:10.2.0.0/16 name:*db* site:berlin (region:eu or region:uk) seen:>2h cve:critical>0",
			"status:down os:debian>=12 tag:pci -tag:lab ip:10.2.0.0/16 name:*db* site:berlin region:eu,uk seen:>2h cve:critical>0",
		},
		{`os:debian "12"`, `os:debian "12"`},
		{`"status" down`, `"status" down`},
		{"status:up down", "status:up down"},
	} {
		x, err := Parse(c.in)
		if want, bad := strings.CutPrefix(c.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, %v; want an error with %q", c.in, x, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		got := Format(x)
		if got != c.want {
			t.Errorf("%q is %q, want %q", c.in, got, c.want)
		}
		again, err := Parse(got)
		if err != nil || !same(again, x) {
			t.Errorf("%q: %q reads back as %#v, %v; want %#v", c.in, got, again, err, x)
		}
	}
}

// same compares but for the places in the text.
func same(a, b Expr) bool { return fmt.Sprintf("%#v", bare(a)) == fmt.Sprintf("%#v", bare(b)) }

func bare(x Expr) Expr {
	switch x := x.(type) {
	case And:
		var out And
		for _, y := range x {
			out = append(out, bare(y))
		}
		return out
	case Or:
		var out Or
		for _, y := range x {
			out = append(out, bare(y))
		}
		return out
	case Not:
		return Not{bare(x.X)}
	case Term:
		x.Pos, x.End = 0, 0
		return x
	}
	return x
}

// Every wrong text of testdata/errors, one a line, with its error and caret. Each suggestion, put in the
// place it is for, makes a text that reads.
func TestErrors(t *testing.T) {
	name := filepath.Join("testdata", "errors")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for block := range strings.SplitSeq(string(b), "\n\n") {
		text, _, _ := strings.Cut(strings.TrimSpace(block), "\n")
		if text == "" {
			continue
		}
		x, err := Parse(text)
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%q reads as %q", text, Format(x))
			continue
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v is of kind %v", text, err, fault.KindOf(err))
		}
		for _, s := range e.Suggestions {
			better := e.Text[:e.Pos] + s + e.Text[e.End:]
			if _, err := Parse(better); err != nil {
				t.Errorf("%q: the suggestion makes %q: %v", text, better, err)
			}
		}
		if len(e.Suggestions) > 3 {
			t.Errorf("%q: %d suggestions", text, len(e.Suggestions))
		}
		fmt.Fprintf(&out, "%s\n%s\n%s\n\n", text, e.Error(), e.Caret())
	}
	if out.String() == string(b) {
		return
	}
	if !*rewrite {
		t.Fatalf("%s differs: run go test ./engine/query -rewrite and read the difference; now\n%s", name, out.String())
	}
	if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A suggestion may lead to text that must be completed, and a caret must fit every text.
func TestCaretOfLongText(t *testing.T) {
	long := strings.Repeat("web ", 200) + "colour:red " + strings.Repeat("db ", 200)
	_, err := Parse(long)
	var e *SyntaxError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	line, mark, _ := strings.Cut(e.Caret(), "\n")
	at := strings.IndexByte(mark, '^')
	if n := len([]rune(line)); n != caretWidth || string([]rune(line)[at:at+6]) != "colour" || mark[at:] != "^~~~~~" {
		t.Errorf("%d characters\n%s\n%s", n, line, mark)
	}
}

func TestBounds(t *testing.T) {
	many := strings.Repeat("a ", MaxTerms)
	deep := strings.Repeat("(", MaxDepth) + "a" + strings.Repeat(")", MaxDepth)
	for _, c := range []struct{ what, in, want string }{
		{"text", strings.Repeat("a", 200) + strings.Repeat(" a", (MaxText-200)/2), "more"},
		{"too much text", strings.Repeat(" ", MaxText) + "a", "4096 bytes"},
		{"half a character at the bound", strings.Repeat("a", MaxText-1) + "éé", "4096 bytes"},
		{"a megabyte", strings.Repeat("a or ", 1<<18), "4096 bytes"},
		{"terms", many, ""},
		{"too many terms", many + "a", "256 conditions"},
		{"too many in a list", "updates:1" + strings.Repeat(",1", MaxTerms), "256 conditions"},
		{"depth", deep, ""},
		{"too deep", "(" + deep + ")", "within each other"},
		{"too deep with few parentheses", strings.Repeat("a b or c (", MaxDepth/2+1) + "d or e" + strings.Repeat(")", MaxDepth/2+1), "within each other"},
		{"negations", strings.Repeat("-(", MaxDepth/2) + "a" + strings.Repeat(")", MaxDepth/2), ""},
		{"too many negations", strings.Repeat("!", 2000) + "a", "within each other"},
		{"pattern", "name:" + strings.Repeat("a", MaxPattern), ""},
		{"too long a pattern", "name:" + strings.Repeat("a", MaxPattern+1), "255 bytes"},
		{"a pattern that grows when folded", "name:" + strings.Repeat("Ⱥ", 100), "255 bytes"},
		{"stars", "name:" + strings.Repeat("a*", MaxStars), ""},
		{"too many stars", "name:" + strings.Repeat("a*", MaxStars+1), "8 stars"},
		{"UTF-8", "a \xff", "UTF-8"},
		{"control", "a\x00b", "control"},
		{"grows when written out", strings.Repeat("seen:2026-11-01T10:30 ", 90), "written out"},
	} {
		x, err := Parse(c.in)
		if c.want == "more" {
			c.want = "256 conditions"
		}
		if c.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
		if err == nil {
			if again, err := Parse(Format(x)); err != nil || !same(again, x) {
				t.Errorf("%s: does not read back: %v", c.what, err)
			}
		}
	}
}
