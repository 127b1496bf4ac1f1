package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skerryhq/skerry/ui/schema"
)

// cobra takes what stands in backquotes in a flag's text for the name of its value.
func TestFlagTextsHaveNoBackquotes(t *testing.T) {
	seen := 0
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		look := func(f *pflag.Flag) {
			seen++
			if strings.Contains(f.Usage, "`") {
				t.Errorf("%s --%s: %s", c.CommandPath(), f.Name, f.Usage)
			}
		}
		c.Flags().VisitAll(look)
		c.PersistentFlags().VisitAll(look)
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk((&app{}).root())
	if seen < 50 {
		t.Errorf("only %d flags were looked at", seen)
	}
}

func quiet() (*app, *bytes.Buffer) {
	var out bytes.Buffer
	return &app{out: &out, err: &out, env: func(string) (string, bool) { return "", false }}, &out
}

func TestDetailForAPerson(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := schema.HostDetail{Host: schema.Host{AsOf: schema.HostAsOf{Exposure: &at, Packages: &at}}}
	for i := range 5205 {
		d.Packages = append(d.Packages, schema.Package{Name: fmt.Sprintf("p%04d", i)})
	}
	d.Findings = []schema.Finding{
		{Vulnerability: "CVE-1", Severity: "low", Verdict: "affected", Package: "a"},
		{Vulnerability: "CVE-2", Severity: "unknown", Verdict: "unknown", Package: "a"},
		{Vulnerability: "CVE-4", Severity: "critical", Verdict: "affected", Package: "b"},
		{Vulnerability: "CVE-4", Severity: "critical", Verdict: "affected", Package: "a"},
		{Vulnerability: "CVE-3", Severity: "critical", Verdict: "affected", Package: "z"},
	}
	if got, want := contents(d), "5,205 packages, 0 certificates, 5 findings in 4 vulnerabilities."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	a, out := quiet()
	a.hostDetail(d, false)
	var order []string
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasPrefix(f[0], "CVE-") {
			order = append(order, f[0]+" "+f[1]+" "+f[2]+" "+f[3])
		}
	}
	want := []string{"CVE-3 critical affected z", "CVE-4 critical affected a", "CVE-4 critical affected b", "CVE-1 low affected a", "CVE-2 unrated uncertain a"}
	if !slices.Equal(order, want) {
		t.Errorf("the findings are %q, want %q", order, want)
	}
	if n := strings.Count(out.String(), "\np"); n != detailRows || !strings.Contains(out.String(), "\nand 5,165 more: --all shows them, -o json has everything\n") {
		t.Errorf("%d packages are shown:\n%s", n, out)
	}
	a, out = quiet()
	a.hostDetail(d, true)
	if n := strings.Count(out.String(), "\np"); n != len(d.Packages) || strings.Contains(out.String(), "more:") {
		t.Errorf("with --all %d packages are shown", n)
	}
}

// Zeros would say that somebody looked.
func TestNeverMatchedIsNotZero(t *testing.T) {
	var d schema.HostDetail
	a, out := quiet()
	a.table(hostView(d.Host), false)
	fmt.Fprintln(a.out, contents(d))
	a.hostDetail(d, false)
	for _, want := range []string{"Exposure +not matched yet", "findings not matched yet.", "Findings: not matched yet"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), strings.ReplaceAll(want, " +", " ")) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "0 critical") || strings.Contains(out.String(), "0 findings") {
		t.Errorf("zeros:\n%s", out)
	}
	a, out = quiet()
	columns, err := columnsFor(&format{}, []string{"name", "critical", "high", "updates", "id"})
	if err != nil {
		t.Fatal(err)
	}
	a.table(hostTable([]schema.Host{{Hostname: "web", ID: "x"}}, columns), false)
	if f := strings.Fields(strings.Split(out.String(), "\n")[1]); f[1] != "-" || f[2] != "-" || f[3] != "-" {
		t.Errorf("the list has %q", f)
	}
}

// Whoever stops watching must not believe to have stopped the command.
func TestStoppedWatchSaysTheCommandGoesOn(t *testing.T) {
	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, stop := context.WithCancel(t.Context())
	go func() { <-asked; stop() }()
	a, _ := quiet()
	err := a.watch(ctx, &client{http: server.Client(), base: server.URL, shown: server.URL}, "some-id", &format{a: a, kind: "table"})
	if want := "stopped watching; the command goes on: `skerry commands get some-id --watch` looks again"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestTargetsOfOneNameAreToldApart(t *testing.T) {
	c := schema.Command{State: "running", TaskN: map[string]int{"running": 3}}
	for i, name := range []string{"web", "web", "db"} {
		c.Tasks = append(c.Tasks, schema.Task{
			HostID: fmt.Sprintf("01a20040-fb75-730c-bccb-87749003640%d", i), Hostname: name,
			State: "running", History: []schema.Step{{State: "running"}},
		})
	}
	a, out := quiet()
	a.moves(c, map[string]int{}, new(bool))
	a.table(taskTable(c), false)
	for want, n := range map[string]int{"web (…90036400)": 2, "web (…90036401)": 2, "…90036402": 0, "db": 2} {
		if got := strings.Count(out.String(), want); got != n {
			t.Errorf("%q is there %d times, want %d:\n%s", want, got, n, out)
		}
	}
}
