package cli

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skerryhq/skerry/appliance/agent"
)

// TestMain makes this test binary stand for both programs, so that each command of a script is a
// process of its own, as it is for an operator.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"skerry":       func() { os.Exit(Main()) },
		"skerry-agent": func() { os.Exit(agent.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs testdata/script/*.txtar. Beside the commands of testscript they have:
//
//	exits N PROGRAM ARG...    the program must end with exit code N
//	until DURATION PROGRAM..  run the program again and again until it succeeds
//	port NAME                 set NAME to a TCP port that is free now
//	save NAME                 set NAME to the first line of the last standard output
//	flip FILE OFFSET          change one byte of a file; a negative offset counts from the end
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("SKERRY_UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "xdg"))
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": until, "port": port, "save": save, "flip": flip,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// until polls, because what it waits for happens in another process.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until DURATION PROGRAM ARG...")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	late := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = ts.Exec(args[1], args[2:]...); err == nil {
			return
		}
		select {
		case <-late:
			ts.Fatalf("not within %s: %v", limit, err)
		case <-tick.C:
		}
	}
}

func port(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

func save(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: save NAME")
	}
	var line string
	_, err := fmt.Sscanln(ts.ReadFile("stdout"), &line)
	ts.Check(err)
	ts.Setenv(args[0], line)
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	raw, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if at < 0 {
		at += len(raw)
	}
	if at < 0 || at >= len(raw) {
		ts.Fatalf("%s has %d bytes", args[0], len(raw))
	}
	raw[at] ^= 0x55
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), raw, 0o600))
}
