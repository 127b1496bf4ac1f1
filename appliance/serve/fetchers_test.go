package serve

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
)

func TestFetchers(t *testing.T) {
	a, b := strings.Repeat("a", 16), strings.Repeat("b", 1024)
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := Fetchers(""); all != nil || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	write("# who may\n\nus-west " + a + "\n  us-west\t" + b + "\r\n")
	all, err := Fetchers(path)
	if err != nil || len(all) != 2 || all[sha256.Sum256([]byte(a))] != "us-west" || all[sha256.Sum256([]byte(b))] != "us-west" {
		t.Errorf("%v, %v", all, err)
	}
	if f, err := Federation(config.Federation{TokensFile: path}); err != nil || len(f.Fetchers) != 2 {
		t.Errorf("%v, %v", f, err)
	}
	var many strings.Builder
	for i := range maxFetchers + 1 {
		fmt.Fprintf(&many, "x t0ken-of-no-%08d\n", i)
	}
	for name, tc := range map[string]struct{ text, says string }{
		"no token":    {"us-west\n", "line 1 has 1 words"},
		"three words": {"us-west " + a + " x\n", "line 1 has 3 words"},
		"bad name":    {"\nUS-West " + a + "\n", "line 2: its name is none"},
		"short":       {"us-west " + a[1:] + "\n", "has 15 characters"},
		"long":        {"us-west " + b + "b\n", "has 1025 characters"},
		"no ASCII":    {"us-west " + a + "ü\n", "printable ASCII"},
		"shared":      {"us-west " + a + "\nus-east " + a + "\n", "line 2: us-east has the same token as us-west"},
		"too many":    {many.String(), "more than 1000 tokens"},
		"long line":   {"us-west " + strings.Repeat("x", 100_000), "too long"},
	} {
		write(tc.text)
		all, err := Fetchers(path)
		if all != nil || !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, %v", name, all, err)
		} else if strings.Contains(err.Error(), a[1:]) {
			t.Errorf("%s: the error repeats a secret: %v", name, err)
		}
	}
	if _, err := Fetchers(path + ".none"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := Federation(config.Federation{TokensFile: path + ".none"}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
