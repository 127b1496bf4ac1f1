package hub_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/wire"
)

// registry is rows with one agent that obeys what is proposed of it.
type registry struct {
	rows
	mu    sync.Mutex // guards agent
	agent model.Member
}

func (r *registry) Member(model.NodeID) (model.Member, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.agent, true, nil
}

func (r *registry) Propose(ctx context.Context, changes ...model.Change) error {
	r.mu.Lock()
	for _, c := range changes {
		switch c := c.(type) {
		case model.Introduced:
			r.agent.Software, r.agent.Can = c.Software, c.Can
			if r.agent.Machine == "" {
				r.agent.Machine = c.Machine
			}
		case model.Quarantine:
			if c.Kept == "" {
				r.agent.Status = model.MemberQuarantined
			} else {
				r.agent.Machine = c.Kept
				r.agent.Clones = append(r.agent.Clones, model.Clone{Machine: c.Machine, Remote: c.Remote})
			}
		}
	}
	r.mu.Unlock()
	return r.rows.Propose(ctx, changes...)
}

// process is one agent process at the door.
type process struct {
	link *uplink.Link
	stop func()

	mu      sync.Mutex // guards what follows
	last    string     // the last error
	onlines int
}

func (p *process) state() (online bool, last string, onlines int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.State().Online, p.last, p.onlines
}

type clones struct {
	t   *testing.T
	reg *registry
	hub *hub.Hub
}

func newClones(t *testing.T) *clones {
	r := &registry{agent: model.Member{ID: site.ID, Kind: model.MemberHost, Name: "web1", Status: model.MemberEnrolled}}
	h := hub.New(hub.Config{
		Self: self, Name: "oslo", Software: "skerry test", Epoch: func() model.Epoch { return 2 }, Single: true, Member: r.Member,
		Hearing: time.Minute, Report: 15 * time.Minute, Proposer: r, Reader: r, Now: time.Now, Log: quiet,
	})
	return &clones{t, r, h}
}

// process starts one.
func (c *clones) process(run, machine string) *process {
	p := &process{}
	ctx, cancel := context.WithCancel(c.t.Context())
	var running sync.WaitGroup
	p.link = uplink.New(uplink.Config{
		Self: site.ID, Name: "web1", Software: "agent", Upper: self, Outbox: none{}, Sink: none{}, Process: run, Machine: machine,
		Can:     &model.Abilities{Commands: []string{model.CommandPing}},
		Answers: map[string]uplink.Answer{model.RouteAlive: func(context.Context, map[string]string) (any, error) { return nil, nil }},
		Resync:  func(context.Context) error { return errors.New("not asked for") }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Jitter: func(time.Duration) time.Duration { return time.Second },
		Changed: func(s uplink.State) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if s.Online {
				p.onlines++
			} else if s.LastError != "" {
				p.last = s.LastError
			}
		},
		Dial: func(context.Context) (exchange.Session, error) {
			// As at the door: whoever is not enrolled gets no session.
			if m, _, _ := c.reg.Member(site.ID); hub.Standing(m) != nil {
				return nil, hub.Standing(m)
			}
			d, a := linktest.Pair("pin-agent", "pin-site", linktest.Faults{})
			running.Go(func() {
				_ = c.hub.Serve(ctx, a, &model.Member{ID: site.ID, Kind: model.MemberHost, Name: "web1", Status: model.MemberEnrolled})
			})
			return d, nil
		},
	})
	running.Go(func() { _ = p.link.Run(ctx) })
	p.stop = func() { cancel(); running.Wait() }
	return p
}

func (c *clones) pass(d time.Duration) {
	time.Sleep(d) // the clock of the test's own bubble
	synctest.Wait()
}

func TestACopyOfAnAgentIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClones(t)
		first := c.process("run-1", "machine-1")
		defer first.stop()
		c.pass(time.Second)
		copied := c.process("run-2", "machine-2")
		c.pass(time.Minute)
		if online, _, n := first.state(); !online || n != 1 {
			t.Errorf("the first one: online %v, %d times", online, n)
		}
		if online, why, n := copied.state(); online || n != 0 || !strings.Contains(why, "is a copy of the one that is host \"web1\"") {
			t.Errorf("the copy: online %v, %d times; %s", online, n, why)
		}
		m, _, _ := c.reg.Member(site.ID)
		if m.Status != model.MemberEnrolled || len(m.Clones) != 1 || m.Clones[0].Machine != "machine-2" || m.Can == nil {
			t.Errorf("the registry has %+v", m)
		}
		// It stays refused as another process, while the first one is away.
		copied.stop()
		first.stop()
		again := c.process("run-3", "machine-2")
		defer again.stop()
		c.pass(time.Minute)
		if online, why, _ := again.state(); online || !strings.Contains(why, "is a copy") {
			t.Errorf("the copy, alone: online %v; %s", online, why)
		}
	})
}

func TestTheKnownMachineFindsItsCopyThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClones(t)
		c.reg.agent.Machine = "machine-1"
		copied := c.process("run-2", "machine-2")
		defer copied.stop()
		c.pass(time.Second)
		first := c.process("run-1", "machine-1")
		defer first.stop()
		c.pass(time.Minute)
		if online, why, _ := first.state(); !online {
			t.Errorf("the one that is known is out: %s", why)
		}
		if online, why, _ := copied.state(); online || !strings.Contains(why, "is a copy") {
			t.Errorf("the copy: online %v; %s", online, why)
		}
	})
}

func TestTwoThatCannotBeToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClones(t)
		a := c.process("run-1", "machine-1")
		defer a.stop()
		c.pass(time.Second)
		b := c.process("run-2", "machine-1")
		defer b.stop()
		c.pass(time.Minute)
		for _, p := range []*process{a, b} {
			if online, why, _ := p.state(); online || !strings.Contains(why, "is quarantined here") {
				t.Errorf("online %v; %s", online, why)
			}
		}
	})
}

// One after the other is no copy: the older link is of a process that died without a word.
func TestAnAgentThatCameBackTakesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClones(t)
		d, a := linktest.Pair("pin-agent", "pin-site", linktest.Faults{})
		ended := make(chan struct{})
		go func() { defer close(ended); _ = c.hub.Serve(t.Context(), a, &c.reg.agent) }()
		s, err := d.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := wire.WriteFrame(s, wire.TypeHello, wire.Hello{MinVersion: 1, MaxVersion: 2, Node: site.ID, Epoch: 1, Run: "run-1", Machine: "machine-1"}); err != nil {
			t.Fatal(err)
		}
		body, err := wire.Expect(s, wire.TypeWelcome, wire.MaxControl)
		if err != nil {
			t.Fatal(err)
		}
		if w, err := wire.Decode[wire.Welcome](body); err != nil || w.Heard != 60 || w.Report != 900 {
			t.Errorf("welcomed with %+v, %v", w, err)
		}
		c.pass(time.Second)
		next := c.process("run-2", "machine-1")
		defer next.stop()
		c.pass(10 * time.Second)
		if online, why, _ := next.state(); !online {
			t.Errorf("the next one: %s", why)
		}
		if m, _, _ := c.reg.Member(site.ID); m.Status != model.MemberEnrolled || len(m.Clones) > 0 {
			t.Errorf("the registry has %+v", m)
		}
		<-ended
	})
}

func TestASuspendedAgentIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClones(t)
		p := c.process("run-1", "machine-1")
		defer p.stop()
		c.pass(time.Second)
		c.hub.End(model.NodeID{9}, nil) // nobody
		c.reg.mu.Lock()
		c.reg.agent.Status, c.reg.agent.Reason = model.MemberSuspended, "it is in repair"
		c.reg.mu.Unlock()
		c.pass(15 * time.Second) // seen at its next frame
		if online, why, _ := p.state(); online || !strings.Contains(why, "is suspended here (it is in repair)") {
			t.Errorf("online %v; %s", online, why)
		}
		c.reg.mu.Lock()
		c.reg.agent.Status = model.MemberEnrolled
		c.reg.mu.Unlock()
		c.pass(2 * time.Minute)
		if online, why, _ := p.state(); !online {
			t.Errorf("resumed: %s", why)
		}
		if !fault.Is(hub.Standing(model.Member{Status: model.MemberRemoved}), fault.Denied) {
			t.Error("one that was removed is let in")
		}
	})
}
