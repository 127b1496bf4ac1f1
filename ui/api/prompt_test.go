package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// atPrompt is what somebody types who has a command line, which callers of this interface and its page have not.
var atPrompt = regexp.MustCompile("`skerry |(^|[^-a-z])--[a-z]")

// TestNoTextNamesACommand reads every text in this package: what reaches a caller says what to do in the words of the
// interface.
func TestNoTextNamesACommand(t *testing.T) {
	for _, bad := range []string{"make one with `skerry keys generate NAME`", "say which with --key NAME", "--key NAME"} {
		if !atPrompt.MatchString(bad) {
			t.Errorf("%q would not be found", bad)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	texts := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if texts++; atPrompt.MatchString(text) {
				t.Errorf("%s names what is typed at a prompt: %q", set.Position(lit.Pos()), text)
			}
			return true
		})
	}
	if texts < 1000 {
		t.Errorf("only %d texts were read", texts)
	}
}
