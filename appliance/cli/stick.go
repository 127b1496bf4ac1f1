package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/bundle"
)

// openBundle opens a bundle of whatever layout. Where path is a folder that is none, as the place where a stick is mounted, the error names
// the commands for those that lie in it; does is import or validate.
func openBundle(path, does string) (bundle.File, error) {
	file, err := bundle.OpenAny(path)
	if err == nil {
		return file, nil
	}
	lines := bundlesIn(path, does)
	if !fault.Is(err, fault.NotFound) || len(lines) == 0 {
		return nil, usagef("%w", err)
	}
	return nil, usagef("%w. What lies in it:\n%s", err, strings.Join(lines, "\n"))
}

// mostListed bounds the commands that are shown.
const mostListed = 10

// partName is the name of a part as an export writes it.
var partName = regexp.MustCompile(`^(.+)\.[0-9]+-of-[0-9]+$`)

// bundlesIn returns a command for each thing in a folder that by its name is a bundle; the parts of one share a command where all of
// them are imported together.
func bundlesIn(dir, does string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var lines []string
	at := map[string]int{} // of a set of parts, its line
	for _, e := range entries {
		name := e.Name()
		set := ""
		if m := partName.FindStringSubmatch(name); m != nil {
			set = m[1]
		}
		switch {
		case e.IsDir():
			if info, err := os.Lstat(filepath.Join(dir, name, "manifest.json")); err != nil || !info.Mode().IsRegular() {
				continue
			}
		case !e.Type().IsRegular() || strings.HasPrefix(name, ".") || set == "" && !strings.HasSuffix(name, ".zst"):
			continue
		}
		word := shellWord(filepath.Join(dir, name))
		if i, ok := at[set]; ok && set != "" && does == "import" {
			lines[i] += " " + word
			continue
		}
		at[set] = len(lines)
		lines = append(lines, "  skerry bundle "+does+" "+word)
	}
	if len(lines) > mostListed {
		lines = append(lines[:mostListed:mostListed], "  and more")
	}
	return lines
}

// plain are words that a shell takes as they are.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// shellWord writes a path so that it can be pasted into a shell.
func shellWord(path string) string {
	text := fault.Printable(path)
	if strings.HasPrefix(text, "-") {
		text = "./" + text
	}
	if plain.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
