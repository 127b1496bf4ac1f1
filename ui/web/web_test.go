package web_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/ui/api"
	"github.com/skerryhq/skerry/ui/web"
)

// TestPageFitsItsPolicy holds the built page against what the server's Content-Security-Policy and
// its file handler allow: own files only, and a place for the nonce.
func TestPageFitsItsPolicy(t *testing.T) {
	files, built := web.FS()
	if !built {
		t.Skip("the page is not built: run `npm ci --ignore-scripts && npm run build` in ui/web/app")
	}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	page := string(index)
	if !strings.Contains(page, `nonce="`+api.NoncePlaceholder+`"`) {
		t.Errorf("index.html has no place for the nonce (%s)", api.NoncePlaceholder)
	}
	if strings.Contains(page, "<style") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
		t.Error("index.html has an inline script or style")
	}
	refs := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(refs) == 0 {
		t.Error("index.html loads nothing")
	}
	for _, ref := range refs {
		if info, err := fs.Stat(files, strings.TrimPrefix(ref[1], "/")); err != nil || !info.Mode().IsRegular() {
			t.Errorf("index.html loads %q, which is not among the page's files", ref[1])
		}
	}
}

// TestLockNamesNoRegistry keeps addresses of registries out of the lock file: whoever builds the page
// chooses where packages come from, and the digests say what they must be.
func TestLockNamesNoRegistry(t *testing.T) {
	raw, err := os.ReadFile("app/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Resolved  string `json:"resolved"`
			Integrity string `json:"integrity"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(raw, &lock); err != nil {
		t.Fatal(err)
	}
	if len(lock.Packages) < 2 {
		t.Fatal("the lock file names no package")
	}
	for name, p := range lock.Packages {
		if p.Resolved != "" {
			t.Errorf("%s has an address, %s: install with the folder's .npmrc", name, p.Resolved)
		}
		if name != "" && p.Integrity == "" {
			t.Errorf("%s has no digest", name)
		}
	}
}

// TestTypesAreTheInterfaces holds the digest at the end of the page's types against the interface that this
// tree describes (app/schema.mjs writes it), so that a change of the interface needs no browser to be
// noticed. Only the version of the server may differ.
func TestTypesAreTheInterfaces(t *testing.T) {
	described, err := api.OpenAPI("any")
	if err != nil {
		t.Fatal(err)
	}
	lasting := regexp.MustCompile(`(?m)^    "version": ".*"$`).ReplaceAll(described, []byte(`    "version": ""`))
	if bytes.Equal(lasting, described) {
		t.Fatal("the description names no version where app/schema.mjs leaves it out")
	}
	types, err := os.ReadFile("app/src/api/schema.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("// described by sha256:%x\n", sha256.Sum256(lasting))
	if !bytes.HasSuffix(types, []byte(want)) {
		t.Error("app/src/api/schema.d.ts is not what the server describes: run `go build -o bin/ ./appliance/cmd/skerry`, then `npm run schema` in ui/web/app, and commit it with the change of the interface")
	}
}
