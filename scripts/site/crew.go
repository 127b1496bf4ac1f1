package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
)

// crowdEnv makes a process of this program a crowd, and says of how many agents and where.
const crowdEnv = "SKERRY_BENCH_SITE_CROWD"

// runCrowd is the whole program of the process with the agents, if this one is to be it.
func runCrowd() {
	text := os.Getenv(crowdEnv)
	if text == "" {
		return
	}
	var c crowd
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		err = c.run(ctx, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// crew is the process with the agents, as the one that measures sees it.
type crew struct {
	n    int
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{} // closed when it said its last

	mu   sync.Mutex // guards what follows
	last Line
	told []Told
	why  map[string]int // why dials gave no link, since it was last asked
}

// startCrew starts the agents of a site, which begin to enroll at once.
func startCrew(c *crowd) (*crew, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	p := &crew{n: c.N, cmd: exec.Command(os.Args[0]), done: make(chan struct{}), why: map[string]int{}}
	p.cmd.Env = append(os.Environ(), crowdEnv+"="+string(text))
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		for dec := json.NewDecoder(bufio.NewReader(out)); ; {
			var l Line
			if dec.Decode(&l) != nil {
				return
			}
			p.mu.Lock()
			p.last = l
			if l.Told != nil {
				p.told = l.Told
			}
			for text, n := range l.Reasons {
				p.why[text] += n
			}
			p.mu.Unlock()
		}
	}()
	return p, nil
}

// stop ends the agents: their standard input ends.
func (p *crew) stop() {
	p.in.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.cmd.Wait()
}

func (p *crew) order(o Order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = p.in.Write(append(text, '\n'))
	return err
}

func (p *crew) now() Line { p.mu.Lock(); defer p.mu.Unlock(); return p.last }

// reasons returns why dials gave no link since it was last asked, the most frequent first.
func (p *crew) reasons() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for text, n := range p.why {
		out = append(out, fmt.Sprintf("%7d times: %s", n, text))
	}
	p.why = map[string]int{}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(b, a) })
	return out
}

// until waits for what the agents say of themselves.
func (p *crew) until(ctx context.Context, limit time.Duration, what string, ok func(Line) bool) error {
	return local.Until(ctx, limit, what, func() (bool, error) {
		select {
		case <-p.done:
			return false, fmt.Errorf("the agents' process has ended")
		default:
		}
		l := p.now()
		if ok(l) {
			return true, nil
		}
		return false, fmt.Errorf("%d of %d agents are enrolled, %d have a link, %d of %d items wait, %d of %d dials gave no link",
			l.Enrolled, p.n, l.Up, l.Waiting, l.Said, l.Refused, l.Dials)
	})
}

// settled reports whether all agents are enrolled, linked and have nothing to say.
func (p *crew) settled(l Line) bool {
	return l.Enrolled == int64(p.n) && l.Up == int64(p.n) && l.Waiting == 0 && l.Said > 0
}

// tell returns what each agent last said.
func (p *crew) tell(ctx context.Context) (map[string]Told, error) {
	p.mu.Lock()
	p.told = nil
	p.mu.Unlock()
	if err := p.order(Order{Tell: true}); err != nil {
		return nil, err
	}
	out := map[string]Told{}
	return out, local.Until(ctx, time.Minute, "the word of every agent", func() (bool, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, t := range p.told {
			out[t.ID] = t
		}
		return len(out) == p.n, nil
	})
}
