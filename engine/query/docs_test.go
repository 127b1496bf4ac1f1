package query

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is the document for people; what stands between the marks is written from the table.
const page = "../../docs/search.md"

func markdown() string {
	var b strings.Builder
	b.WriteString("| field | also | what it is | example | sort | facet |\n|---|---|---|---|---|---|\n")
	yes := map[bool]string{true: "yes"}
	for _, i := range Fields() {
		also := ""
		if len(i.Aliases) > 0 {
			also = "`" + strings.Join(i.Aliases, "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` | %s | %s |\n", i.Name, also, i.Doc, i.Example, yes[i.Sortable], yes[i.Counted])
	}
	return b.String()
}

func TestPageHoldsTheTable(t *testing.T) {
	const from, to = "<!-- table -->\n", "<!-- end -->\n"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), from)
	old, tail, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q … %q", page, from, to)
	}
	if old == markdown() {
		return
	}
	if !*rewrite {
		t.Fatalf("%s differs from Fields(): run go test ./engine/query -rewrite", page)
	}
	if err := os.WriteFile(page, []byte(head+from+markdown()+to+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What the page shows is true: each search in a table or a block reads, and those with an arrow are what
// stands behind it.
func TestPageIsTrue(t *testing.T) {
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	inBlock := false
	code := regexp.MustCompile("^\\| `([^`]+)`")
	for line := range strings.SplitSeq(string(b), "\n") {
		if strings.HasPrefix(line, "```") {
			inBlock = line == "```search"
			continue
		}
		text := ""
		if inBlock {
			text = strings.TrimSpace(line)
		} else if m := code.FindStringSubmatch(line); m != nil && !slices.ContainsFunc(table, func(i Info) bool { return i.Name == m[1] }) {
			text = strings.ReplaceAll(m[1], `\|`, "|")
		}
		if text == "" {
			continue
		}
		said, want, is := strings.Cut(text, "   is   ")
		x, err := Parse(strings.TrimSpace(said))
		if err != nil {
			t.Errorf("%s: %v", said, err)
		} else if is && Format(x) != strings.TrimSpace(want) {
			t.Errorf("%s is %s, the page says %s", said, Format(x), want)
		}
		n++
	}
	if n < 40 {
		t.Errorf("%d searches were found on the page", n)
	}
	for _, i := range Fields() {
		if x, err := Parse(i.Example); err != nil || Format(x) != i.Example && i.Field != FieldSeverity {
			t.Errorf("%s: the example %s is %v, %v", i.Name, i.Example, Format(x), err)
		}
	}
}

// The table itself.
func TestFields(t *testing.T) {
	names := map[string]Field{}
	seen := map[Field]bool{}
	for _, i := range Fields() {
		for _, n := range append([]string{i.Name}, i.Aliases...) {
			if f, twice := names[n]; twice {
				t.Errorf("%s is %v and %v", n, f, i.Field)
			}
			names[n] = i.Field
			for _, s := range []string{n, strings.ToUpper(n), strings.ReplaceAll(n, "_", "-")} {
				if f, ok := FieldNamed(s); !ok || f != i.Field {
					t.Errorf("%s is %v", s, f)
				}
			}
			if n != Fold(n) || !plain(n, true) || addressLike(n+"::") {
				t.Errorf("%s cannot be the name of a field", n)
			}
		}
		if seen[i.Field] || i.Field.String() != i.Name || i.Field.Info().Doc != i.Doc || i.Doc == "" || i.Kind == 0 {
			t.Errorf("%+v", i)
		}
		seen[i.Field] = true
		if i.Counted {
			if _, ok := FieldNamed(i.Name); !ok {
				t.Error(i.Name)
			}
		}
	}
	for f := FieldName; f < FieldAny; f++ {
		if !seen[f] {
			t.Errorf("field %d is not in the table", f)
		}
	}
	if FieldAny.String() != "" || Field(200).Info().Name != "" {
		t.Error("what is no field has a name")
	}
}
