// Package local runs Skerry's own binaries as processes on loopback, for the demo and the system test:
// each with a folder, a log and a clean end.
//
// It owns processes and waiting for them, and knows nothing of what they do.
package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Group is a set of processes that share a folder and end together.
type Group struct {
	Bin string // folder of skerry and skerry-agent, absolute
	Dir string // working folder; each server's data is in a folder of its name below it
	// Died is sent why, when a process ends by itself; it must be read or have room.
	Died chan error

	mu       sync.Mutex // guards what follows
	procs    []*Process
	stopping bool
}

// Process is one running program.
type Process struct {
	Name string
	Log  string // file with what it prints
	cmd  *exec.Cmd
	done chan struct{}
	gone bool // ended on purpose; guarded by Group.mu
}

// PID returns the system's number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Start runs a program that is to live until Stop or End; its output is appended to NAME.log.
func (g *Group) Start(name, program string, args ...string) (*Process, error) {
	log := filepath.Join(g.Dir, name+".log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(filepath.Join(g.Bin, program), args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, g.Dir
	// A group of its own, so that Ctrl-C reaches the starter alone and the processes stop in order; and
	// they go when the starter is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := startLocked(cmd); err != nil {
		return nil, err
	}
	p := &Process{Name: name, cmd: cmd, Log: log, done: make(chan struct{})}
	g.mu.Lock()
	g.procs = append(g.procs, p)
	g.mu.Unlock()
	go func() {
		defer close(p.done)
		err := cmd.Wait()
		g.mu.Lock()
		meant := g.stopping || p.gone
		g.mu.Unlock()
		if !meant {
			g.Died <- fmt.Errorf("%s ended by itself (%v); the end of its log:\n%s", name, err, Tail(log, 12))
		}
	}()
	return p, nil
}

// startLocked starts cmd from a thread that stays: Pdeathsig is sent when the thread that started a
// process ends, not when the program does.
func startLocked(cmd *exec.Cmd) error {
	result := make(chan error)
	starter.Do(func() {
		go func() {
			runtime.LockOSThread()
			for f := range jobs {
				f()
			}
		}()
	})
	jobs <- func() { result <- cmd.Start() }
	return <-result
}

var (
	starter sync.Once
	jobs    = make(chan func())
)

// End ends one process with the signal, and waits for it.
func (g *Group) End(p *Process, sig syscall.Signal) error {
	g.mu.Lock()
	p.gone = true
	g.procs = slices.DeleteFunc(g.procs, func(q *Process) bool { return q == p })
	g.mu.Unlock()
	return p.end(sig)
}

func (p *Process) end(sig syscall.Signal) error {
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
		return nil
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not stop within 15 s of %s and was killed; the end of its log:\n%s", p.Name, sig, Tail(p.Log, 12))
	}
}

// Tail returns the last n lines of a file.
func Tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Stop ends all processes, the last started first, and waits for each.
func (g *Group) Stop() error {
	g.mu.Lock()
	g.stopping = true
	procs := g.procs
	g.procs = nil
	g.mu.Unlock()
	var errs []error
	for _, p := range slices.Backward(procs) {
		errs = append(errs, p.end(syscall.SIGTERM))
	}
	return errors.Join(errs...)
}

// Result is what a command of the CLI did.
type Result struct {
	Code     int // exit code
	Out, Err string
}

// CLI runs a program with SKERRY_SERVER set to the local socket of a server of this group. The error
// says that it could not be run at all; a non-zero exit is in the result.
func (g *Group) CLI(ctx context.Context, server, program string, args ...string) (Result, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(g.Bin, program), args...)
	cmd.Dir = g.Dir
	cmd.Env = append(os.Environ(), "SKERRY_SERVER="+g.Socket(server), "NO_COLOR=1", "XDG_CONFIG_HOME="+g.Dir)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	r := Result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		err = nil
	}
	return r, err
}

// Run is CLI for a command that must succeed.
func (g *Group) Run(ctx context.Context, server, program string, args ...string) (string, error) {
	r, err := g.CLI(ctx, server, program, args...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("exit code %d: %s", r.Code, strings.TrimSpace(r.Err))
	}
	if err != nil {
		return r.Out, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return r.Out, nil
}

// Ask runs skerry with -o json and decodes what it prints into v.
func (g *Group) Ask(ctx context.Context, server string, v any, args ...string) error {
	out, err := g.Run(ctx, server, "skerry", append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		return fmt.Errorf("skerry %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Socket returns the address of a server's local socket.
func (g *Group) Socket(server string) string {
	return "unix://" + filepath.Join(g.Dir, server, "skerry.sock")
}

// Until calls look every 100 ms until it says yes, for at most limit.
func Until(ctx context.Context, limit time.Duration, what string, look func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := look()
		if ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return fmt.Errorf("%s did not happen in %s", what, limit)
		}
	}
}

// FreePorts returns n free loopback addresses.
func FreePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// Server writes NAME.yaml, with further lines of YAML, starts the server and waits until its local socket
// answers.
func (g *Group) Server(ctx context.Context, name, role, addr string, lines ...string) (*Process, error) {
	path := filepath.Join(g.Dir, name+".yaml")
	text := fmt.Sprintf("role: %s\nname: %s\ndata: %s\nlisten: %s\n", role, name, name, addr) + strings.Join(lines, "\n")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := g.Start(name, "skerry", "serve", "--config", path)
	if err != nil {
		return nil, err
	}
	return p, Until(ctx, time.Minute, "the start of "+name, func() (bool, error) {
		_, err := g.Run(ctx, name, "skerry", "federation", "status", "-o", "json")
		select {
		case <-p.done:
			return false, fmt.Errorf("%s ended; the end of its log:\n%s", name, Tail(p.Log, 12))
		default:
		}
		return err == nil, err
	})
}
