package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
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

func newHQ(t *testing.T, change ...func(*Config)) *rowRig {
	return newRowRig(t, model.RoleController, group, "hq", change...)
}

func newBerlin(t *testing.T, change ...func(*Config)) *rowRig {
	return newRowRig(t, model.RoleSite, model.NodeID(berlin), "berlin", change...)
}

func TestIngest(t *testing.T) {
	r := newHQ(t)
	files := records(3, "8.0")
	files["broken.json"] = `{"id":`
	got := r.ingest(packed(t, files))
	if got.Read != 4 || got.Created != 3 || got.MalformedN != 1 || len(got.Malformed) != 1 || got.AdvisoryN != 3 {
		t.Errorf("%+v", got)
	}
	if m := got.Malformed[0]; m.Name != "debian-dsa/broken.json" || m.Reason == "" {
		t.Errorf("malformed %+v", m)
	}
	if g := r.shelf().Generation; g != 1 {
		t.Errorf("generation %d: what was stored would not be matched", g)
	}
	lines := `{"op":"put","record":` + strings.ReplaceAll(fmt.Sprintf(osv, "DSA-1-1", 1, "8.0"), "\n", "") + "}\n\n{\"op\":\n"
	if got := newHQ(t).ingest(packed(t, map[string]string{"changes.ndjson": lines})); got.MalformedN == 0 || got.Malformed[len(got.Malformed)-1].Name != "debian-dsa/changes.ndjson:3" {
		t.Errorf("a bad line: %+v", got)
	}
	again := r.ingest(packed(t, records(3, "8.0")))
	if again.Unchanged != 3 || again.Created+again.Updated != 0 || again.Cursor != got.Cursor || r.shelf().Generation != 1 {
		t.Errorf("the same again: %+v", again)
	}
	changed := records(3, "8.0")
	changed["DSA-2-1.json"] = fmt.Sprintf(osv, "DSA-2-1", 2, "8.1")
	if got := r.ingest(packed(t, changed)); got.Updated != 1 || got.Unchanged != 2 {
		t.Errorf("one changed: %+v", got)
	}
	if audit := r.audited("advisories.ingest"); len(audit) != 3 || !audit[0].OK || audit[0].Detail["updated"] != "1" || audit[2].Detail["malformed"] != "1" {
		t.Errorf("audited as %+v", audit)
	}
}

// TestAnIngestIsWholeOrNothing: what broke off leaves nothing behind, and does not stand in the way of the next.
func TestAnIngestIsWholeOrNothing(t *testing.T) {
	r := newHQ(t)
	body := packed(t, records(9000, "8.0"))
	r.refused(r.do("POST", "/api/v1/advisories/ingest", body[:len(body)-20], "Content-Type", "application/zstd"), 400, fault.Corrupt, "nothing of them was stored")
	r.refused(r.do("POST", "/api/v1/advisories/ingest", "garbage", "Content-Type", "application/zstd"), 400, fault.Corrupt, "")
	staged := 0
	for _, c := range r.rows.proposed {
		if _, ok := c.(model.Stage); ok {
			staged++
		}
	}
	if s := r.shelf(); staged == 0 || s.AdvisoryN != 0 || s.Generation != 0 {
		t.Errorf("%d parts were staged, and %d advisories are there in generation %d", staged, s.AdvisoryN, s.Generation)
	}
	if _, open := look2(r, func(v View) (apply.Run, bool, error) { return v.OpenRun() }); open {
		t.Error("a run is open")
	}
	if audit := r.audited("advisories.ingest"); len(audit) != 2 || audit[0].OK || audit[1].Reason == "" {
		t.Errorf("audited as %+v", audit)
	}
	if got := r.ingest(body); got.AdvisoryN != 9000 {
		t.Errorf("%+v", got)
	}
}

// TestARunOfACrash is dropped by the server that began it, and by no other.
func TestARunOfACrash(t *testing.T) {
	r := newHQ(t)
	begin := func(id string) {
		r.Helper()
		if err := r.rows.Propose(t.Context(), model.Stage{
			Stamp: model.Stamp{Actor: "x", At: model.TimeOf(r.clock())}, Run: id,
			Put: []model.Advisory{{AdvisoryKey: model.AdvisoryKey{Source: "x", ID: "X-1"}}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got := fault.New(fault.Conflict, "", "%w", underWay{fault.New(fault.Conflict, "", "x")}); !errors.Is(got, ErrUnderWay) || errors.Is(fault.New(fault.Conflict, "", "x"), ErrUnderWay) {
		t.Error("a run in the way is not known as one")
	}
	other := newHQ(t)
	other.server.c.URL, other.server.c.Data, other.server.c.Node = r.server.c.URL, r.server.c.Data, model.NodeID{9}
	if r.server.mine(other.server.ownRuns() + "1") { // two nodes behind one name, each in a container of its own
		t.Error("a run of another node of the group is taken for an own one")
	}
	begin("another-server-1")
	if _, err := r.server.IngestFrom(t.Context(), model.RunPull, "x", func(fn func(string, []byte) error) error {
		return fn("x.json", []byte(`{"id":"X-2","modified":"2026-01-01T00:00:00Z"}`))
	}); !errors.Is(err, ErrUnderWay) || !fault.Is(err, fault.Conflict) {
		t.Errorf("while another server's run is at work: %v", err)
	}
	r.refused(r.do("POST", "/api/v1/advisories/ingest", packed(t, records(1, "8.0")), "Content-Type", "application/zstd"), 409, fault.Conflict, "")
	r.pass(model.RunPatience + time.Second)
	begin(r.server.ownRuns() + "1")
	if got := r.ingest(packed(t, records(1, "8.0"))); got.AdvisoryN != 1 {
		t.Errorf("%+v", got)
	}
}

func TestIngestInChunks(t *testing.T) {
	r := newHQ(t)
	const n = 6000
	if got := r.ingest(packed(t, records(n, "8.0"))); got.Created != n || got.AdvisoryN != n {
		t.Fatalf("%+v", got)
	}
	parts, commits := 0, 0
	for _, c := range r.rows.proposed {
		switch c := c.(type) {
		case model.Stage:
			raw, err := model.Encode(c)
			if err != nil || len(raw) > maxChunk || c.Part != parts {
				t.Errorf("part %d of %d bytes, %v", c.Part, len(raw), err)
			}
			parts++
		case model.Commit:
			if commits++; c.Parts != parts || c.Kind != model.RunIngest {
				t.Errorf("%+v after %d parts", c, parts)
			}
		}
	}
	if parts < 2 || commits != 1 {
		t.Errorf("%d parts and %d commits", parts, commits)
	}
	small := r.ingest(packed(t, records(n, "8.0")))
	if small.Unchanged != n {
		t.Errorf("%+v", small)
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

// trusts makes r accept what a key of other signed.
func (r *rig) trusts(other *rig, key string) {
	r.Helper()
	pem := other.do("GET", "/api/v1/keys/"+key+"/public", nil).Body.String()
	read[schema.Key](r, r.do("POST", "/api/v1/keys/trust", schema.KeyTrust{Name: "of-" + key, Public: pem}), 200)
}

func TestBundleFromAControllerToASite(t *testing.T) {
	hq := newHQ(t)
	hq.ingest(packed(t, records(3, "8.0")))
	full := hq.exported("") // with a key that it made by itself
	if keys := read[[]schema.Key](hq.rig, hq.do("GET", "/api/v1/keys", nil), 200); len(keys) != 1 || keys[0].Name != "federation" || !keys[0].Private {
		t.Fatalf("%+v", keys)
	}
	hq.refused(hq.do("POST", "/api/v1/keys", `{"name":"federation"}`), 409, fault.Exists, "federation")
	if !bytes.Equal(full, hq.exported("")) {
		t.Error("the same state gave other bytes")
	}

	site := newBerlin(t)
	site.refused(site.imports(full, ""), 403, fault.Denied, "Signature verification failed")
	if audit := site.audited("bundle.import"); len(audit) != 1 || audit[0].OK {
		t.Errorf("the refusal was not audited: %+v", audit)
	}
	site.trusts(hq.rig, "federation")

	dry := read[schema.ImportResult](site.rig, site.imports(full, "dry_run=true"), 200)
	if !dry.DryRun || dry.Counts.Created != 3 || dry.Counts.CanonicalCreated != 3 || dry.Counts.EdgesAdded != 3 || site.shelf().AdvisoryN != 0 || len(site.audited("bundle.import")) != 1 {
		t.Errorf("a dry run: %+v, %d advisories", dry, site.shelf().AdvisoryN)
	}
	preview := read[schema.ImportResult](site.rig, site.do("POST", "/api/v1/federation/preview", full, "Content-Type", "application/zstd"), 200)
	if !preview.DryRun || preview.Counts != dry.Counts {
		t.Errorf("a preview: %+v", preview)
	}
	done := read[schema.ImportResult](site.rig, site.imports(full, ""), 200)
	if !done.Success || done.Counts != dry.Counts || site.shelf().AdvisoryN != 3 || site.shelf().Generation != 1 || done.Conflicts == nil {
		t.Errorf("%+v", done)
	}
	for _, e := range look(hq, func(v View) (all []model.Advisory, _ error) {
		err := v.ChangesAfter(model.Cursor{}, func(c model.AdvisoryChange) error {
			all = append(all, model.Advisory{})
			return model.Decode(c.Raw, &all[len(all)-1])
		})
		return all, err
	}) {
		here, ok := look2(site, func(v View) (model.Advisory, bool, error) { return v.Advisory(e.AdvisoryKey) })
		if !ok || here.Origin != group {
			t.Errorf("%s at the site: %+v", e.AdvisoryKey, here)
		}
	}
	site.refused(site.imports(full, ""), 409, fault.Conflict, "Cursor not after current")
	again := read[schema.ImportResult](site.rig, site.imports(full, "force=true"), 200)
	if again.Counts.Skipped != 3 || again.Counts.CanonicalSkipped != 3 || again.Counts.CanonicalUpdated != 0 || site.shelf().Generation != 1 {
		t.Errorf("forced: %+v", again)
	}

	cursor := done.ImportedCursor
	if w := hq.do("GET", "/api/v1/federation/export?from="+escape(cursor), nil); w.Code != 204 || w.Body.Len() != 0 {
		t.Errorf("an empty delta: status %d, %d bytes", w.Code, w.Body.Len())
	}
	hq.refused(hq.do("GET", "/api/v1/federation/export?from="+escape("2030-01-01T00:00:00Z#9999"), nil), 400, fault.Invalid, "another server")
	hq.refused(hq.do("GET", "/api/v1/federation/export?from=yesterday", nil), 400, fault.Invalid, "is not a cursor")
	hq.ingest(packed(t, records(4, "9.0")))
	between := hq.shelf().Cursor.String()
	hq.ingest(packed(t, records(5, "9.0")))
	site.refused(site.imports(hq.exported(escape(between)), "force=true"), 409, fault.Conflict, "gap")
	delta := read[schema.ImportResult](site.rig, site.imports(hq.exported(escape(cursor)), ""), 200)
	if delta.Counts.Created != 2 || delta.Counts.Updated != 3 || delta.Counts.CanonicalCreated != 2 || delta.Counts.CanonicalUpdated != 3 || delta.ConflictN != 0 {
		t.Errorf("delta: %+v", delta)
	}
	status := read[schema.SyncStatus](site.rig, site.do("GET", "/api/v1/federation/sync/status", nil), 200)
	if len(status.Sites) != 1 || status.Sites[0].BundlesN != 3 || status.Sites[0].LastCursor != delta.ImportedCursor || status.Sites[0].Name != "hq" || !status.Sites[0].Enabled {
		t.Errorf("%+v", status)
	}
	if status.LocalCursor != site.shelf().Cursor.String() {
		t.Errorf("local cursor %s, and the site's log goes to %s", status.LocalCursor, site.shelf().Cursor)
	}
	altered := bytes.Clone(full)
	altered[len(altered)/2] ^= 1
	p := read[schema.Problem](site.rig, site.imports(altered, "force=true"), 400)
	if p.Kind != "corrupt" && p.Kind != "denied" {
		t.Errorf("%+v", p)
	}
}

func escape(cursor string) string {
	return string(bytes.ReplaceAll([]byte(cursor), []byte("#"), []byte("%23")))
}

// TestSigningKeyThatOthersCanRead is not signed with.
func TestSigningKeyThatOthersCanRead(t *testing.T) {
	r := newHQ(t)
	r.ingest(packed(t, records(1, "8.0")))
	read[schema.Key](r.rig, r.do("POST", "/api/v1/keys", `{"name":"signer"}`), 201)
	if err := os.Chmod(filepath.Join(r.server.c.Data, "keys", "signer.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.refused(r.do("GET", "/api/v1/federation/export", nil), 503, fault.ReadOnly, "chmod 600")
}
