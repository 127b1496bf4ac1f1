// Package floors checks that the picture in ARCHITECTURE.md and the imports are the same thing.
//
// It reads the two tables there (rooms with their floors; libraries with their one importer), asks the go
// command what imports what, and reports everything that does not agree. It owns no rule that ARCHITECTURE.md
// does not state, changes nothing, and is run as a test.
package floors

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Room is one row of the floor table.
type Room struct {
	Path  string // relative to the module
	Floor int
	Tests bool // only tests may import it
	Line  int  // where it stands in the file
}

// Plan is what ARCHITECTURE.md says.
type Plan struct {
	Rooms []Room
	// Libraries maps an import path to the one room that may import it or anything below it.
	Libraries map[string][]string
}

// ReadPlan reads the tables headed "| package | floor | duty |" and "| library | only in |".
func ReadPlan(file string) (Plan, error) {
	f, err := os.Open(file)
	if err != nil {
		return Plan{}, err
	}
	defer f.Close()
	p := Plan{Libraries: map[string][]string{}}
	table := ""
	scan := bufio.NewScanner(f)
	for n := 1; scan.Scan(); n++ {
		c := cells(scan.Text())
		switch {
		case c == nil:
			table = ""
		case slices.Equal(c, []string{"package", "floor", "duty"}), slices.Equal(c, []string{"library", "only in"}):
			table = c[0]
		case table == "" || strings.Trim(c[0], "-: ") == "":
		case table == "package":
			floor, err := strconv.Atoi(strings.TrimPrefix(c[1], "F"))
			if err != nil || len(c) != 3 || c[2] == "" {
				return Plan{}, fmt.Errorf("%s:%d: want | package | F0 | duty |, got %s", file, n, scan.Text())
			}
			if slices.ContainsFunc(p.Rooms, func(r Room) bool { return r.Path == c[0] }) {
				return Plan{}, fmt.Errorf("%s:%d: %s stands in the table twice", file, n, c[0])
			}
			p.Rooms = append(p.Rooms, Room{Path: c[0], Floor: floor, Tests: strings.Contains(c[2], "(tests only)"), Line: n})
		case table == "library":
			if len(c) != 2 || c[1] == "" {
				return Plan{}, fmt.Errorf("%s:%d: want | library | only in |, got %s", file, n, scan.Text())
			}
			p.Libraries[c[0]] = strings.FieldsFunc(c[1], func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	if err := scan.Err(); err != nil {
		return Plan{}, err
	}
	if len(p.Rooms) == 0 {
		return Plan{}, fmt.Errorf("%s has no table headed | package | floor | duty |", file)
	}
	return p, nil
}

// cells returns the cells of a row of a table without code marks, nil for any other line.
func cells(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") || len(line) < 2 {
		return nil
	}
	var out []string
	for c := range strings.SplitSeq(line[1:len(line)-1], "|") {
		out = append(out, strings.ReplaceAll(strings.TrimSpace(c), "`", ""))
	}
	return out
}

// room returns the room that a package is in: the one with its path, or the longest above it.
func (p Plan) room(path string) (Room, bool) {
	best, found := Room{}, false
	for _, r := range p.Rooms {
		if (path == r.Path || strings.HasPrefix(path, r.Path+"/")) && len(r.Path) >= len(best.Path) {
			best, found = r, true
		}
	}
	return best, found
}

// Check returns everything in the module at dir that ARCHITECTURE.md there does not allow, sorted; none
// is how it should be. An error means that it could not be checked.
func Check(dir string) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	plan, err := ReadPlan(filepath.Join(dir, "ARCHITECTURE.md"))
	if err != nil {
		return nil, err
	}
	module, packages, err := list(dir)
	if err != nil {
		return nil, err
	}
	out := checkImports(plan, module, packages)
	more, err := checkFiles(dir)
	if err != nil {
		return nil, err
	}
	out = append(out, more...)
	more, err = checkPure(dir, module, packages)
	if err != nil {
		return nil, err
	}
	out = append(out, more...)
	slices.Sort(out)
	return slices.Compact(out), nil
}
