package query

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/model"
)

// words that mean something to the language where they are not quoted.
var awkward = []string{"and", "or", "not", "status", "12", "10.2", "a b", "-x", "!x", "*", "a*b", `q"q`, `b\s`, "'", "a,b", "a|b", "(", ")", "x:y", ">5", "a..b", "/re/", "amd64", "é", "a?b", "unknown", "never", "yes", "no", "2h", "“”", "&&", "||", "~", "=", "@", "a:", "10.0.0.1:80", "windows 10", "none", "has", "is", "+"}

func textGen(t *rapid.T, name string) string {
	s := rapid.OneOf(rapid.SampledFrom(awkward), rapid.StringMatching(`[a-z0-9._-]{1,12}`), rapid.StringN(1, 12, 40)).Draw(t, name)
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == utf8.RuneError {
			return 'x'
		}
		return c
	}, s)
	return Fold(strings.ToValidUTF8(s, "x"))
}

func patternGen(t *rapid.T) Pattern {
	s := textGen(t, "text")
	switch shape := Shape(rapid.IntRange(1, 6).Draw(t, "shape")); shape {
	case ShapeGlob:
		return Pattern{shape, strings.ReplaceAll(s, "*", "+") + "*" + strings.ReplaceAll(textGen(t, "tail"), "*", "+")}
	case ShapeAny:
		return Pattern{Shape: shape}
	default:
		return Pattern{shape, s}
	}
}

func termGen(t *rapid.T) Expr {
	i := rapid.SampledFrom(table).Draw(t, "field")
	x := Term{Field: i.Field, Op: Op(rapid.IntRange(1, 5).Draw(t, "op"))}
	if rapid.IntRange(0, 9).Draw(t, "any") == 0 {
		x.Field, x.Op, x.Pattern = FieldAny, OpIs, Pattern{ShapeContains, textGen(t, "word")}
		// What is more than a word becomes a term of another field.
		if y, err := Parse(quoted(x.Pattern.Text)); err != nil || !same(y, x) {
			x.Pattern.Text = "web"
		}
		return x
	}
	flip := func(n string) bool { return rapid.Bool().Draw(t, n) }
	switch i.Kind {
	case KindText, KindWord:
		x.Op, x.Pattern = OpIs, patternGen(t)
		if i.Field == FieldSeverity {
			x.Pattern = exact(rapid.SampledFrom(words(&i)).Draw(t, "severity"))
		}
	case KindVersion:
		if x.Op == OpIs {
			x.Pattern = patternGen(t)
		} else {
			x.Version = textGen(t, "version")
		}
	case KindOS:
		x.Pattern = patternGen(t)
		if x.HasVersion = x.Op != OpIs || flip("versioned"); x.HasVersion {
			x.Version = textGen(t, "version")
		} else if x.Pattern.Shape == ShapeExact && counted(x.Pattern.Text) {
			x.Pattern.Shape = ShapeCounted
		}
	case KindNumber:
		x.Number = float64(rapid.IntRange(0, 100000).Draw(t, "number"))
		switch {
		case i.Field == FieldCompliance:
			x.Number /= 10
		case i.Field == FieldCVE && flip("part"):
			x.Part = rapid.SampledFrom(parts[:]).Draw(t, "severity")
		case i.Field != FieldCVE && flip("unknown"):
			x.Op, x.Number, x.Unknown = OpIs, 0, true
		}
	case KindBool:
		x.Op = OpIs
		if x.Number = float64(rapid.IntRange(0, 1).Draw(t, "yes")); i.Field == FieldReboot && flip("unknown") {
			x.Number, x.Unknown = 0, true
		}
	case KindAge, KindUntil:
		switch rapid.IntRange(0, 3).Draw(t, "time") {
		case 0:
			x.Op, x.Unknown = OpIs, true
		case 1:
			x.At = model.Time(rapid.Int64Range(1, 253_402_000_000_000).Draw(t, "at"))
		case 2:
			x.At = model.Time(rapid.Int64Range(1, 90_000).Draw(t, "day")) * model.Time(day.Milliseconds())
		default:
			x.Age = time.Duration(rapid.Int64Range(0, MaxAge.Milliseconds()).Draw(t, "age")) * time.Millisecond
			if x.Op == OpIs {
				x.Op = OpLess
			}
		}
	case KindAddress:
		x.Op = OpIs
		switch rapid.IntRange(0, 4).Draw(t, "address") {
		case 0:
			x.Unknown = true
		case 1:
			var b [16]byte
			b[0], b[15] = 0x20, byte(rapid.IntRange(0, 255).Draw(t, "last"))
			x.Low = netip.AddrFrom16(b)
			x.High = last(netip.PrefixFrom(x.Low, 124))
		default:
			v4 := func(n string) netip.Addr {
				u := rapid.Uint32().Draw(t, n)
				return netip.AddrFrom4([4]byte{byte(u >> 24), byte(u >> 16), byte(u >> 8), byte(u)})
			}
			if x.Low, x.High = v4("low"), v4("high"); x.High.Less(x.Low) {
				x.Low, x.High = x.High, x.Low
			}
		}
	case KindMAC:
		x.Op, x.MAC = OpIs, "52:54:00:ab:cd:ef"[:rapid.IntRange(1, 6).Draw(t, "octets")*3-1]
	case KindID:
		x.Op, x.MAC = OpIs, "0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69"
	case KindStatus:
		x.Op, x.Status = OpIs, rapid.SampledFrom(statuses[:]).Draw(t, "status")
	}
	return x
}

func exprGen(t *rapid.T, depth int) Expr {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 || kind > 3 {
		return termGen(t)
	}
	switch kind {
	case 0:
		return not(exprGen(t, depth-1))
	case 1:
		return all(exprGen(t, depth-1), exprGen(t, depth-1), exprGen(t, depth-1))
	case 2:
		return either(exprGen(t, depth-1), exprGen(t, depth-1), exprGen(t, depth-1))
	}
	if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
		return All{}
	}
	return termGen(t)
}

func TestFormatReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := exprGen(t, 4)
		text := Format(x)
		if len(text) > MaxText {
			t.Skip()
		}
		got, err := Parse(text)
		if err != nil {
			t.Fatalf("%#v is written %q: %v", x, text, err)
		}
		if !same(got, x) {
			t.Fatalf("%#v is written %q and reads as %#v", x, text, got)
		}
		if again := Format(got); again != text {
			t.Fatalf("%q is written %q then", text, again)
		}
	})
}

// Each text that a person could have typed by chance: the pieces of the language in any order.
func TestAnyOrderOfPieces(t *testing.T) {
	pieces := append([]string{"status:", "down", "up", "os:", "debian", ">=", "12", " ", " ", "(", ")", "-", "!", "or", "and", "not", ",", `"`, "*", "cve:", "critical", ">", "0", "seen:", "2h", "2026-11-01", "..", "ip:", "10.2.", "/16", "tag:", ":", "name:"}, awkward...)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 14).Draw(t, "pieces"), "")
		checkText(t, text)
	})
}

// checkText holds what is true of every text.
func checkText(t interface {
	Fatalf(string, ...any)
}, text string,
) {
	x, err := Parse(text)
	if err != nil {
		e, ok := err.(*SyntaxError)
		if !ok || e.Pos < 0 || e.Pos > e.End || e.End > len(e.Text) || e.Msg == "" || len(e.Suggestions) > 3 {
			t.Fatalf("%q: %#v", text, err)
		}
		caret := e.Caret()
		if strings.Count(caret, "\n") != 1 || len([]rune(caret)) > 2*caretWidth+2 {
			t.Fatalf("%q: the caret is %q", text, caret)
		}
		_ = e.Error()
		return
	}
	again := Format(x)
	if len(again) > MaxText {
		t.Fatalf("%q is written out in %d bytes", text, len(again))
	}
	y, err := Parse(again)
	if err != nil || !same(x, y) {
		t.Fatalf("%q is %#v, written %q, which is %#v, %v", text, x, again, y, err)
	}
	if third := Format(y); third != again {
		t.Fatalf("%q is written %q and then %q", text, again, third)
	}
	terms(x, func(u Term) {
		if u.Pos < 0 || u.Pos >= u.End || u.End > len(text) {
			t.Fatalf("%q: a term at [%d, %d)", text, u.Pos, u.End)
		}
	})
}

func terms(x Expr, yield func(Term)) {
	switch x := x.(type) {
	case And:
		for _, y := range x {
			terms(y, yield)
		}
	case Or:
		for _, y := range x {
			terms(y, yield)
		}
	case Not:
		terms(x.X, yield)
	case Term:
		yield(x)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "status:down os:debian>=12 tag:pci -tag:lab ip:10.2.0.0/16 name:*db* site:berlin (region:eu or region:uk) seen:>2h cve:critical>0",
		`os:"debian 12",rhel:9 or not (a && "b c"*) updates:5..10 cert:<1d12h`, "mac:52-54-00 2001:db8:: 10.0.0.1-9 id:0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69",
		"seen:2026-11-01T10:30+02:00..2026-12 compliance:<79.5% memory:>16g", "((((((((((", `"`, "a\xff", "is:down has:tag no:owner", "severity:>=high|low arch:amd64",
		"status: or", "os:debian 12", strings.Repeat("-(", 40), strings.Repeat("a ", 300),
	} {
		f.Add(s)
	}
	h := hostOf(randOf(1))
	f.Fuzz(func(t *testing.T, text string) {
		checkText(t, text)
		if x, err := Parse(text); err == nil {
			y, _ := Parse(Format(x))
			if Match(x, h, env) != Match(y, h, env) {
				t.Fatalf("%q and %q differ", text, Format(x))
			}
		}
	})
}
