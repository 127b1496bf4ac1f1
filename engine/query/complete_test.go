package query

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// known is what a small directory has.
var known = map[Field][]Count{
	FieldName:    {{"web-01", 1}, {"web-02", 1}, {"status-page", 1}, {"or", 1}},
	FieldStatus:  {{"up", 90}, {"down", 7}},
	FieldOS:      {{"debian 12", 40}, {"debian 11", 5}, {"windows 11 24H2", 9}, {"arch (no version)", 2}},
	FieldTag:     {{"pci", 12}, {"prod", 80}, {"two words", 3}, {`a"b*`, 1}, {"-x", 1}},
	FieldSite:    {{"berlin", 30}, {"new york", 20}},
	FieldArch:    {{"amd64", 3}, {"x86_64", 70}},
	FieldKernel:  {{"6.1.0-18-amd64", 4}},
	FieldCountry: {{"DE", 30}},
	FieldIP:      {{"10.2.3.4", 1}, {"10.20.0.1", 1}, {"fe80::1", 3}},
}

func valuesOf(_ Expr, f Field, prefix string, limit int) (out []Count) {
	for _, c := range known[f] {
		if strings.HasPrefix(Fold(c.Value), prefix) && len(out) < limit {
			out = append(out, c)
		}
	}
	return out
}

// Each line of testdata/complete is a text with ^ where the cursor is; below it the text with what may stand
// there in brackets, and what that may be.
func TestComplete(t *testing.T) {
	name := filepath.Join("testdata", "complete")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for block := range strings.SplitSeq(string(b), "\n\n") {
		line, _, _ := strings.Cut(strings.Trim(block, "\n"), "\n")
		at := strings.IndexByte(line, '^')
		if at < 0 {
			continue
		}
		text := line[:at] + line[at+1:]
		c := Complete(text, at, valuesOf)
		fmt.Fprintf(&out, "%s\n%s[%s]%s\n", line, text[:c.From], text[c.From:c.To], text[c.To:])
		for i, s := range c.Items {
			if i == 12 {
				fmt.Fprintf(&out, "  … %d more\n", len(c.Items)-i)
				break
			}
			fmt.Fprintf(&out, "  %s", s.Text)
			if s.N > 0 {
				fmt.Fprintf(&out, "  %d", s.N)
			}
			out.WriteByte('\n')
		}
		out.WriteByte('\n')
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

// Every value that is suggested reads, and means itself.
func TestCompletedValuesRead(t *testing.T) {
	for _, i := range Fields() {
		text := i.Name + ":"
		c := Complete(text, len(text), valuesOf)
		if len(c.Items) == 0 && i.Kind != KindID {
			t.Errorf("%s: nothing is suggested", text)
		}
		for _, s := range c.Items {
			if s.Text == "<" || s.Text == ">=" {
				continue
			}
			x, err := Parse(text[:c.From] + s.Text + text[c.To:])
			if err != nil {
				t.Errorf("%s and %s: %v", text, s.Text, err)
				continue
			}
			if u, ok := x.(Term); ok && s.N > 0 && i.Kind == KindWord && u.Pattern.Text != Fold(unquoted(s.Text)) {
				t.Errorf("%s%s looks for %q", text, s.Text, u.Pattern.Text)
			}
		}
	}
	for _, s := range Complete("or", 2, valuesOf).Items {
		if s.Doc == "host" && s.Text != `"or"` {
			t.Errorf("the host or is suggested as %s", s.Text)
		}
	}
}

func unquoted(s string) string {
	v, _ := (&scanner{text: s}).value()
	return v.text
}

func TestCompleteAsksOnce(t *testing.T) {
	for _, text := range []string{"", "w", "status:", "status:u", "tag:p", "ip:10.2", "os:debian>=", "cve:", "seen:", "a or b", "kernel:<6", "nothing:", `tag:"tw`} {
		n := 0
		Complete(text, len(text), func(_ Expr, f Field, prefix string, limit int) []Count {
			n++
			if prefix != Fold(prefix) || limit < 1 || limit > maxValues || f != FieldName && f != FieldIP && !f.Info().Counted {
				t.Errorf("%q asks for %v, %q, %d", text, f, prefix, limit)
			}
			return nil
		})
		if n > 1 {
			t.Errorf("%q asks %d times", text, n)
		}
		Complete(text, len(text), nil)
	}
}

// TestCompleteKnowsTheRest: values are counted among the hosts that everything else in the search finds.
func TestCompleteKnowsTheRest(t *testing.T) {
	for _, c := range []struct{ text, rest string }{
		{"site:^", ""},
		{"status:down site:^", "status:down"},
		{"status:down site:be^ tag:pci", "status:down tag:pci"},
		{"site:b^ os:debian>=12 -tag:lab", "os:debian>=12 -tag:lab"},
		{"status:down -site:be^", "status:down"},
		{"status:down site:oslo,be^ web", "status:down web"},
		{"status:down site:be^rlin web", "status:down web"},
		{"status:down web^", "status:down"},
		{"status:down site: ^", "status:down"},
		{"status:down not site:^", ""},
		{"a or site:^", ""},
		{"a or b site:^", ""},
		{"status:down (site:^", ""},
		{"status:down (a site:^)", ""},
		{"(a or b) site:^", ""},
		{"tag:pci (a or b) site:^", "tag:pci (a or b)"},
		{"statsu:down site:^", ""},
		{`status:down site:"new y^`, ""},
	} {
		at := strings.IndexByte(c.text, '^')
		asked := false
		Complete(c.text[:at]+c.text[at+1:], at, func(rest Expr, _ Field, _ string, _ int) []Count {
			asked = true
			if Format(rest) != c.rest {
				t.Errorf("%s: the rest is %q, want %q", c.text, Format(rest), c.rest)
			}
			return nil
		})
		if !asked {
			t.Errorf("%s: nothing is asked for", c.text)
		}
	}
}

func FuzzComplete(f *testing.F) {
	for _, s := range []string{"", "sta", "status:d", `tag:"two w`, "os:debian >= 1", "(a or site:b", "a,b|c", "os:(debian or u", "-tag:", "seen:>", `"`, "a\xff", "tag:'x", "x:y", "cve:critical", "\u201ca", `tag:\`} {
		f.Add(s, len(s))
		f.Add(s, len(s)/2)
	}
	f.Fuzz(func(t *testing.T, text string, at int) {
		c := Complete(text, at, valuesOf)
		if c.From < 0 || c.From > c.To || c.To > len(text) || len(c.Items) > MaxItems {
			t.Fatalf("%q at %d: [%d, %d) and %d items", text, at, c.From, c.To, len(c.Items))
		}
		if utf8.ValidString(text) && (!utf8.ValidString(text[:c.From]) || !utf8.ValidString(text[c.To:])) {
			t.Fatalf("%q at %d: [%d, %d) cuts a character", text, at, c.From, c.To)
		}
		if at >= 0 && at <= len(text) && len(c.Items) > 0 && (c.From > at || c.To < at) && utf8.ValidString(text[:at]) {
			t.Fatalf("%q at %d: [%d, %d) is elsewhere", text, at, c.From, c.To)
		}
		for i, s := range c.Items {
			if s.Text == "" || slices.ContainsFunc(c.Items[:i], func(o Suggestion) bool { return o.Text == s.Text }) {
				t.Fatalf("%q at %d: item %d is %q", text, at, i, s.Text)
			}
		}
	})
}
