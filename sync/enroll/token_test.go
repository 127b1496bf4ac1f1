package enroll

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

var rewrite = flag.Bool("rewrite", false, "write the vectors anew")

// counting is a source of "randomness" that is the same each time.
type counting byte

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(*c)
		*c++
	}
	return len(b), nil
}

func vectorTokens(t testing.TB) []Token {
	t.Helper()
	var out []Token
	for i, kind := range []model.MemberKind{model.MemberSite, model.MemberHost, model.MemberGateway, model.MemberController} {
		random := counting(i * 64)
		tok, err := NewToken(&random, kind, model.NodeID{1, 0x90, byte(i), 15: 0xff}, strings.Repeat(fmt.Sprintf("%02x", 0xa0+i), 32))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tok)
	}
	return out
}

// The vectors are kept for ever: a token that an older Skerry printed must be read.
func TestTokenVectors(t *testing.T) {
	const path = "testdata/tokens.txt"
	var b strings.Builder
	for _, tok := range vectorTokens(t) {
		fmt.Fprintf(&b, "%s %s %s %s %s\n", tok.Encode(), tok.Kind, tok.Member, tok.Hash(), tok.Pin())
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	for line := range strings.Lines(string(want)) {
		f := strings.Fields(line)
		tok, err := ParseToken("\n " + f[0] + " \r\n")
		if err != nil {
			t.Fatal(err)
		}
		if string(tok.Kind) != f[1] || tok.Member.String() != f[2] || tok.Hash() != f[3] || tok.Pin() != f[4] {
			t.Errorf("%s was read as %v, %s, %s", f[0], tok, tok.Hash(), tok.Pin())
		}
	}
}

func TestTokenHidesItsSecret(t *testing.T) {
	tok := vectorTokens(t)[0]
	for _, form := range []string{"%v", "%+v", "%s", "%#v"} {
		text := fmt.Sprintf(form, tok)
		if text != "token of site 01900000-0000-0000-0000-0000000000ff" {
			t.Errorf("%s gives %s", form, text)
		}
	}
}

func TestNewTokenRefuses(t *testing.T) {
	var random counting
	good := strings.Repeat("ab", 32)
	id := model.NodeID{1}
	for name, f := range map[string]func() (Token, error){
		"pin too short": func() (Token, error) { return NewToken(&random, model.MemberSite, id, "ab") },
		"pin not hex":   func() (Token, error) { return NewToken(&random, model.MemberSite, id, strings.Repeat("zz", 32)) },
		"no id":         func() (Token, error) { return NewToken(&random, model.MemberSite, model.NodeID{}, good) },
		"no kind":       func() (Token, error) { return NewToken(&random, "", id, good) },
		"no randomness": func() (Token, error) { return NewToken(strings.NewReader("short"), model.MemberSite, id, good) },
	} {
		if tok, err := f(); err == nil {
			t.Errorf("%s: made %v", name, tok)
		}
	}
}

func TestParseTokenErrors(t *testing.T) {
	good := vectorTokens(t)[0].Encode()
	raw, _ := base64.RawURLEncoding.DecodeString(good[len(tokenPrefix):])
	// changed returns the token with a byte set and the checksum put right again.
	changed := func(at int, to byte) string {
		b := bytes.Clone(raw)
		b[at] = to
		sum := crc32.ChecksumIEEE(b[:tokenLen-4])
		b[82], b[83], b[84], b[85] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
		return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
	}
	noID := func() string {
		b := bytes.Clone(raw)
		clear(b[2:18])
		sum := crc32.ChecksumIEEE(b[:tokenLen-4])
		b[82], b[83], b[84], b[85] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
		return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
	}
	swap := func(s string, at int, c byte) string { return s[:at] + string(c) + s[at+1:] }
	other := byte('A')
	if good[60] == 'A' {
		other = 'B'
	}
	for _, c := range []struct {
		name, in string
		kind     fault.Kind
		text     string
	}{
		{"empty", "  ", fault.Invalid, "it is empty"},
		{"something else", "hunter2", fault.Invalid, `does not start with "skerry1."`},
		{"no dot", "skerry1", fault.Invalid, `does not start with`},
		{"later generation", "skerry2." + good[8:], fault.Version, "newer Skerry"},
		{"much later generation", "skerry10.x", fault.Version, "newer Skerry"},
		{"no generation", "skerry.x", fault.Invalid, "does not start with"},
		{"cut off", good[:len(good)-5], fault.Invalid, "has 110 characters"},
		{"too long", good + "A", fault.Invalid, "has 116 characters"},
		{"bad character", swap(good, 60, '+'), fault.Invalid, "character 61 "},
		{"line break inside", swap(good, 60, '\n'), fault.Invalid, "on one line"},
		{"one changed character", swap(good, 60, other), fault.Invalid, "checksum is wrong"},
		{"loose bits at the end", swap(good, len(good)-1, good[len(good)-1]+1), fault.Invalid, "copy it again"},
		{"later layout", changed(0, 2), fault.Version, "version 2"},
		{"kind 0", changed(1, 0), fault.Invalid, "kind 0"},
		{"kind 5", changed(1, 5), fault.Invalid, "kind 5"},
		{"no member", noID(), fault.Invalid, "names no member"},
	} {
		tok, err := ParseToken(c.in)
		if err == nil {
			t.Errorf("%s: read as %v", c.name, tok)
			continue
		}
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got kind %s: %v", c.name, fault.KindOf(err), err)
		}
		if len(c.in) > 20 && strings.Contains(err.Error(), c.in[8:20]) {
			t.Errorf("%s: the message quotes the token: %v", c.name, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	for _, tok := range vectorTokens(f) {
		f.Add(tok.Encode())
	}
	f.Add("skerry1.")
	f.Add("skerry2.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := ParseToken(text)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.Version {
				t.Errorf("kind %s", k)
			}
			return
		}
		if tok.Encode() != strings.TrimSpace(text) {
			t.Errorf("%q was read, but is written as %q", text, tok.Encode())
		}
	})
}
