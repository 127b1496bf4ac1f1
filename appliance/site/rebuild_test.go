package site

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/ui/schema"
)

// damageOf harms a store of a site that does not run.
func damageOf(t *testing.T, c config.Config, store string) {
	t.Helper()
	path := storePath(c.Data, store)
	switch store {
	case storeOutbox:
	case storeIndex, storeDetail:
		found := ""
		err := filepath.WalkDir(path, func(p string, d os.DirEntry, err error) error {
			if err == nil && strings.HasPrefix(d.Name(), "MANIFEST") {
				found = p
			}
			return err
		})
		if err != nil || found == "" {
			t.Fatal("no manifest", err)
		}
		path = found
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		raw[i] ^= 0x5a
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRebuild: a site with a damaged store serves in safe mode and says so; once it is made anew, its agents bring again
// what they have, without a new enrollment, and its accounts are there.
func TestRebuild(t *testing.T) {
	for _, store := range Stores() {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			c := configOf(t)
			enrolled(t, c)
			dir := t.TempDir()
			r := runSite(t, c, Options{})
			id := r.enrollAgent(dir, "till-1")
			up := func(r *running) func() bool {
				return func() bool {
					var row schema.Host
					return r.ask(http.MethodGet, "/api/v1/hosts/till-1", nil, &row) == nil && row.Status == "up" && row.AsOf.Packages != nil
				}
			}
			if err := r.ask(http.MethodPost, "/api/v1/accounts", map[string]any{"name": "ada", "password": "a long enough secret"}, nil); err != nil {
				t.Fatal(err)
			}
			stop := r.runAgent(dir, id)
			eventually(t, "the host is up", up(r))
			stop()
			r.stop()
			if _, err := Rebuild(t.Context(), c, []string{"nothing"}, quiet); !fault.Is(err, fault.Invalid) {
				t.Error(err)
			}
			if done, err := Rebuild(t.Context(), c, nil, quiet); err != nil || len(done.Stores) != 0 {
				t.Fatalf("of a whole site: %+v, %v", done, err)
			}
			damageOf(t, c, store)
			known := filepath.Join(c.Data, "sources", "sources.json")
			if err := errors.Join(os.MkdirAll(filepath.Dir(known), 0o700), os.WriteFile(known, []byte(`{"version":1}`), 0o600)); err != nil {
				t.Fatal(err)
			}

			r = runSite(t, c, Options{})
			err := r.ask(http.MethodGet, "/readyz", nil, nil)
			if err == nil || !strings.Contains(err.Error(), "safe mode") || !strings.Contains(err.Error(), "skerry site rebuild") {
				t.Errorf("ready: %v", err)
			}
			if err := r.ask(http.MethodGet, "/healthz", nil, nil); err != nil {
				t.Errorf("healthy: %v", err)
			}
			err = r.ask(http.MethodGet, "/api/v1/hosts/till-1", nil, nil)
			if (err == nil) != (store != storeIndex) {
				t.Errorf("reading: %v", err)
			}
			if err := r.ask(http.MethodPost, "/api/v1/agents", map[string]any{"name": "till-2"}, nil); err == nil || !strings.Contains(err.Error(), "safe mode") {
				t.Errorf("writing: %v", err)
			}
			addr, err := link.Address(r.url)
			if err != nil {
				t.Fatal(err)
			}
			_, err = link.Dial(t.Context(), addr, id.Dial(time.Now))
			if wait, ok := fault.RetryAfter(err); !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), `site "oslo" is in safe mode`) || !ok || wait != safeWait {
				t.Errorf("its agent is told: %v, to wait %v", err, wait)
			}
			if _, err := Rebuild(t.Context(), c, nil, quiet); !fault.Is(err, fault.Conflict) {
				t.Errorf("while it runs: %v", err)
			}
			r.stop()

			done, err := Rebuild(t.Context(), c, nil, quiet)
			if err != nil || len(done.Stores) != 1 || done.Stores[0].Name != store || done.Registry != "" {
				t.Fatalf("%+v, %v", done, err)
			}
			if _, err := os.Stat(filepath.Join(done.Kept, filepath.Base(storePath(c.Data, store)))); err != nil {
				t.Error(err)
			}
			// With the rows went what had been fetched into them: what is known of the sources must not keep it from coming again.
			if _, err := os.Stat(known); (err == nil) != (store != storeIndex) {
				t.Errorf("what is known of the sources: %v", err)
			}
			r = runSite(t, c, Options{})
			stop = r.runAgent(dir, id)
			defer stop()
			began := time.Now()
			eventually(t, "the host is back, with its detail", func() bool {
				return up(r)() && r.ask(http.MethodGet, "/api/v1/hosts/till-1/detail", nil, nil) == nil
			})
			t.Logf("made anew in %s, the host is back after %s", done.Took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
			var accounts []schema.Account
			if err := r.ask(http.MethodGet, "/api/v1/accounts", nil, &accounts); err != nil || len(accounts) != 1 || accounts[0].Name != "ada" {
				t.Errorf("accounts %+v, %v", accounts, err)
			}
		})
	}
}

// TestARebuildThatWasInterrupted goes on, and no server starts before it has.
func TestARebuildThatWasInterrupted(t *testing.T) {
	c := configOf(t)
	enrolled(t, c)
	r := runSite(t, c, Options{})
	id := r.enrollAgent(t.TempDir(), "till-1")
	r.stop()
	// As if the power went when the index had been moved aside.
	kept := filepath.Join(c.Data, "damaged-x")
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(storePath(c.Data, storeIndex), filepath.Join(kept, storeIndex)); err != nil {
		t.Fatal(err)
	}
	mark := `{"stores":[{"name":"index","why":"damaged"}],"kept":"` + kept + `","epoch":7}`
	if err := os.WriteFile(filepath.Join(c.Data, unfinishedFile), []byte(mark), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), c, Options{Log: quiet}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "rebuild") {
		t.Fatal(err)
	}
	done, err := Rebuild(t.Context(), c, nil, quiet)
	if err != nil || done.Epoch != 7 || done.Members != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	r = runSite(t, c, Options{})
	var agents []schema.Member
	if err := r.ask(http.MethodGet, "/api/v1/agents", nil, &agents); err != nil || len(agents) != 1 || agents[0].ID != id.Member.String() {
		t.Errorf("%+v, %v", agents, err)
	}
}

func FuzzRegistry(f *testing.F) {
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := decodeRegistry(raw)
		if err == nil && r.Version != registryVersion || bytes.Equal(raw, nil) && err == nil {
			t.Fatalf("%q was read", raw)
		}
	})
}

// TestTheSelfCheck finds what no start reads: a table of the detail tier that is not what it was.
func TestTheSelfCheck(t *testing.T) {
	c := configOf(t)
	enrolled(t, c)
	dir := t.TempDir()
	r := runSite(t, c, Options{})
	id := r.enrollAgent(dir, "till-1")
	stop := r.runAgent(dir, id)
	eventually(t, "the detail is there", func() bool { return r.ask(http.MethodGet, "/api/v1/hosts/till-1/detail", nil, nil) == nil })
	stop()
	r.stop()
	store, err := detail.Open(storePath(c.Data, storeDetail), detail.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := store.Verify(t.Context()); err != nil || v.Damaged != 0 || v.Bodies == 0 {
		t.Fatalf("whole: %+v, %v", v, err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(storePath(c.Data, storeDetail), "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal("no table", err)
	}
	raw, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/8] ^= 1
	if err := os.WriteFile(tables[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	r = runSite(t, c, Options{})
	eventually(t, "it says so", func() bool {
		err := r.ask(http.MethodGet, "/readyz", nil, nil)
		return err != nil && strings.Contains(err.Error(), "safe mode") && strings.Contains(err.Error(), "detail")
	})
	if err := r.ask(http.MethodPost, "/api/v1/agents", map[string]any{"name": "till-2"}, nil); err == nil || !strings.Contains(err.Error(), "safe mode") {
		t.Errorf("writing: %v", err)
	}
}
