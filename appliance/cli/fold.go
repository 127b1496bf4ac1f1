package cli

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// indent is how far what does not fit beside the first columns stands in.
const indent = "    "

// stacked breaks those heads that are wider than everything below them, and have several words, so that a column is no wider than its
// values need.
func stacked(head []string, rows [][]string) []string {
	out := make([]string, len(head))
	for i, h := range head {
		out[i] = h
		widest := 0
		for _, row := range rows {
			if i < len(row) {
				widest = max(widest, text.LongestLineLen(row[i]))
			}
		}
		if text.LongestLineLen(h) > widest {
			out[i] = strings.ReplaceAll(h, " ", "\n")
		}
	}
	return out
}

// tableWidth is how many characters the lines of a table take.
func tableWidth(head []string, rows [][]string, most []table.ColumnConfig) int {
	widths := columnWidths(head, rows)
	for _, c := range most {
		widths[c.Number-1] = min(widths[c.Number-1], c.WidthMax)
	}
	n := -2
	for _, w := range widths {
		n += w + 2
	}
	return n
}

func columnWidths(head []string, rows [][]string) []int {
	widths := make([]int, len(head))
	for i, h := range head {
		widths[i] = text.LongestLineLen(h)
		for _, row := range rows {
			if i < len(row) {
				widths[i] = max(widths[i], text.LongestLineLen(row[i]))
			}
		}
	}
	return widths
}

// folded writes a table that is too wide: the first columns stand beside each other as far as they fit, and the others follow each row
// with their names, on lines of their own. Nothing is cut; a cell that is empty there is left out.
func folded(head []string, rows [][]string, columns int) string {
	heads := stacked(head, rows)
	widths := columnWidths(heads, rows)
	first, n := 1, widths[0]
	for first < len(head) && n+2+widths[first] <= columns {
		n += 2 + widths[first]
		first++
	}
	var b strings.Builder
	lines := 1
	for _, h := range heads[:first] {
		lines = max(lines, 1+strings.Count(h, "\n"))
	}
	for i := range lines { // a head of one word stands on the last line
		cells := make([]string, first)
		for k, h := range heads[:first] {
			words := strings.Split(h, "\n")
			if at := i - lines + len(words); at >= 0 {
				cells[k] = words[at]
			}
		}
		padded(&b, cells, widths)
	}
	for _, row := range rows {
		padded(&b, row[:min(first, len(row))], widths)
		line := ""
		flush := func() {
			if line != "" {
				b.WriteString(line + "\n")
			}
			line = ""
		}
		for i := first; i < len(row); i++ {
			if row[i] == "" || row[i] == "-" {
				continue
			}
			part := head[i] + " " + row[i]
			if line != "" && text.LongestLineLen(line)+2+text.LongestLineLen(part) > columns {
				flush()
			}
			if line == "" {
				line = indent + part
			} else {
				line += "  " + part
			}
			if text.LongestLineLen(line) > columns { // alone, and longer than a line
				line = wrapped(part, indent, columns)
			}
		}
		flush()
	}
	return b.String()
}

// padded writes the cells of one line at their columns.
func padded(b *strings.Builder, cells []string, widths []int) {
	line := ""
	for i, c := range cells {
		if i > 0 {
			line += "  "
		}
		line += text.Pad(c, widths[i], ' ')
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// wrapped breaks a text into lines of so many characters, between words where it can, each with what stands before it.
func wrapped(s, before string, columns int) string {
	lines := strings.Split(text.WrapSoft(s, max(leastProse, columns-text.LongestLineLen(before))), "\n")
	for i, l := range lines {
		lines[i] = before + strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}
