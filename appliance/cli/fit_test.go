package cli

import (
	"strings"
	"testing"
)

// What people read is cut to a narrow terminal, what they type again is not, and a single row that does not fit is turned.
func TestTablesFitTheTerminal(t *testing.T) {
	head := []string{"ID", "CURSOR", "SUMMARY"}
	long := strings.Repeat("very long words ", 10)
	digest := "sha256:" + strings.Repeat("ab", 32)
	two := [][]string{{digest, "2026-11-22T16:09:36.395Z#0384", long}, {"-", "-", "short"}}
	for _, c := range []struct {
		name    string
		rows    [][]string
		columns int
		whole   bool
		widths  []int // 0: as it is
		turned  bool
	}{
		{"no terminal", two, 0, false, nil, false},
		{"wide enough", two, 400, false, nil, false},
		{"words first", two, 160, false, []int{63, 0, 64}, false},
		{"words and digests", two, 80, false, []int{23, 0, 24}, false},
		{"all of it", two, 80, true, nil, false},
		{"no less than can be read", two, 40, false, []int{leastProse, 0, leastProse}, false},
		{"one row that fits when cut", two[:1], 80, false, []int{23, 0, 24}, false},
		{"one row that does not", two[:1], 60, false, nil, true},
		{"one row, all of it", two[:1], 80, true, nil, true},
		{"none", nil, 10, false, nil, false},
	} {
		h, rows, most := fitted(head, c.rows, c.columns, c.whole)
		if turned := len(h) == 0; turned != c.turned {
			t.Errorf("%s: turned %v, want %v", c.name, turned, c.turned)
		}
		if c.turned && (len(rows) != 3 || rows[0][0] != "ID" || rows[0][1] != digest || rows[2][1] != long) {
			t.Errorf("%s: %q", c.name, rows)
		}
		want := map[int]int{}
		for i, w := range c.widths {
			if w > 0 {
				want[i+1] = w
			}
		}
		if len(most) != len(want) {
			t.Errorf("%s: %d columns are cut, want %d", c.name, len(most), len(want))
		}
		for _, m := range most {
			if m.WidthMax != want[m.Number] {
				t.Errorf("%s: column %d has %d characters, want %d", c.name, m.Number, m.WidthMax, want[m.Number])
			}
			if got := []rune(m.WidthMaxEnforcer(long, m.WidthMax)); len(got) > m.WidthMax || got[len(got)-1] != '…' {
				t.Errorf("%s: cut to %q", c.name, string(got))
			}
		}
	}
}
