package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

const (
	idA = "01a20040-fb75-730c-bccb-00000000000a"
	idB = "01a20040-fb75-730c-bccb-00000000000b"
	idC = "01a20040-fb75-730c-bccb-00000000000c"
)

func group() schema.Cluster {
	lag, contact, links, ready := uint64(12), 0.25, 3, false
	return schema.Cluster{
		ID: "01a20040-fb75-730c-bccb-0000000000ff", Name: "hq", Node: idB, SeenBy: idA, Leader: idA, Term: 7, CommitIndex: 1000, AppliedIndex: 1000, EntryVersion: 3, Epoch: 1,
		Members: []schema.ClusterMember{
			{ID: idA, Name: "a", Address: "10.0.0.1:8443", Voter: true, Leader: true, Reachable: true},
			{ID: idB, Name: "b", Address: "10.0.0.2:8443", Voter: true, Reachable: true, LagEntries: &lag, LastContactS: &contact, Version: "1.2", EntryVersion: 3, Disk: "low", Links: &links, Ready: &ready, Reasons: []string{"the disk is nearly full"}},
			{ID: idC, Name: "c", Address: "10.0.0.3:8443", Error: "no answer"},
		},
	}
}

func TestClusterStatusForAPerson(t *testing.T) {
	a, out, _ := recorded(t, map[string]any{"/api/v1/cluster": group()})
	run := func(args ...string) string {
		t.Helper()
		out.Reset()
		if code := a.run(t.Context(), append([]string{"cluster"}, args...)); code != 0 {
			t.Fatalf("%q: exit code %d: %s", args, code, out)
		}
		return strings.Join(strings.Fields(out.String()), " ")
	}
	for _, want := range []string{"Leader a (" + idA + ")", "Answered by b (", "2 voters, 1 without a vote, 1 cannot be reached; it bears the loss of none", "Writes yes", "Term 7"} {
		if got := run("status"); !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if got := run("status", "-o", "name"); got != "hq" {
		t.Errorf("%q", got)
	}
	var back schema.Cluster
	run("status", "-o", "json")
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Members[1].Version != "1.2" {
		t.Errorf("%+v, %v", back, err)
	}
	got := run("peers")
	for _, want := range []string{"a leader up - - - - - 10.0.0.1:8443", "b follower up 12 0.2s ago 1.2 low 3 10.0.0.2:8443", "c non-voter down - - - - - 10.0.0.3:8443"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if got = run("peers", "-o", "wide"); !strings.Contains(got, "no the disk is nearly full "+idB) {
		t.Error(got)
	}
	if got := run("peers", "-o", "name"); got != "a b c" {
		t.Errorf("%q", got)
	}
	if got := run("peers", "-o", "yaml"); !strings.Contains(got, "lag_entries: 12") {
		t.Errorf("%q", got)
	}
}

func TestGroupWithoutALeader(t *testing.T) {
	s := group()
	s.Leader, s.SeenBy, s.ReadOnly = "", idB, "the group has no leader"
	a, out, _ := recorded(t, map[string]any{"/api/v1/cluster": s})
	if code := a.run(t.Context(), []string{"cluster", "status"}); code != 0 {
		t.Fatal(out)
	}
	for _, want := range []string{"none: writes wait", "b (" + idB + "), which does not lead", "no: the group has no leader"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	out.Reset()
	if code := a.run(t.Context(), []string{"cluster", "peers"}); code != 0 || !strings.Contains(out.String(), "note: no leader answers, so this is what b (") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// changes is a server that keeps what it was asked to change.
func changes(t *testing.T) (*app, func(args ...string) (code int, out string, asked []string)) {
	t.Helper()
	f, a, out := newFleet(t, 1, func(_ int, w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/api/v1/cluster":
			_ = json.NewEncoder(w).Encode(group())
		case r.URL.Path == "/api/v1/cluster/tokens":
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(schema.ClusterToken{ID: idC, Name: "c", Token: "skerry1.tok", ExpiresAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Pin: "00", URL: "https://hq:8443"})
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return a, func(args ...string) (int, string, []string) {
		out.Reset()
		f.asked, f.bodies = nil, nil
		code := a.run(t.Context(), append([]string{"cluster"}, args...))
		var asked []string
		for i, x := range f.asked {
			if !strings.Contains(x, " GET ") {
				asked = append(asked, strings.TrimSpace(x[2:]+" "+f.bodies[i]))
			}
		}
		return code, out.String(), asked
	}
}

func TestRemove(t *testing.T) {
	a, run := changes(t)
	a.in = strings.NewReader("")
	code, out, asked := run("remove", "b", "--dry-run")
	if code != 0 || len(asked) != 0 || !strings.Contains(out, "b at 10.0.0.2:8443 leaves the group hq for good: of 2 voters 1 are left, and the group bears the loss of none.") {
		t.Errorf("%d, asked %q: %s", code, asked, out)
	}
	if code, out, asked = run("remove", "b"); code != exitUsage || len(asked) != 0 || !strings.Contains(out, "give --yes") {
		t.Errorf("without a terminal: %d, asked %q: %s", code, asked, out)
	}
	want := "DELETE /api/v1/cluster/members/" + idB
	if code, out, asked = run("remove", "b", "--yes"); code != 0 || len(asked) != 1 || asked[0] != want || !strings.Contains(out, "Removed.") {
		t.Errorf("%d, asked %q: %s", code, asked, out)
	}
	if code, out, _ = run("remove", "a", "--dry-run"); code != 0 || !strings.Contains(out, "another node is made the leader first") {
		t.Errorf("%d: %s", code, out)
	}
	if code, out, _ = run("remove", idC, "--dry-run"); code != 0 || !strings.Contains(out, "it has no vote") {
		t.Errorf("%d: %s", code, out)
	}
	invited := "01a20040-fb75-730c-bccb-0000000000ee"
	if code, out, asked = run("remove", invited, "--yes"); code != 0 || len(asked) != 1 || !strings.HasSuffix(asked[0], invited) || !strings.Contains(out, "if it was invited") {
		t.Errorf("%d, asked %q: %s", code, asked, out)
	}
	if code, out, asked = run("remove", "nobody", "--yes"); code != 1 || len(asked) != 0 || !strings.Contains(out, "skerry cluster peers") {
		t.Errorf("%d, asked %q: %s", code, asked, out)
	}
}

func TestTransferAndTokens(t *testing.T) {
	_, run := changes(t)
	for args, want := range map[string]string{
		"transfer":   "POST /api/v1/cluster/transfer {}",
		"transfer b": `POST /api/v1/cluster/transfer {"to":"b"}`,
	} {
		if code, out, asked := run(strings.Fields(args)...); code != 0 || len(asked) != 1 || asked[0] != want || !strings.Contains(out, "a ("+idA+") leads now.") {
			t.Errorf("%s: %d, asked %q: %s", args, code, asked, out)
		}
	}
	code, out, asked := run("join-token", "--name", "c", "--ttl", "2h", "--controller-url", "https://here:1")
	if code != 0 || len(asked) != 1 || asked[0] != `POST /api/v1/cluster/tokens {"name":"c","ttl":"2h"}` ||
		!strings.Contains(out, "skerry cluster join skerry1.tok --config FILE --from https://here:1") || !strings.Contains(out, "2026-01-02T03:04:05Z") {
		t.Errorf("%d, asked %q: %s", code, asked, out)
	}
	if code, out, _ = run("join-token", "-o", "json"); code != 0 || !strings.Contains(out, `"token": "skerry1.tok"`) {
		t.Errorf("%d: %s", code, out)
	}
}

func TestBackupIsWholeOrNothing(t *testing.T) {
	broken := false
	_, a, out := newFleet(t, 1, func(_ int, w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", 100_000)))
		if broken {
			panic(http.ErrAbortHandler)
		}
	})
	dir := t.TempDir()
	file := filepath.Join(dir, "b")
	if code := a.run(t.Context(), []string{"cluster", "backup", file}); code != 0 || !strings.Contains(out.String(), "100,000 bytes") {
		t.Fatal(out)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != 100_000 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	broken = true
	if code := a.run(t.Context(), []string{"cluster", "backup", filepath.Join(dir, "c")}); code != 1 || !strings.Contains(out.String(), "broke off") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if code := a.run(t.Context(), []string{"cluster", "backup", filepath.Join(dir, "nowhere", "b")}); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
}

func TestOnThisMachine(t *testing.T) {
	a, out := quiet()
	if code := a.run(t.Context(), []string{"cluster", "restore", "x"}); code != exitUsage || !strings.Contains(out.String(), `no command "cluster restore"`) {
		t.Errorf("what nobody can do is offered: %d: %s", code, out)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "c.yaml")
	site := filepath.Join(dir, "s.yaml")
	for path, role := range map[string]string{conf: "controller", site: "site"} {
		if err := os.WriteFile(path, []byte("role: "+role+"\ndata: "+filepath.Join(dir, "data")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	info := backupInfo{Group: "g", Name: "hq", Node: "a", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Applied: 77, Bytes: 123456, Files: 9, Version: "1.2"}
	var did []string
	var fails error
	a.offline = offline{
		Join: func(_ context.Context, c config.Config, token, from, address, version string) (joinedNode, error) {
			did = append(did, "join "+token+" "+from+" "+address+" "+filepath.Base(c.Data)+" "+version)
			return joinedNode{Name: "c", Group: "hq"}, fails
		},
		Rejoin: func(_ context.Context, c config.Config, token, from, address, version string) (joinedNode, error) {
			did = append(did, "rejoin "+token+" "+from+" "+address+" "+filepath.Base(c.Data)+" "+version)
			return joinedNode{Name: "c", Group: "hq", Kept: "data/replaced-1"}, fails
		},
		VerifyBackup: func(_ context.Context, path, data string) (backupInfo, error) {
			if data != "" {
				path += " beside " + filepath.Base(data)
			}
			did = append(did, "verify "+path)
			return info, fails
		},
		Restore: func(_ context.Context, c config.Config, path string) (backupInfo, error) {
			did = append(did, "restore "+path+" "+filepath.Base(c.Data))
			return info, fails
		},
	}
	a.in = strings.NewReader("")
	for _, c := range []struct {
		args string
		code int
		did  string
		says string
	}{
		{"join TOK --from https://hq:8443 --address me:1 --config " + conf, 0, "join TOK https://hq:8443 me:1 data " + versionText(), "This machine is node c of the group hq. Start it: `skerry serve --config"},
		{"join TOK --from https://hq:8443 -o json --config " + conf, 0, "join TOK https://hq:8443  data " + versionText(), `"group": "hq"`},
		{"join TOK --config " + conf, exitUsage, "", "--from URL"},
		{"join --from https://hq --config " + conf, exitUsage, "", "TOKEN"},
		{"join TOK --from http://hq --config " + conf, exitUsage, "", "want https://HOST:PORT"},
		{"join TOK --from https://hq --config " + site, exitUsage, "", "only controllers are in a group"},
		{"join TOK --from https://hq", exitUsage, "", "needs --config FILE"},
		{"rejoin TOK --from https://hq:8443 --config " + conf, 0, "rejoin TOK https://hq:8443  data " + versionText(), "What it had before is in data/replaced-1"},
		{"rejoin TOK --config " + conf, exitUsage, "", "--from URL"},
		{"backup verify f", 0, "verify f", "123,456"},
		{"backup verify f", 0, "verify f", "was not checked: compare its CA pin, or give --config"},
		{"backup verify f --config " + conf, 0, "verify f beside data", "data holds no keys of a group"},
		{"backup verify f --config " + site, exitUsage, "", "only controllers"},
		{"backup verify f -o yaml", 0, "verify f", "applied: 77"},
		{"backup verify f -o xml", exitUsage, "", "want one of"},
		{"restore f --yes --config " + conf, 0, "verify f beside data, restore f data", "What came after the backup is gone"},
		{"restore f --config " + conf, exitUsage, "verify f beside data", "give --yes"},
		{"restore f --yes --config " + site, exitUsage, "", "only controllers"},
	} {
		did = nil
		out.Reset()
		a.config = ""
		code := a.run(t.Context(), append([]string{"cluster"}, strings.Fields(c.args)...))
		if code != c.code || strings.Join(did, ", ") != c.did || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: exit code %d, did %q: %s", c.args, code, did, out)
		}
	}
	fails = fault.New(fault.Corrupt, "verify backup", "the digest of rows/000012.sst does not hold")
	did = nil
	out.Reset()
	if code := a.run(t.Context(), []string{"cluster", "restore", "f", "--yes", "--config", conf}); code != 1 || strings.Join(did, ", ") != "verify f beside data" || !strings.Contains(out.String(), "does not hold") {
		t.Errorf("a damaged backup: %d, did %q: %s", code, did, out)
	}
}

// TestNodesIn: what is lost already is no reserve any more.
func TestNodesIn(t *testing.T) {
	for _, tc := range []struct {
		voters, lost int
		want         string
	}{
		{1, 0, "1 voter; it bears the loss of none"},
		{3, 0, "3 voters; it bears the loss of 1"},
		{3, 1, "3 voters, 1 cannot be reached; it bears the loss of none more"},
		{5, 1, "5 voters, 1 cannot be reached; it bears the loss of 1 more"},
		{3, 2, "3 voters, 2 cannot be reached; it has lost its majority"},
	} {
		var s schema.Cluster
		for i := range tc.voters {
			s.Members = append(s.Members, schema.ClusterMember{Voter: true, Reachable: i >= tc.lost})
		}
		if got := nodesIn(s); got != tc.want {
			t.Errorf("%d voters, %d lost: %q, want %q", tc.voters, tc.lost, got, tc.want)
		}
	}
}

// A node that the group itself took out is no row among the nodes and counts for nothing; that it is gone is said, and it
// can be replaced by its name.
func TestANodeThatTheGroupTookOut(t *testing.T) {
	s := group()
	s.Members = s.Members[:2]
	s.Removed = []schema.ClusterRemoved{{ID: idC, Name: "c", Address: "10.0.0.3:8443", Why: "removed by the clean-up at 2026-03-05T10:00:00Z, was dead since 2026-03-02T10:00:00Z"}}
	a, out, _ := recorded(t, map[string]any{"/api/v1/cluster": s})
	if code := a.run(t.Context(), []string{"cluster", "peers"}); code != 0 {
		t.Fatal(out)
	}
	for _, want := range []string{"c (" + idC + ") at 10.0.0.3:8443 is no node any more: removed by the clean-up at 2026-03-05T10:00:00Z, was dead since 2026-03-02T10:00:00Z", "--replace c"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	if got := nodesIn(s); got != "2 voters; it bears the loss of none" {
		t.Errorf("it counts: %s", got)
	}
	for _, name := range []string{"c", idC} {
		id, plan, err := removal(s, name)
		if err != nil || id != idC || !strings.Contains(plan, "is no node of hq any more: removed by the clean-up") {
			t.Errorf("%s: %q, %q, %v", name, id, plan, err)
		}
	}
}

// What is read without a majority says on standard error how old it may be, and what is written to a file says it too.
func TestStaleReadsSayTheirAge(t *testing.T) {
	age := "34.217"
	_, a, out := newFleet(t, 1, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("consistency") == "stale" {
			w.Header().Set("Skerry-Age", age)
		}
		if strings.HasSuffix(r.URL.Path, "/backup") {
			_, _ = w.Write([]byte("all"))
			return
		}
		_ = json.NewEncoder(w).Encode([]schema.Site{})
	})
	file := filepath.Join(t.TempDir(), "b")
	for _, c := range []struct {
		age, args string
		says      []string
		not       string
	}{
		{"34.217", "sites list --stale", []string{"as old as 34.2s"}, ""},
		{"4000", "cluster backup " + file + " --stale", []string{"as old as 1h6m40s", "audit record has no entry", "Wrote b"}, ""},
		{"0.000", "cluster backup " + file + " --stale", []string{"Wrote b"}, "note:"},
		{"34.217", "sites list", nil, "as old as"},
	} {
		age = c.age
		out.Reset()
		a.stale = false
		if code := a.run(t.Context(), strings.Fields(c.args)); code != 0 {
			t.Errorf("%s: exit code %d: %s", c.args, code, out)
		}
		for _, want := range c.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in %s", c.args, want, out)
			}
		}
		if c.not != "" && strings.Contains(out.String(), c.not) {
			t.Errorf("%s: %q is in %s", c.args, c.not, out)
		}
	}
}

// A leader that has just begun has not heard the others yet, which is no reason to call them down.
func TestANodeThatWasNotHeardYet(t *testing.T) {
	s := group()
	s.Members[2].Error, s.Members[2].Voter = "", true
	a, out, _ := recorded(t, map[string]any{"/api/v1/cluster": s})
	if code := a.run(t.Context(), []string{"cluster", "peers"}); code != 0 || !strings.Contains(strings.Join(strings.Fields(out.String()), " "), "c follower unknown") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if got := nodesIn(s); strings.Contains(got, "cannot be reached") {
		t.Error(got)
	}
}
