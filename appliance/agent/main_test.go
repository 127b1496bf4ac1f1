package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
)

func TestCommandLine(t *testing.T) {
	s := newSite(t)
	good := s.invite(model.MemberHost, "a")
	used, usedID := enrolled(t, s)
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte("tags: [lab]\ninterval: 5m\nintreval: 1m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	url := "https://" + s.addr
	dir := func() string { return filepath.Join(t.TempDir(), "data") }
	fresh := dir()
	for _, tc := range []struct {
		name  string
		args  []string
		stdin string
		code  int
		out   string // part of standard output
		errs  string // part of standard error, one line
	}{
		{"version", []string{"version"}, "", 0, "skerry-agent " + Version, ""},
		{"version as a flag", []string{"--version"}, "", 0, "skerry-agent " + Version + "\n", ""},
		{"no command", nil, "", 2, "", "no command given"},
		{"unknown command", []string{"fly"}, "", 2, "", `unknown command "fly"`},
		{"unknown flag", []string{"run", "--fast"}, "", 2, "", "unknown flag: --fast"},
		{"unknown format", []string{"facts", "-o", "xml"}, "", 2, "", "want table or json"},
		{"bad configuration", []string{"run", "--config", file}, "", 2, "", `unknown key "intreval"`},
		{"not enrolled", []string{"run", "--data", dir()}, "", 1, "", "run skerry-agent enroll"},
		{"no token", []string{"enroll", "--site", url}, "", 2, "", "enroll needs --site URL"},
		{"cut token", []string{"enroll", "--site", url, "--token", good[:60], "--data", dir()}, "", 2, "", "token"},
		{"token of a gateway", []string{"enroll", "--site", url, "--token", s.invite(model.MemberGateway, "g"), "--data", dir()}, "", 2, "", "is for a gateway, not for a host"},
		{"nobody there", []string{"enroll", "--site", "127.0.0.1:1", "--token", good, "--data", dir()}, "", 1, "", "127.0.0.1:1"},
		{"folder is a file", []string{"enroll", "--site", url, "--token", good, "--data", blocked}, "", 1, "", "choose another one with --data"},
		{"enrolled already", []string{"enroll", "--site", url, "--token", good, "--data", used}, "", 1, "", "enrolled already"},
		{"token from standard input", []string{"enroll", "--site", url, "--token-file", "-", "--data", fresh}, good + "\n", 0, `enrolled as "a"`, ""},
		{"the same once more", []string{"enroll", "--site", url, "--token", good, "--data", fresh}, "", 0, `enrolled as "a"`, ""},
		{"on another machine", []string{"enroll", "--site", url, "--token", good, "--data", dir()}, "", 1, "", "used already"},
		{"facts", []string{"facts"}, "", 0, "architecture", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := Main(tc.args, strings.NewReader(tc.stdin), &out, &errs)
			if code != tc.code || !strings.Contains(out.String(), tc.out) || !strings.Contains(errs.String(), tc.errs) {
				t.Errorf("exit %d, want %d\nout: %s\nerr: %s\nwant in it: %q, %q", code, tc.code, out.String(), errs.String(), tc.out, tc.errs)
			}
			if code != 0 && out.Len() > 0 {
				t.Errorf("failed, and printed %q as data", out.String())
			}
		})
	}
	if id, err := enroll.LoadIdentity(identityDir(used)); err != nil || id.Member != usedID.Member {
		t.Errorf("the identity of the enrolled agent changed: %v", err)
	}
}

func TestFactsAsJSON(t *testing.T) {
	t.Setenv("SKERRY_AGENT_TAGS", "lab,blue")
	t.Setenv("SKERRY_AGENT_OWNER", "Storage team")
	t.Setenv("SKERRY_AGENT_CERTIFICATES", filepath.Join("..", "probe", "testdata"))
	var out, errs bytes.Buffer
	if code := Main([]string{"facts", "-o", "json"}, nil, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	var r report
	if err := model.Decode(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Facts.Hostname == "" || r.Facts.AgentVersion != Version || strings.Join(r.Facts.Tags, " ") != "blue lab" || r.Facts.Owner != "Storage team" || len(r.Certificates) != 1 {
		t.Errorf("%+v, %d certificates", r.Facts, len(r.Certificates))
	}
	if len(r.Packages) == 0 && len(r.Problems) == 0 {
		t.Error("neither packages nor a word about why there are none")
	}
}

// SIGTERM ends the agent in good order, with what it knows at the site.
func TestRunUntilTold(t *testing.T) {
	s := newSite(t)
	dir, id := enrolled(t, s)
	t.Setenv("SKERRY_AGENT_CERTIFICATES", t.TempDir())
	var out, errs bytes.Buffer
	code := make(chan int, 1)
	go func() { code <- Main([]string{"run", "--data", dir}, nil, &out, &errs) }()
	ping := s.ended(s.dispatch(model.HostID(id.Member), model.Command{Kind: model.CommandPing}))
	if ping.State != model.CommandSucceeded {
		t.Errorf("%+v", ping)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != 0 || out.Len() > 0 || !strings.Contains(errs.String(), "agent stopped") {
		t.Errorf("exit %d\nout: %s\nerr: %s", got, out.String(), errs.String())
	}
}
