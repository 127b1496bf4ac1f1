package api

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/feed"
	"github.com/skerryhq/skerry/ui/schema"
)

const osv = `{"schema_version":"1.7.0","id":%q,"modified":"2026-01-02T03:04:05Z","aliases":["CVE-2026-%d"],
"affected":[{"package":{"ecosystem":"Debian:12","name":"curl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":%q}]}]}]}`

// packed is the stream that the command line would send of these files.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "debian-dsa")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := feed.Pack(t.Context(), []string{dir}, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func records(n int, fixed string) map[string]string {
	files := map[string]string{}
	for i := range n {
		id := fmt.Sprintf("DSA-%d-1", i+1)
		files[id+".json"] = fmt.Sprintf(osv, id, i+1, fixed)
	}
	return files
}

func (r *rig) ingest(body []byte) schema.Ingested {
	r.Helper()
	return read[schema.Ingested](r, r.do("POST", "/api/v1/advisories/ingest", body, "Content-Type", "application/zstd"), 200)
}

func TestIngest(t *testing.T) {
	r := newRig(t)
	files := records(3, "8.0")
	files["broken.json"] = `{"id":`
	got := r.ingest(packed(t, files))
	if got.Read != 4 || got.Created != 3 || got.MalformedN != 1 || len(got.Malformed) != 1 || got.AdvisoryN != 3 {
		t.Errorf("%+v", got)
	}
	if m := got.Malformed[0]; m.Name != "debian-dsa/broken.json" || m.Reason == "" {
		t.Errorf("malformed %+v", m)
	}
	if r.mem.shelf.Generation != 1 {
		t.Errorf("generation %d: what was stored would not be matched", r.mem.shelf.Generation)
	}
	again := r.ingest(packed(t, records(3, "8.0")))
	if again.Unchanged != 3 || again.Created+again.Updated != 0 || again.Cursor != got.Cursor {
		t.Errorf("the same again: %+v", again)
	}
	changed := records(3, "8.0")
	changed["DSA-2-1.json"] = fmt.Sprintf(osv, "DSA-2-1", 2, "8.1")
	if got := r.ingest(packed(t, changed)); got.Updated != 1 || got.Unchanged != 2 {
		t.Errorf("one changed: %+v", got)
	}
	list := read[[]schema.Advisory](r, r.do("GET", "/api/v1/advisories/CVE-2026-2", nil), 200)
	if len(list) != 1 || list[0].Source != "debian-dsa" || list[0].Affected[0].Ranges[0] != ">= 0, < 8.1" {
		t.Errorf("%+v", list)
	}
	r.refused(r.do("GET", "/api/v1/advisories/CVE-1999-1", nil), 404, fault.NotFound, "CVE-1999-1")
}

func TestIngestKeepsWhatCameBeforeTheDamage(t *testing.T) {
	r := newRig(t)
	body := packed(t, records(40, "8.0"))
	r.refused(r.do("POST", "/api/v1/advisories/ingest", body[:len(body)-20], "Content-Type", "application/zstd"), 400, fault.Corrupt, "broken off after")
	r.refused(r.do("POST", "/api/v1/advisories/ingest", "garbage", "Content-Type", "application/zstd"), 400, fault.Corrupt, "")
	if got := r.ingest(body); got.AdvisoryN != 40 {
		t.Errorf("%+v", got)
	}
}

func TestIngestInChunks(t *testing.T) {
	r := newRig(t)
	const n = 6000
	if got := r.ingest(packed(t, records(n, "8.0"))); got.Created != n {
		t.Fatalf("%+v", got)
	}
	chunks := 0
	for _, c := range r.mem.proposed {
		if a, ok := c.(model.Advisories); ok {
			chunks++
			raw, err := model.Encode(a)
			if err != nil || len(raw) > maxChunk+maxChunk/10 {
				t.Errorf("a chunk of %d bytes, %v", len(raw), err)
			}
		}
	}
	if chunks < 2 {
		t.Errorf("%d chunks: the test's records are too few", chunks)
	}
}

// exported returns the bundle of everything after from.
func (r *rig) exported(from string) []byte {
	r.Helper()
	w := r.do("GET", "/api/v1/federation/export?from="+from, nil)
	if w.Code != 200 {
		r.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.Bytes()
}

func (r *rig) imports(body []byte, query string) *httptest.ResponseRecorder {
	r.Helper()
	return r.do("POST", "/api/v1/federation/import?"+query, body, "Content-Type", "application/zstd")
}

func TestBundleFromAControllerToASite(t *testing.T) {
	hq := newRig(t)
	hq.ingest(packed(t, records(3, "8.0")))
	hq.refused(hq.do("GET", "/api/v1/federation/export", nil), 404, fault.NotFound, "generate one first")
	key := read[schema.Key](hq, hq.do("POST", "/api/v1/keys", `{"name":"signer"}`), 201)
	if !key.Private {
		t.Errorf("%+v", key)
	}
	hq.refused(hq.do("POST", "/api/v1/keys", `{"name":"signer"}`), 409, fault.Exists, "signer")
	full := hq.exported("")
	if !bytes.Equal(full, hq.exported("")) {
		t.Error("the same state gave other bytes")
	}
	pem := hq.do("GET", "/api/v1/keys/signer/public", nil).Body.String()

	site := newRig(t, func(c *Config) { c.Role = model.RoleSite })
	site.mem.self = model.Found{Self: model.NodeID(berlin), Role: model.RoleSite, Name: "berlin"}
	site.refused(site.imports(full, ""), 403, fault.Denied, "")
	if n := len(site.mem.audit); n != 1 || site.mem.audit[0].OK || site.mem.audit[0].Action != "bundle.import" {
		t.Errorf("the refusal was not audited: %+v", site.mem.audit)
	}
	read[schema.Key](site, site.do("POST", "/api/v1/keys/trust", schema.KeyTrust{Name: "hq", Public: pem}), 200)

	dry := read[schema.ImportResult](site, site.imports(full, "dry_run=true"), 200)
	if !dry.DryRun || dry.Counts.Created != 3 || len(site.mem.advisories) != 0 || len(site.mem.imports) != 0 {
		t.Errorf("a dry run: %+v, %d advisories", dry, len(site.mem.advisories))
	}
	done := read[schema.ImportResult](site, site.imports(full, ""), 200)
	if !done.Success || done.Counts.Created != 3 || len(site.mem.advisories) != 3 || site.mem.shelf.Generation != 1 {
		t.Errorf("%+v", done)
	}
	for k, a := range hq.mem.advisories {
		if site.mem.advisories[k].Cursor != a.Cursor {
			t.Errorf("%s has cursor %s at the site and %s at its origin", k, site.mem.advisories[k].Cursor, a.Cursor)
		}
	}
	site.refused(site.imports(full, ""), 409, fault.Conflict, "Cursor not after current")
	if again := read[schema.ImportResult](site, site.imports(full, "force=true"), 200); again.Counts.Skipped != 3 {
		t.Errorf("forced: %+v", again)
	}

	// Another origin's log has no order with the one held: mixing them would lose changes silently.
	held := site.mem.shelf.Imported
	site.mem.shelf.Imported = map[string]model.Cursor{model.NodeID(oslo).String(): {At: 1, Seq: 1}}
	site.refused(site.imports(full, ""), 409, fault.Conflict, "another origin")
	site.mem.shelf.Imported = held

	cursor := done.ImportedCursor
	if w := hq.do("GET", "/api/v1/federation/export?from="+escape(cursor), nil); w.Code != 204 || w.Body.Len() != 0 {
		t.Errorf("an empty delta: status %d, %d bytes", w.Code, w.Body.Len())
	}
	hq.refused(hq.do("GET", "/api/v1/federation/export?from="+escape("2030-01-01T00:00:00Z#9999"), nil), 400, fault.Invalid, "another server")
	hq.refused(hq.do("GET", "/api/v1/federation/export?from=yesterday", nil), 400, fault.Invalid, "is not a cursor")
	hq.ingest(packed(t, records(4, "9.0")))
	between := hq.mem.shelf.Cursor.String()
	hq.ingest(packed(t, records(5, "9.0")))
	site.refused(site.imports(hq.exported(escape(between)), "force=true"), 409, fault.Conflict, "skerry bundle export")
	delta := read[schema.ImportResult](site, site.imports(hq.exported(escape(cursor)), ""), 200)
	if delta.Counts.Created != 2 || delta.Counts.Updated != 3 {
		t.Errorf("delta: %+v", delta)
	}
	status := read[schema.SyncStatus](site, site.do("GET", "/api/v1/federation/sync/status", nil), 200)
	if len(status.Sites) != 1 || status.Sites[0].BundlesN != 3 || status.Sites[0].LastCursor != delta.ImportedCursor || status.Sites[0].Name != "hq" {
		t.Errorf("%+v", status)
	}
	altered := bytes.Clone(full)
	altered[len(altered)/2] ^= 1
	p := read[schema.Problem](site, site.imports(altered, "force=true"), 400)
	if p.Kind != "corrupt" && p.Kind != "denied" {
		t.Errorf("%+v", p)
	}
}

func escape(cursor string) string {
	return string(bytes.ReplaceAll([]byte(cursor), []byte("#"), []byte("%23")))
}

// TestSigningKeyThatOthersCanRead is not signed with.
func TestSigningKeyThatOthersCanRead(t *testing.T) {
	r := newRig(t)
	r.ingest(packed(t, records(1, "8.0")))
	read[schema.Key](r, r.do("POST", "/api/v1/keys", `{"name":"signer"}`), 201)
	if err := os.Chmod(filepath.Join(r.server.c.Data, "keys", "signer.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.refused(r.do("GET", "/api/v1/federation/export", nil), 503, fault.ReadOnly, "chmod 600")
}
