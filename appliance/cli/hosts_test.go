package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestExclusionsAreNoFlags: a dash in front of a condition excludes, as it does in the box of the page.
func TestExclusionsAreNoFlags(t *testing.T) {
	for arg, want := range map[string]bool{
		"-tag:lab": true, "-os:debian<12": true, "-status=down": true, "-cve>0": true, "-(a": true, "-first_seen:<7d": true, "-HOST:a": true,
		"--site": false, "--site=a": false, "-o": false, "-ojson": false, "-o=json": false, "-q": false, "-q:a": false, "-f:a": false,
		"-x:a": false, "tag:lab": false, "-": false, "--": false, "": false, "-nosuchfield:a": false,
	} {
		if got := excludes(arg); got != want {
			t.Errorf("%q: %v, want %v", arg, got, want)
		}
	}
	if got := unshield(shieldMark + "-tag:lab"); got != "-tag:lab" {
		t.Errorf("%q", got)
	}
}

// TestShield: what is marked (here by a ~ in front), what is refused, and what is told of as swallowed by --.
func TestShield(t *testing.T) {
	for _, c := range []struct{ args, want, swallowed string }{
		{"hosts list -tag:lab web", "hosts list ~-tag:lab web", ""},
		{"--server x hosts list -tag:lab", "--server x hosts list ~-tag:lab", ""},
		{"hosts list --sort -cve:critical -cve:critical", "hosts list --sort -cve:critical ~-cve:critical", ""},
		{"hosts list --sort=-cve:critical -q -tag:lab", "hosts list --sort=-cve:critical -q -tag:lab", ""},
		{"hosts list --all -tag:lab --watch -os:x", "hosts list --all ~-tag:lab --watch ~-os:x", ""},
		{"hosts list -ojson -o=json -o json -h", "hosts list -ojson -o=json -o json -h", ""},
		{"hosts export -ocsv -f -tag:lab", "hosts export -ocsv -f -tag:lab", ""},
		{"searches save x -tag:lab --sort -seen", "searches save x ~-tag:lab --sort -seen", ""},
		{"hosts list -- -os:x -quay", "hosts list -- -os:x -quay", ""},
		{"hosts list -tag:lab -- --limit 5 --nothing -o --sort=-seen -web", "hosts list ~-tag:lab -- --limit 5 --nothing -o --sort=-seen -web", "--limit -o --sort=-seen"},
		{"sites list -quay", "sites list -quay", ""},
		{"commands dispatch ping --site x --query -tag:lab", "commands dispatch ping --site x --query -tag:lab", ""},
		{"nothing -tag:lab", "nothing -tag:lab", ""},
		{"__complete hosts list -tag:lab -qu", "__complete hosts list ~-tag:lab -qu", ""},
		{"hosts list -quay", "", ""},
		{"hosts list -web", "", ""},
		{"hosts export -fall.csv", "", ""},
		{"hosts count -nosuchfield:a", "", ""},
	} {
		args := strings.Fields(c.args)
		got, swallowed, err := shield((&app{}).root(), args)
		if strings.ReplaceAll(strings.Join(got, " "), shieldMark, "~") != c.want || strings.Join(swallowed, " ") != c.swallowed || strings.Join(args, " ") != c.args {
			t.Errorf("%s: %q, swallowed %q", c.args, got, swallowed)
		}
		if (err != nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), "write 'not ") {
			t.Errorf("%s: %v", c.args, err)
		}
	}
}

// recorded is a server that keeps what it was asked and answers with what it is given.
func recorded(t *testing.T, answers map[string]any) (*app, *bytes.Buffer, *[]*url.URL) {
	t.Helper()
	var asked []*url.URL
	var mu sync.Mutex
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL)
		mu.Unlock()
		switch a := answers[r.URL.Path].(type) {
		case nil:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(schema.Problem{Title: "Not Found", Status: 404, Detail: "nothing at " + r.URL.Path, Kind: "not_found"})
		case http.HandlerFunc:
			a(w, r)
		default:
			_ = json.NewEncoder(w).Encode(a)
		}
	}))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	a, out := quiet()
	a.env = func(name string) (string, bool) {
		v, ok := map[string]string{"SKERRY_SERVER": server.URL, "SKERRY_CA": ca, "XDG_CONFIG_HOME": t.TempDir()}[name]
		return v, ok
	}
	return a, out, &asked
}

func TestSearchOfArgumentsAndFlags(t *testing.T) {
	a, _, asked := recorded(t, map[string]any{
		"/api/v1/hosts":            schema.Hosts{Hosts: []schema.Host{}, Total: 7},
		"/api/v1/searches/my-down": schema.SavedSearch{Name: "my-down", Query: "status:down or status:late", Sort: "-seen", Columns: []string{"name", "id"}},
	})
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, ""},
		{[]string{"web", "status:down"}, "web status:down"},
		{[]string{"status:down  or web"}, "status:down  or web"},
		{[]string{"os:debian", "-tag:lab", "--sort", "-seen"}, "os:debian -tag:lab"},
		{[]string{"-tag:lab"}, "-tag:lab"},
		{[]string{"-q", "-tag:lab"}, "-tag:lab"},
		{[]string{"a", "or", "b", "--site", "berlin"}, "(a or b) site:berlin"},
		{[]string{"--site", "New York", "--status", "up"}, `site:"new york" status:up`},
		{[]string{"--search", "my-down", "web"}, "web (status:down or status:late)"},
		{[]string{"--", "-web"}, "-web"},
		{[]string{""}, ""},
		{[]string{"", "web"}, "web"},
	} {
		*asked = nil
		if code := a.run(t.Context(), append([]string{"hosts", "list"}, c.args...)); code != 0 {
			t.Fatalf("%q: exit code %d", c.args, code)
		}
		last := (*asked)[len(*asked)-1].Query()
		if last.Get("q") != c.want {
			t.Errorf("%q asks for %q, want %q", c.args, last.Get("q"), c.want)
		}
		if _, err := query.Parse(last.Get("q")); err != nil {
			t.Errorf("%q: %v", c.want, err)
		}
		if slices.Contains(c.args, "--search") && last.Get("sort") != "-seen" {
			t.Errorf("the saved order is not kept: %v", last)
		}
	}
	for _, args := range [][]string{{"--status", "green"}, {"--columns", "name,nam"}, {"-web"}, {"-o", "xml"}} {
		*asked = nil
		if code := a.run(t.Context(), append([]string{"hosts", "list"}, args...)); code != exitUsage || len(*asked) > 0 {
			t.Errorf("%q: exit code %d after %d requests", args, code, len(*asked))
		}
	}
}

func TestASearchIsCompleted(t *testing.T) {
	var asked string
	a, out, _ := recorded(t, map[string]any{"/api/v1/hosts/complete": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("q")
		from := strings.LastIndexAny(asked, " :-") + 1
		_ = json.NewEncoder(w).Encode(schema.Completion{From: from, To: len(asked), Items: []schema.CompletionItem{{Text: "berlin", N: 1200}, {Text: "bern", Doc: "a city"}}})
	})})
	for _, c := range []struct {
		args []string
		q    string
		want []string
	}{
		{[]string{"hosts", "list", "status:up", "site:be"}, "status:up site:be", []string{"site:berlin\t1,200 hosts", "site:bern\ta city", ":6"}},
		{[]string{"hosts", "count", "b"}, "b", []string{"berlin\t1,200 hosts", "bern\ta city", ":6"}},
		{[]string{"hosts", "export", "-site:b"}, "-site:b", []string{"-site:berlin\t1,200 hosts"}},
	} {
		out.Reset()
		if code := a.run(t.Context(), append([]string{"__complete"}, c.args...)); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		for _, want := range c.want {
			if asked != c.q || !strings.Contains(out.String(), want) {
				t.Errorf("%q asks %q and prints %q, want %q", c.args, asked, out.String(), want)
			}
		}
	}
}

// TestAListFitsATerminal: with names as long as they commonly are.
func TestAListFitsATerminal(t *testing.T) {
	seen := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := schema.Host{
		ID: "01a20040-fb75-730c-bccb-877490036495", Hostname: "prod-web-frontend-0142", Site: "frankfurt-02", Status: "unknown", Worst: "unmatched",
		OS: schema.OS{ID: "windows-server", Version: "2022"}, IPv4: []string{"192.168.100.200"}, LastSeen: &seen,
	}
	columns, err := columnsFor(&format{kind: "table"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, out := quiet()
	a.table(hostTable([]schema.Host{h}, columns), false)
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 120 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	for _, c := range wideColumns {
		if _, err := columnsFor(&format{}, []string{c}); err != nil {
			t.Error(err)
		}
	}
	if _, err := columnsFor(&format{}, []string{"last_seen", "tags", "host"}); err != nil {
		t.Errorf("a field's other names: %v", err)
	}
}

// events writes a stream as the server does.
func events(parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; i < len(parts); i += 2 {
			fmt.Fprintf(w, "event: %s\ndata: %s\n\n:\n\n", parts[i], parts[i+1])
		}
	}
}

// TestWatchTellsWhoCameAndWhoLeft: also across a gap in what was told.
func TestWatchTellsWhoCameAndWhoLeft(t *testing.T) {
	reads := 0
	a, out, _ := recorded(t, map[string]any{
		"/api/v1/hosts": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hosts := []schema.Host{{ID: "1", Hostname: "one"}, {ID: "2", Hostname: "two"}}
			next := "second"
			if r.URL.Query().Get("after") == next {
				hosts, next = []schema.Host{{ID: "3", Hostname: "three"}}, ""
			}
			if reads++; reads > 2 { // after the reset
				hosts, next = []schema.Host{{ID: "2", Hostname: "two"}, {ID: "9", Hostname: "nine"}}, ""
			}
			_ = json.NewEncoder(w).Encode(schema.Hosts{Hosts: hosts, Total: 3, Next: next})
		}),
		"/api/v1/hosts/watch": events("total", `{"total":3}`,
			"change", `{"host":{"id":"3","hostname":"three","status":"down"}}`,
			"change", `{"host":{"id":"4","hostname":"four","status":"up"}}`,
			"total", `{"total":4}`,
			"leave", `{"id":"1"}`,
			"leave", `{"id":"77"}`,
			"reset", `{"reason":"more"}`),
	})
	if code := a.run(t.Context(), []string{"hosts", "list", "--watch", "--columns", "name,status"}); code != exitFailed {
		t.Errorf("exit code %d of a stream that the server ended", code)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) > 2 && strings.Count(f[0], ":") == 2 {
			got = append(got, strings.Join(f[1:], " "))
		}
	}
	if want := []string{"= one -", "= two -"}; len(got) < 2 || !slices.Equal(got[:2], want) {
		t.Fatalf("%q, want %q first in\n%s", got, want, out)
	}
	got = got[2:]
	slices.Sort(got[3:]) // those of a reset have no order among them
	want := []string{"~ three down", "+ four up", "- one left", "+ nine -", "- four left", "- three left"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q in\n%s", got, want, out)
	}
	for _, say := range []string{"3 hosts; = was there at first", "\n4 hosts\n", "read anew"} {
		if !strings.Contains(out.String(), say) {
			t.Errorf("%q is not said:\n%s", say, out)
		}
	}
	// An interrupt is how it ends.
	ctx, stop := context.WithCancel(t.Context())
	a, _, _ = recorded(t, map[string]any{
		"/api/v1/hosts": schema.Hosts{Hosts: []schema.Host{}},
		"/api/v1/hosts/watch": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			stop()
			<-r.Context().Done()
		}),
	})
	if code := a.run(ctx, []string{"hosts", "list", "--watch"}); code != exitOK && code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

// TestAnExportThatBreaksOffLeavesNoFile: half a file would be taken for the whole.
func TestAnExportThatBreaksOffLeavesNoFile(t *testing.T) {
	broken := true
	a, _, _ := recorded(t, map[string]any{"/api/v1/hosts/export": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{\"id\":1}\n")
		_ = http.NewResponseController(w).Flush()
		if broken {
			panic(http.ErrAbortHandler)
		}
	})})
	file := filepath.Join(t.TempDir(), "hosts.ndjson")
	if code := a.run(t.Context(), []string{"hosts", "export", "-f", file}); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	broken = false
	if code := a.run(t.Context(), []string{"hosts", "export", "-f", file}); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "{\"id\":1}\n" {
		t.Errorf("%q, %v", raw, err)
	}
}
