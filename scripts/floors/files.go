package floors

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// maxLines is the size at which a file is refused, unless a tool generates it.
const maxLines = 500

var generated = regexp.MustCompile(`^// Code generated .* DO NOT EDIT\.$`) // as golang.org/s/generatedcode

// shadowing are our folders that have the name of a standard package.
var shadowing = []string{"sync", "image"}

// checkFiles judges names and sizes of all Go files, also of those that the go command leaves out here.
func checkFiles(dir string) ([]string, error) {
	standard := map[string]bool{}
	packages, err := goList(dir, "-json=ImportPath", "std")
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		standard[p.ImportPath] = true
	}
	var out []string
	err = filepath.WalkDir(dir, func(full string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, full)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if e.IsDir() {
			if rel != "." && skipped(e.Name(), full) {
				return fs.SkipDir
			}
			for _, top := range shadowing {
				if child, ok := strings.CutPrefix(rel, top+"/"); ok && (standard[rel] || standard[child]) {
					out = append(out, fmt.Sprintf("%s: has the name of a standard package", rel))
				}
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		for _, top := range shadowing {
			if filepath.ToSlash(filepath.Dir(rel)) == top {
				out = append(out, fmt.Sprintf("%s: no Go file stands directly in %s/, which would be the standard package %q to a reader", rel, top, top))
			}
		}
		lines, byTool, err := measure(full)
		if err != nil {
			return err
		}
		if lines > maxLines && !byTool {
			out = append(out, fmt.Sprintf("%s: has %d lines, more than %d: it has a second reason to change", rel, lines, maxLines))
		}
		return nil
	})
	return out, err
}

// skipped says what the go command skips too, and modules of their own.
func skipped(name, full string) bool {
	if name == "node_modules" || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(full, "go.mod"))
	return err == nil
}

// measure counts the lines of a Go file and says whether a tool wrote it.
func measure(full string) (lines int, byTool bool, err error) {
	f, err := os.Open(full)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		lines++
		byTool = byTool || generated.MatchString(scan.Text())
	}
	return lines, byTool, scan.Err()
}
