package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/ui/schema"
)

// Whoever names the place of a stick is told what lies there, as commands.
func TestFolderWithBundlesNamesThem(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.zst", "full.zst.1-of-2", "full.zst.2-of-2", "it's.zst", "new.json", ".part-1.zst", "open/manifest.json", "empty/readme"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base := "  skerry bundle import " + dir
	want := base + "/b.zst\n" + base + "/full.zst.1-of-2 " + dir + "/full.zst.2-of-2\n  skerry bundle import '" + dir + `/it'\''s.zst'` + "\n" + base + "/open\n"
	a, out, asked := recorded(t, nil)
	if code := a.run(t.Context(), []string{"bundle", "import", dir}); code != exitUsage || !strings.HasSuffix(out.String(), "is missing. What lies in it:\n"+want) || len(*asked) > 0 {
		t.Errorf("exit code %d: %s\nwant\n%s", code, out, want)
	}
	out.Reset()
	if code := a.run(t.Context(), []string{"bundle", "validate", dir}); code != exitUsage || !strings.Contains(out.String(), "\n  skerry bundle validate "+dir+"/full.zst.2-of-2\n") {
		t.Errorf("exit code %d: %s", code, out)
	}
	out.Reset()
	if code := a.run(t.Context(), []string{"bundle", "import", filepath.Join(dir, "empty")}); code != exitUsage || strings.Contains(out.String(), "lies in it") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// A controller sends changes: there is no number of records that it would be right to show.
func TestControllerAsASourceHasNoNumberOfRecords(t *testing.T) {
	for kind, want := range map[string]string{"controller": "hq controller current never - -", "osv": "hq osv current never 7 0"} {
		a, out, _ := recorded(t, map[string]any{"/api/v1/advisories/sources": []schema.AdvisorySource{{Name: "hq", Kind: kind, State: "current", Read: 7}}})
		if code := a.run(t.Context(), []string{"advisories", "sources"}); code != exitOK || !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("exit code %d: %s", code, out)
		}
	}
}
