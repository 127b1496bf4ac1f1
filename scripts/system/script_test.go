package system

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestScripts runs the scripts in testdata/script: bad input at each door, against real servers. Beside
// testscript's own commands they have those of the table below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			dir, err := os.MkdirTemp("", "skerry-script-") // socket paths have a limit
			if err != nil {
				return err
			}
			g := &local.Group{Bin: bin, Dir: dir, Died: make(chan error, 16)}
			e.Values[groupKey{}] = &scripted{Group: g, procs: map[string]*local.Process{}, addrs: map[string]string{}}
			e.Setenv("DIR", dir)
			e.Setenv("XDG_CONFIG_HOME", dir)
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("NO_COLOR", "1")
			e.Defer(func() {
				if err := errors.Join(g.Stop(), os.RemoveAll(dir)); err != nil {
					t.Error(err)
				}
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":   cmdServer,   // server NAME controller|site [FILE]: start it, with what is in the file; $NAME is its address, $NAME_YAML its configuration
			"stop":     cmdStop,     // stop NAME
			"at":       cmdAt,       // at NAME: later commands talk to that server
			"invite":   cmdInvite,   // invite NAME [ARGS]: sites enroll; $TOKEN is the token, $EXPIRES when it ends
			"past":     cmdPast,     // past TIME: wait until the clock is beyond it
			"oneline":  cmdOneLine,  // oneline: the last command's stderr is one line
			"forge":    cmdForge,    // forge SITE FILE: send the controller, as that (stopped) site, a row of the host whose id is in the file
			"eventual": cmdEventual, // eventual TEXT COMMAND...: repeat skerry COMMAND until its output holds the text
			"readonly": cmdReadOnly, // readonly DIR: a folder that cannot be written, also not by root
			"occupy":   cmdOccupy,   // occupy: listen on a port; $OCCUPIED is its address
			"flip":     cmdFlip,     // flip FILE: change one byte in the middle
			"unsign":   cmdUnsign,   // unsign FROM TO: the same bundle without its signature
		},
	})
}

type groupKey struct{}

type scripted struct {
	*local.Group
	procs map[string]*local.Process
	addrs map[string]string
}

func of(ts *testscript.TestScript) *scripted { return ts.Value(groupKey{}).(*scripted) }

func limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func plain(ts *testscript.TestScript, neg bool, args []string, n int, usage string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

func cmdServer(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 2, "server NAME ROLE [FILE]")
	s, name := of(ts), args[0]
	var lines []string
	if len(args) > 2 {
		lines = append(lines, os.Expand(ts.ReadFile(args[2]), ts.Getenv))
	}
	if s.addrs[name] == "" {
		addrs, err := local.FreePorts(1)
		ts.Check(err)
		s.addrs[name] = addrs[0]
	}
	ctx, cancel := limit()
	defer cancel()
	p, err := s.Server(ctx, name, args[1], s.addrs[name], lines...)
	ts.Check(err)
	s.procs[name] = p
	ts.Setenv(strings.ToUpper(name), s.addrs[name])
	ts.Setenv(strings.ToUpper(name)+"_YAML", filepath.Join(s.Dir, name+".yaml"))
	cmdAt(ts, false, []string{name})
}

func cmdStop(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 1, "stop NAME")
	s := of(ts)
	ts.Check(s.End(s.procs[args[0]], syscall.SIGTERM))
}

func cmdAt(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 1, "at NAME")
	ts.Setenv("SKERRY_SERVER", of(ts).Socket(args[0]))
}

func cmdInvite(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 1, "invite NAME [ARGS]")
	ctx, cancel := limit()
	defer cancel()
	out, err := of(ts).Run(ctx, filepath.Base(filepath.Dir(ts.Getenv("SKERRY_SERVER"))), "skerry", append([]string{"sites", "enroll", "-o", "json"}, args...)...)
	ts.Check(err)
	var t schema.Token
	ts.Check(json.Unmarshal([]byte(out), &t))
	ts.Setenv("TOKEN", t.Token)
	ts.Setenv("EXPIRES", t.ExpiresAt.Format(time.RFC3339Nano))
}

func cmdPast(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 1, "past TIME")
	at, err := time.Parse(time.RFC3339Nano, args[0])
	ts.Check(err)
	if time.Until(at) > time.Minute {
		ts.Fatalf("%s is too far ahead to wait for", at)
	}
	ctx, cancel := limit()
	defer cancel()
	ts.Check(local.Until(ctx, patience, "the passing of "+args[0], func() (bool, error) { return time.Now().After(at), nil }))
}

func cmdOneLine(ts *testscript.TestScript, neg bool, _ []string) {
	text := strings.TrimSpace(ts.ReadFile("stderr"))
	if one := text != "" && !strings.Contains(text, "\n"); one == neg {
		ts.Fatalf("stderr is not as it should be:\n%s", text)
	}
}

func cmdEventual(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 2, "eventual TEXT COMMAND...")
	s := of(ts)
	server := filepath.Base(filepath.Dir(ts.Getenv("SKERRY_SERVER")))
	ctx, cancel := limit()
	defer cancel()
	last := ""
	err := local.Until(ctx, patience, fmt.Sprintf("%q in the output of %v", args[0], args[1:]), func() (bool, error) {
		r, err := s.CLI(ctx, server, "skerry", args[1:]...)
		last = r.Out + r.Err
		return strings.Contains(r.Out, args[0]), err
	})
	if err != nil {
		ts.Fatalf("%v; the last output:\n%s", err, last)
	}
}

func cmdReadOnly(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 1, "readonly DIR")
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o500))
	if os.Geteuid() != 0 {
		return
	}
	// Root may write everywhere but on a file system that is mounted read-only.
	ts.Check(syscall.Mount("none", dir, "tmpfs", syscall.MS_RDONLY, "size=4k"))
	ts.Defer(func() { ts.Check(syscall.Unmount(dir, 0)) })
}

func cmdOccupy(ts *testscript.TestScript, neg bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv("OCCUPIED", l.Addr().String())
}

func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 1, "flip FILE")
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

func cmdUnsign(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 2, "unsign FROM TO")
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	in, err := zstd.NewReader(bytes.NewReader(b))
	ts.Check(err)
	defer in.Close()
	var buf bytes.Buffer
	out, err := zstd.NewWriter(&buf)
	ts.Check(err)
	from, to, dropped := tar.NewReader(in), tar.NewWriter(out), 0
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ts.Check(err)
		if strings.HasPrefix(h.Name, "signature") {
			dropped++
			continue
		}
		ts.Check(to.WriteHeader(h))
		_, err = io.Copy(to, from)
		ts.Check(err)
	}
	ts.Check(errors.Join(to.Close(), out.Close()))
	if dropped != 1 {
		ts.Fatalf("%d signatures were in the bundle", dropped)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), buf.Bytes(), 0o600))
}

// cmdForge does what a site with a stolen or broken program might: it speaks for a host of another site.
func cmdForge(ts *testscript.TestScript, neg bool, args []string) {
	plain(ts, neg, args, 2, "forge SITE FILE")
	s := of(ts)
	id, err := enroll.LoadIdentity(filepath.Join(s.Dir, args[0], "identity"))
	ts.Check(err)
	host, err := model.ParseHostID(strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	payload, err := model.Encode(model.Host{ID: host, Site: model.SiteID(id.Member), Facts: model.Facts{Hostname: "stolen"}})
	ts.Check(err)
	addr, err := link.Address(id.URL)
	ts.Check(err)
	ctx, cancel := limit()
	defer cancel()
	box := &oneItem{item: model.Item{Seq: 1 << 40, Kind: model.ItemHost, Key: host.String(), AsOf: model.TimeOf(time.Now()), Payload: payload}, acked: cancel}
	up := uplink.New(uplink.Config{
		Self: id.Member, Name: id.Name, Software: "forger", Upper: id.Upper, Outbox: box, Sink: nothing{},
		Dial:   func(ctx context.Context) (exchange.Session, error) { return link.Dial(ctx, addr, id.Dial(time.Now)) },
		Resync: func(context.Context) error { return nil }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ts.Check(up.Run(ctx))
	box.mu.Lock()
	defer box.mu.Unlock()
	if !box.done {
		ts.Fatalf("the controller did not acknowledge the forged item: %+v", up.State())
	}
}

// oneItem is an outbox with one item far ahead of everything that was sent.
type oneItem struct {
	item  model.Item
	acked context.CancelFunc

	mu   sync.Mutex // guards done
	done bool
}

func (o *oneItem) Epoch() model.Epoch { return 1 }
func (o *oneItem) Head() model.Seq    { return o.item.Seq }
func (o *oneItem) Dropped() model.Seq { return 0 }
func (o *oneItem) After(after model.Seq, _, _ int) ([]model.Item, error) {
	if after >= o.item.Seq {
		return nil, nil
	}
	return []model.Item{o.item}, nil
}

func (o *oneItem) DropThrough(seq model.Seq) error {
	if seq < o.item.Seq {
		return nil
	}
	o.mu.Lock()
	o.done = true
	o.mu.Unlock()
	o.acked()
	return nil
}

func (o *oneItem) Wait(ctx context.Context, after model.Seq) error {
	if after < o.item.Seq {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// nothing takes what comes down and forgets it.
type nothing struct{}

func (nothing) Held(context.Context) (model.Position, error) { return model.Position{}, nil }
func (nothing) Accept(_ context.Context, e model.Epoch, items []model.Item) (model.Position, error) {
	return model.Position{Epoch: e, Seq: items[len(items)-1].Seq}, nil
}
