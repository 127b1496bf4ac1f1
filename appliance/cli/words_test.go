package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/ui/schema"
)

// What a server refuses is said with the flag or the command that helps, and a slip in words of the product.
func TestAdvice(t *testing.T) {
	problem := schema.Problem{}
	_, a, out := newFleet(t, 1, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/api/v1/commands" {
			_ = json.NewEncoder(w).Encode(schema.Commands{Commands: []schema.Command{{ID: idA}, {ID: idB}, {ID: "02" + idC[2:]}}})
			return
		}
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v1/commands/02") {
			_ = json.NewEncoder(w).Encode(schema.Command{ID: "02" + idC[2:]})
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(problem)
	})
	missing := schema.Problem{Kind: "invalid", Detail: "site: it is missing: one is asked", Errors: []schema.ProblemError{{Location: "query.site"}}}
	exists := schema.Problem{Kind: "exists", Detail: "there is one already"}
	file := filepath.Join(t.TempDir(), "b.zst")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args    string
		problem schema.Problem
		code    int
		says    string
	}{
		{"alerts list", missing, exitUsage, "(--site NAME)"},
		{"policies results x", missing, exitUsage, "(--site NAME)"},
		{"sites enroll oslo", exists, exitFailed, "`skerry sites token oslo`"},
		{"agents enroll web1", exists, exitFailed, "`skerry agents token web1`"},
		{"sites enroll oslo --lat foo", exists, exitUsage, `--lat: "foo" is not a number, as in 52.5;`},
		{"commands get 02", exists, exitOK, "02a20040"},
		{"commands get 01a", exists, exitUsage, "2 commands have ids that begin with"},
		{"commands get 7", exists, exitFailed, `begins with "7"`},
		{"bundle import " + file, schema.Problem{Kind: "conflict", Detail: "this server holds everything; there is nothing to import"}, exitOK, "Nothing to do"},
		{"bundle import " + file, schema.Problem{Kind: "conflict", Detail: "gap"}, exitFailed, "gap"},
	} {
		problem = c.problem
		out.Reset()
		if code := a.run(t.Context(), strings.Fields(c.args)); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: exit code %d: %s", c.args, code, out)
		}
	}
}

// What a server prints of a policy can be given to it again, and a mistake says where it is.
func TestPolicyFileAsItWasPrinted(t *testing.T) {
	a, _ := quiet()
	for text, want := range map[string]string{
		"id: x\nname: base\nkind: compliance_baseline\nversion: 3\nbody: {checks: []}\norigin: controller\nby: kim\nat: 2026-01-02T03:04:05Z\nchecks_n: 1\nheld: {current: 1}\nheld_by: []\n": "",
		"name: base\nkinds: x\n": `no member "kinds"`,
		"name: [1]\n":            "name: it is a array",
		"- x\n":                  "want the members of a policy",
	} {
		file := filepath.Join(t.TempDir(), "p.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := a.policyFile(file)
		if want == "" {
			if err != nil || p.Name != "base" || p.Version != 3 || string(p.Body) != `{"checks":[]}` {
				t.Errorf("%s: %+v, %v", text, p, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
