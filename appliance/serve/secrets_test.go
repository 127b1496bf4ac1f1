package serve

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/appliance/config"
)

func TestWarnReadable(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("not-to-be-told-of"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var c config.Config
	c.Federation.TokensFile, c.Federation.Webhook.SecretFile, c.Metrics.TokenFile = file("tokens", 0o644), file("hook", 0o640), file("metrics", 0o604)
	c.Advisories.Sources = []config.AdvisorySource{{TokenFile: file("source", 0o602)}, {TokenFile: file("own", 0o600)}, {TokenFile: filepath.Join(dir, "none")}, {}}
	var said strings.Builder
	WarnReadable(c, slog.New(slog.NewTextHandler(&said, nil)))
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	want := []string{"tokens mode=0644", "metrics mode=0604", "source mode=0602"}
	if len(lines) != len(want) || strings.Contains(said.String(), "not-to-be") {
		t.Fatalf("%s", &said)
	}
	for i, w := range want {
		if !strings.Contains(lines[i], w) {
			t.Errorf("%s: want %s", lines[i], w)
		}
	}
}
