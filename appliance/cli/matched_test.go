package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/ui/schema"
)

// An import at a site waits until the hosts are matched with what came, and says what that changed; a controller has no hosts to wait for.
func TestImportWaitsForTheMatching(t *testing.T) {
	number := func(n int) *int { return &n }
	change := func(what, why string) schema.ExposureChange { return schema.ExposureChange{Change: what, Why: why} }
	changes := []schema.ExposureChange{change("opened", "advisory published"), change("opened", "package installed"), change("closed", "vex statement"), change("opened", "advisory changed")}
	noted := schema.Gathered{Answered: []schema.SiteAnswer{{Note: "known from a later time on only"}}}
	roll := func(pending *int) []schema.Exposure {
		return []schema.Exposure{{Site: "berlin", MatchedHosts: 3, PendingHosts: pending}}
	}
	for _, c := range []struct {
		name  string
		looks [][]schema.Exposure // what is answered, the last one again and again
		diff  schema.ExposureDiff
		args  string
		says  string
		never string
		asks  int // roll-ups
	}{
		{"matched when looked at first", [][]schema.Exposure{roll(number(0))}, schema.ExposureDiff{Changes: changes}, "", "Matched with what came: 3 hosts, findings: +2 -1.", "Still", 1},
		{"matched a moment later", [][]schema.Exposure{roll(number(4)), roll(number(1)), roll(number(0))}, schema.ExposureDiff{}, "", "Matched with what came: 4 hosts, findings: +0 -0.", "Still", 3},
		{"the first matching", [][]schema.Exposure{roll(number(1)), roll(number(0))}, schema.ExposureDiff{Gathered: noted, Changes: changes}, "", "Matched with what came: 3 hosts.", "findings", 2},
		{"no hosts", [][]schema.Exposure{{}}, schema.ExposureDiff{}, "", "CREATED", "atched", 1},
		{"a controller", [][]schema.Exposure{roll(nil)}, schema.ExposureDiff{}, "", "CREATED", "atched", 1},
		{"a dry run", [][]schema.Exposure{roll(number(4))}, schema.ExposureDiff{}, "--dry-run ", "CREATED", "atched", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			a, out, _ := recorded(t, map[string]any{
				"/api/v1/federation/import": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_ = json.NewEncoder(w).Encode(schema.ImportResult{Success: true, DryRun: r.URL.Query().Get("dry_run") == "true"})
				}),
				"/api/v1/exposure": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_ = json.NewEncoder(w).Encode(c.looks[min(asked, len(c.looks)-1)])
					asked++
				}),
				"/api/v1/exposure/diff": c.diff,
			})
			file := filepath.Join(t.TempDir(), "b.zst")
			if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			if code := a.run(t.Context(), strings.Fields("bundle import "+c.args+file)); code != exitOK || !strings.Contains(out.String(), c.says) || strings.Contains(out.String(), c.never) || asked != c.asks {
				t.Errorf("exit code %d after %d looks: %s", code, asked, out)
			}
		})
	}
}

// What is not matched yet is said beside the list, and an empty answer in words.
func TestNobodyHasIt(t *testing.T) {
	day := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	one := 1
	site := func(hosts, lacking int, at time.Time) schema.SiteAnswer {
		return schema.SiteAnswer{Site: "berlin", Hosts: hosts, Lacking: lacking, At: at}
	}
	of := func(n int, all ...schema.SiteAnswer) schema.ExposedWhere {
		return schema.ExposedWhere{Vulnerability: "CVE-1", Gathered: schema.Gathered{Answered: all, AnsweredN: n}}
	}
	for _, c := range []struct {
		args   string
		answer any
		says   string
		never  string
	}{
		{"exposure cve x", of(2, site(2, 0, day.Add(time.Hour)), site(1, 0, day)), "None of the 3 hosts that are matched have CVE-1, as of 2026-11-22T10:00:00Z.", "VERDICT"},
		{"exposure cve x", of(1, site(2, 1, day)), "None of the 1 host that is matched has CVE-1", "VERDICT"},
		{"exposure cve x", of(1, site(0, 0, day)), "no host to look at", "VERDICT"},
		{"exposure cve x", of(0), "Nobody answered", "VERDICT"},
		{"exposure cve x -o json", of(1, site(2, 0, day)), `"vulnerability": "CVE-1"`, "None"},
		{"exposure list", []schema.Exposure{{Site: "berlin", PendingHosts: &one}}, "1 host not matched yet with the newest advisories", ""},
		{"exposure list", []schema.Exposure{{Site: "berlin", PendingHosts: new(int)}}, "berlin", "newest"},
		{"advisories search nonsense", schema.Canonicals{Total: 20079}, "Nothing is found: none of the 20,079 vulnerabilities", "SUMMARY"},
		{"advisories search nonsense -o json", schema.Canonicals{}, `"total": 0`, "Nothing"},
	} {
		// The second question of a search is without words, and has all.
		a, out, _ := recorded(t, map[string]any{"/api/v1/exposure/cve/x": c.answer, "/api/v1/exposure": c.answer, "/api/v1/advisories": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("q") != "" {
				_ = json.NewEncoder(w).Encode(schema.Canonicals{})
				return
			}
			_ = json.NewEncoder(w).Encode(c.answer)
		})})
		if code := a.run(t.Context(), strings.Fields(c.args)); code != exitOK || !strings.Contains(out.String(), c.says) || c.never != "" && strings.Contains(out.String(), c.never) {
			t.Errorf("%s: exit code %d: %s", c.args, code, out)
		}
	}
}
