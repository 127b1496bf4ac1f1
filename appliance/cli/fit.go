package cli

import (
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"
)

// leastProse is how narrow a column of words may become, in characters.
const leastProse = 19 // of a digest what tells it from others

// prose are the columns that people read and nobody types again: where a terminal is too narrow they are cut, and -o wide has them
// whole. Digests are cut as well.
var prose = map[string]bool{
	"SUMMARY": true, "REASON": true, "WHY": true, "BECAUSE": true, "VALUE": true, "OTHERS SAY": true, "OTHERS": true, "NOTE": true,
	"DETAIL": true, "TITLE": true, "RULE": true, "DESCRIPTION": true, "PRODUCT": true, "AFFECTED": true, "SORT OF SOURCE": true, "MAY SPEAK FOR": true,
}

// columns is how many characters a line of the terminal has; 0: nobody looks at one, or it does not say.
func (a *app) columns() int {
	f, ok := a.out.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// fitted makes a table fit into lines of so many characters, as far as it can: it cuts words, and turns a table of one row on its
// side. All of what was asked for with -o wide is shown whole.
func fitted(head []string, rows [][]string, columns int, whole bool) ([]string, [][]string, []table.ColumnConfig) {
	if columns <= 0 || len(head) == 0 || len(rows) == 0 {
		return head, rows, nil
	}
	names := head
	if tableWidth(head, rows, nil) > columns {
		head = stacked(head, rows)
	}
	widths := make([]int, len(head))
	digests := make([]bool, len(head))
	for i, h := range head {
		widths[i], digests[i] = text.LongestLineLen(h), true
		for _, row := range rows {
			if i < len(row) {
				widths[i] = max(widths[i], text.LongestLineLen(row[i]))
				digests[i] = digests[i] && (row[i] == "-" || strings.HasPrefix(row[i], "sha256:"))
			}
		}
	}
	over := -columns - 2 // nothing stands behind the last
	for _, w := range widths {
		over += w + 2
	}
	most := make([]int, len(head))
	for over > 0 && !whole {
		widest := -1
		for i, w := range widths {
			if (prose[names[i]] || digests[i]) && w > leastProse && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		most[widest] = widths[widest]
		over--
	}
	if over > 0 && len(rows) == 1 {
		return nil, onItsSide(names, rows[0]), nil
	}
	var c []table.ColumnConfig
	for i, w := range most {
		if w > 0 {
			c = append(c, table.ColumnConfig{Number: i + 1, WidthMax: w, WidthMaxEnforcer: func(s string, n int) string { return text.Snip(s, n, "…") }})
		}
	}
	return head, rows, c
}

// onItsSide is the one row of a table, a line for each column.
func onItsSide(head []string, row []string) [][]string {
	var rows [][]string
	for i, h := range head {
		if i < len(row) {
			rows = append(rows, []string{h, row[i]})
		}
	}
	return rows
}
