package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/skerryhq/skerry/engine/fault"
)

// FuzzLoad reads any bytes as a configuration: an operator may name the wrong file. What is accepted can
// be printed and read again; what is not comes with a line that is safe to show.
func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		f.Fatal("no golden files", err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".yaml") {
				f.Add(file.Data)
			}
		}
	}
	f.Add([]byte("role: \x1b[31mred\n"))
	f.Add([]byte("role: site\n\x1b]0;x\x07: 1\n"))
	f.Add([]byte("a: &a [*a, *a]\nrole: *a\n"))
	none := func(string) (string, bool) { return "", false }
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "skerry.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadWith(path, none)
		if _, agentErr := LoadAgentWith(path, none); agentErr != nil && !fault.Is(agentErr, fault.Invalid) {
			t.Errorf("an error of kind %s: %v", fault.KindOf(agentErr), agentErr)
		}
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("an error of kind %s: %v", fault.KindOf(err), err)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }) {
				t.Errorf("an error that moves the cursor: %q", err)
			}
			return
		}
		again, err := Print(c)
		if err != nil {
			t.Fatalf("it was read and cannot be printed: %v", err)
		}
		if err := os.WriteFile(path, again, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadWith(path, none); err != nil {
			t.Errorf("it was read, but not what was printed of it: %v\n%s", err, again)
		}
	})
}
