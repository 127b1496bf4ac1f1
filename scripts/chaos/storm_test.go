package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
)

const (
	stormAddr   = "SKERRY_CHAOS_STORM_ADDR"
	stormSocket = "SKERRY_CHAOS_STORM_SOCKET"
	stormSites  = "SKERRY_CHAOS_STORM_SITES"
)

// runSites is the program of the process with the sites.
func runSites() {
	n, err := strconv.Atoi(os.Getenv(stormSites))
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		err = (&Sites{Addr: os.Getenv(stormAddr), Socket: os.Getenv(stormSocket), N: n}).Run(ctx, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// crowd is the process with the sites, as the test sees it.
type crowd struct {
	cmd  *exec.Cmd
	mu   sync.Mutex // guards what follows
	last SitesLine
	why  map[string]int // reasons since they were last asked for
}

func startCrowd(t *testing.T, n *Node, sites int) *crowd {
	t.Helper()
	c := &crowd{cmd: exec.Command(os.Args[0]), why: map[string]int{}}
	c.cmd.Env = append(os.Environ(), stormAddr+"="+n.Addr, stormSocket+"="+n.cluster.Dir+"/"+n.Name+"/skerry.sock", stormSites+"="+strconv.Itoa(sites))
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := start(c.cmd); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var l SitesLine
			if json.Unmarshal(lines.Bytes(), &l) == nil {
				c.mu.Lock()
				c.last = l
				for text, n := range l.Reasons {
					c.why[text] += n
				}
				c.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-read
		_ = c.cmd.Wait()
	})
	return c
}

// reasons returns why dials gave no link since it was last called.
func (c *crowd) reasons() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	why := c.why
	c.why = map[string]int{}
	return why
}

func (c *crowd) now() SitesLine { c.mu.Lock(); defer c.mu.Unlock(); return c.last }

// Ten thousand sites (in the short form some hundreds) lose their controller, by a kill and by an orderly stop, and all
// come back to it by themselves.
func TestReconnectStorm(t *testing.T) {
	sites := 300
	if Long() {
		sites = 10_000
	}
	if testing.Short() {
		sites = 60
	}
	if n, err := strconv.Atoi(os.Getenv(stormSites)); err == nil {
		sites = n
	}
	c := cluster(t, 1, nil)
	n := c.Nodes[0]
	began := time.Now()
	crowd := startCrowd(t, n, sites)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	all := func(what string) {
		t.Helper()
		err := local.Until(ctx, 10*time.Minute, what, func() (bool, error) {
			return crowd.now().Up == int64(sites), fmt.Errorf("%+v", crowd.now())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	memory := func(what string, took time.Duration) {
		t.Helper()
		u, err := local.UsageOf(n.PID())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d sites in %.1f s; the controller has %d MB, at its peak %d MB, and %d files open",
			what, sites, took.Seconds(), u.RSS>>20, u.Peak>>20, u.Files)
		var parts []string
		for _, name := range []string{"heap_alloc_bytes", "heap_inuse_bytes", "stack_inuse_bytes", "stack_sys_bytes", "heap_released_bytes", "sys_bytes"} {
			if v, err := c.Metric(ctx, n, "go_memstats_"+name); err == nil {
				parts = append(parts, fmt.Sprintf("%s %.1f MB", name, v/(1<<20)))
			}
		}
		if v, err := c.Metric(ctx, n, "go_goroutines"); err == nil {
			parts = append(parts, fmt.Sprintf("%.0f goroutines", v))
		}
		t.Logf("  %s", strings.Join(parts, ", "))
		if u.Peak > 600<<20 {
			t.Errorf("the controller took %d MB, 600 are allowed", u.Peak>>20)
		}
	}
	empty, err := local.UsageOf(n.PID())
	if err != nil {
		t.Fatal(err)
	}
	all("the first links")
	memory("enrolled and linked", time.Since(began))
	now, err := local.UsageOf(n.PID())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("about %d bytes for each link", (now.RSS-empty.RSS)/int64(sites))

	for _, round := range []struct {
		what string
		end  func() error
		away time.Duration
	}{
		{"after a kill -9, started again at once", func() error { n.Kill(); return nil }, 0},
		{"after an orderly stop, started again at once", n.Stop, 0},
		{"after a kill -9 and ten seconds", func() error { n.Kill(); return nil }, 10 * time.Second},
	} {
		before := crowd.now()
		if err := round.end(); err != nil {
			t.Fatal(err)
		}
		if err := local.Until(ctx, time.Minute, "the links breaking", func() (bool, error) { return crowd.now().Up == 0, nil }); err != nil {
			t.Fatal(err)
		}
		if Long() {
			gone := time.NewTimer(round.away)
			<-gone.C
		}
		began := time.Now()
		if err := n.Start(ctx); err != nil {
			t.Fatal(err)
		}
		serves := time.Since(began)
		all("the links coming back " + round.what)
		took := time.Since(began)
		memory(round.what, took)
		after := crowd.now()
		t.Logf("it served after %.1f s; %d dials were made, %d of them for nothing", serves.Seconds(), after.Dials-before.Dials, after.Refused-before.Refused)
		for text, n := range crowd.reasons() {
			t.Logf("%6d times: %s", n, text)
		}
		if after.Dials-before.Dials < int64(sites) {
			t.Errorf("only %d dials: the links never broke", after.Dials-before.Dials)
		}
	}
}
