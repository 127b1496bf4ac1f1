package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// How many of the newest records of a source are taken.
const (
	errataN = 250 // of each AlmaLinux release
	golangN = 400
)

// selected takes records from the tree: some of the newest of each source that names packages, then the
// ratings of every CVE that these and the Debian records name.
func selected(tree string, debian []model.Advisory) ([]model.Advisory, error) {
	out := []model.Advisory{}
	for _, s := range []struct {
		source string
		n      int
		text   string // what the file must contain
	}{
		{"almalinux8", errataN, `"ALSA-`},
		{"almalinux9", errataN, `"ALSA-`},
		{"golang", golangN, ""},
		{"rustsec", 1 << 20, `"license": "CC0-1.0"`},
	} {
		all, err := read(tree, s.source, s.text)
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(a model.Advisory) bool { return !a.Withdrawn.IsZero() || len(a.Affected) == 0 })
		slices.SortFunc(all, func(a, b model.Advisory) int {
			return cmp.Or(cmp.Compare(b.Published, a.Published), strings.Compare(b.ID, a.ID))
		})
		out = append(out, all[:min(s.n, len(all))]...)
	}
	named := map[string]bool{}
	for _, list := range [][]model.Advisory{debian, out} {
		for _, a := range list {
			for _, id := range exposure.Identifiers(a) {
				named[id] = true
			}
		}
	}
	// The first source that rates a CVE alone is enough.
	for _, s := range []struct{ source, as string }{{"vulnrichment", "vulnrichment"}, {"bellsoft", "bellsoft-cvss"}} {
		all, err := read(tree, s.source, `"severity"`)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, a := range all {
			ids := exposure.Identifiers(a)
			if !a.Withdrawn.IsZero() || len(ids) != 1 || !named[ids[0]] || exposure.SeverityOf(a.Severity) == model.SeverityUnknown {
				continue
			}
			named[ids[0]] = false
			a.Source, a.Affected = s.as, nil
			out = append(out, a)
			n++
		}
		log.Printf("%s: %d ratings", s.as, n)
	}
	return out, nil
}

// read decodes the records of one source whose text contains a word, sorted by file name.
func read(tree, source, word string) ([]model.Advisory, error) {
	var out []model.Advisory
	err := filepath.WalkDir(filepath.Join(tree, source), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".json") {
			return err
		}
		raw, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(raw, []byte(word)) {
			return err
		}
		a, err := canonical.DecodeFile(source, name, raw)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		a.Summary = ""
		out = append(out, a)
		return nil
	})
	return out, err
}
