package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/simulate"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/ui/schema"
)

// crowd is many agents in one process, for a site in another. It is told what to do by lines on its standard input and
// says how it goes by lines on its standard output.
type crowd struct {
	Addr   string // HOST:PORT of the site
	Socket string // its local socket
	N      int
	Size   int // packages of each host
	Seed   uint64
	Shared string        // folder with recorded data
	Hourly time.Duration // facts go up this often

	packages *catalogue
	system   *simulate.Fleet
	began    time.Time

	enrolled, up, dials, refused, skipped atomic.Int64

	mu      sync.Mutex // guards what follows
	agents  []*agent
	reasons map[string]int
	orders  Order
	tell    bool
}

// Order is one line to the crowd. The rates hold until the next Order.
type Order struct {
	Facts    bool    // every agent reports its facts now, and again in its rhythm
	Packages string  // how alike: every agent reports its packages and the facts of its system now
	Upgrades float64 // packages that are upgraded in a second, at all hosts together
	Writes   float64 // changes of facts in a second, at all hosts together
	Tell     bool    // every agent says what it last said
}

// Line is what the crowd says several times a second.
type Line struct {
	At       int64 `json:"at"` // Unix milliseconds
	Enrolled int64 `json:"enrolled"`
	Up       int64 `json:"up"`
	Dials    int64 `json:"dials"`
	Refused  int64 `json:"refused"` // dials that gave no link
	Said     int64 `json:"said"`    // items
	Waiting  int64 `json:"waiting"` // of them, those that the site does not hold yet
	Skipped  int64 `json:"skipped"` // changes that were due and not made, since the agent's last one was still on its way
	// Reasons are why dials gave no link, since the line before.
	Reasons map[string]int `json:"reasons,omitempty"`
	Told    []Told         `json:"told,omitempty"`
}

// run enrolls the agents and keeps their links up until in ends.
func (c *crowd) run(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	if c.packages, err = openCatalogue(c.Shared); err != nil {
		return err
	}
	c.began = time.Now()
	if c.system, err = simulate.NewFleet(c.Seed, "berlin", model.NodeID{1}, c.began); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	lines := make(chan Order)
	go func() { // ends with the process that started this one
		defer cancel()
		for scan := bufio.NewScanner(in); scan.Scan(); {
			var o Order
			if json.Unmarshal(scan.Bytes(), &o) != nil {
				return
			}
			select {
			case lines <- o:
			case <-ctx.Done():
				return
			}
		}
	}()
	g.Go(func() error { return c.speak(ctx, lines, out) })
	api := newAPI(c.Socket)
	defer api.close()
	joins, joining := errgroup.WithContext(ctx)
	joins.SetLimit(16)
	for i := range c.N {
		joins.Go(func() error {
			a, err := c.enroll(joining, api, i)
			if err != nil {
				return fmt.Errorf("enroll agent %d: %w", i, err)
			}
			c.enrolled.Add(1)
			c.mu.Lock()
			c.agents = append(c.agents, a)
			if c.orders.Facts {
				c.sayFacts(a, c.began)
			}
			c.mu.Unlock()
			g.Go(func() error {
				return a.link(c.Addr, &heldOnly{}, c.dialled, func(up bool) { c.up.Add(map[bool]int64{true: 1, false: -1}[up]) }).Run(ctx)
			})
			return nil
		})
	}
	if err := joins.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return g.Wait()
}

func (c *crowd) enroll(ctx context.Context, api *api, i int) (*agent, error) {
	var given schema.Token
	if err := api.post(ctx, "/agents", schema.AgentEnroll{Name: fmt.Sprintf("agent-%05d", i)}, &given); err != nil {
		return nil, err
	}
	token, err := enroll.ParseToken(given.Token)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := enroll.Join(ctx, "https://"+c.Addr, token, key, enroll.Newcomer{Name: given.Name, Software: "skerry-agent bench"})
	if err != nil {
		return nil, err
	}
	return &agent{n: i, id: id, out: newOutbox(id)}, nil
}

// dialled counts a dial; of one that gave no link the reason, without what differs from one to the next.
func (c *crowd) dialled(err error) {
	c.dials.Add(1)
	if err == nil {
		return
	}
	c.refused.Add(1)
	words := strings.Fields(strings.ReplaceAll(err.Error(), c.Addr, "ADDR"))
	for i, w := range words {
		if strings.Contains(w, "127.0.0.1") {
			words[i] = "*"
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reasons == nil {
		c.reasons = map[string]int{}
	}
	if text := strings.Join(words, " "); len(c.reasons) < 32 || c.reasons[text] > 0 {
		c.reasons[text]++
	}
}

// beat is how often the crowd says how it goes, and lets due changes happen.
const beat = 50 * time.Millisecond

// speak does what is ordered and says how it goes.
func (c *crowd) speak(ctx context.Context, orders <-chan Order, out io.Writer) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	enc := json.NewEncoder(out)
	dice := mrand.New(mrand.NewPCG(c.Seed, 0x6c6f6164))
	var writes, upgrades float64
	for last, turn := time.Now(), 0; ; turn++ {
		select {
		case o := <-orders:
			c.obey(o)
			writes, upgrades = 0, 0
			continue
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		now := time.Now()
		since := now.Sub(last).Seconds()
		last = now
		c.mu.Lock()
		if n := len(c.agents); n > 0 {
			for writes += since * c.orders.Writes; writes >= 1; writes-- {
				c.write(c.agents[dice.IntN(n)], now)
			}
			for upgrades += since * c.orders.Upgrades; upgrades >= 1; upgrades-- {
				c.upgrade(c.agents[dice.IntN(n)], now)
			}
		}
		for _, a := range c.agents {
			if !a.due.IsZero() && now.After(a.due) {
				a.due = a.due.Add(c.Hourly)
				c.putFacts(a, now)
			}
		}
		c.mu.Unlock()
		if turn%4 == 0 {
			if err := enc.Encode(c.line()); err != nil {
				return errors.New("whoever started the agents is gone")
			}
		}
	}
}

func (c *crowd) obey(o Order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.Facts = o.Facts || c.orders.Facts
	begin := o.Facts && !c.orders.Facts
	c.orders, c.tell = o, o.Tell
	now := time.Now()
	for _, a := range c.agents {
		if begin {
			c.sayFacts(a, now)
		}
		if o.Packages != "" {
			c.sayPackages(a, o.Packages, now)
		}
	}
}

// sayFacts puts the agent's facts up and begins its rhythm. Its phase is random, as it is in a fleet that was not
// started at one moment.
func (c *crowd) sayFacts(a *agent, now time.Time) {
	c.putFacts(a, now)
	a.due = now.Add(mrand.N(c.Hourly))
}

func (c *crowd) putFacts(a *agent, now time.Time) {
	f := a.facts(c.began)
	a.out.put(model.ItemFacts, now, func() ([]byte, error) { return model.Encode(f) })
}

func (c *crowd) sayPackages(a *agent, like string, now time.Time) {
	a.has = c.packages.installed(c.Seed, like, a.n, c.Size)
	c.putPackages(a, now)
	system := c.system.System(a.n, a.facts(c.began))
	a.out.put(model.ItemOSFacts, now, func() ([]byte, error) { return model.Encode(system) })
}

func (c *crowd) putPackages(a *agent, now time.Time) {
	has := append([]int16(nil), a.has...)
	a.out.put(model.ItemPackages, now, func() ([]byte, error) { return c.packages.report(has) })
}

// write changes the facts of a host. One that still has its last change on the way waits for its next turn: a newer one
// would take its place, and be no write of its own.
func (c *crowd) write(a *agent, now time.Time) {
	if a.out.has(model.ItemFacts) {
		c.skipped.Add(1)
		return
	}
	a.change++
	c.putFacts(a, now)
}

// upgrade changes a package of a host.
func (c *crowd) upgrade(a *agent, now time.Time) {
	if a.has == nil || a.out.has(model.ItemPackages) {
		c.skipped.Add(1)
		return
	}
	a.upgrades++
	c.packages.upgrade(a.has, c.Seed, a.n, a.upgrades)
	c.putPackages(a, now)
}

func (c *crowd) line() Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := Line{
		At: time.Now().UnixMilli(), Enrolled: c.enrolled.Load(), Up: c.up.Load(), Dials: c.dials.Load(), Refused: c.refused.Load(),
		Skipped: c.skipped.Load(), Reasons: c.reasons,
	}
	c.reasons = nil
	for _, a := range c.agents {
		head, waiting := a.out.figures()
		l.Said += int64(head)
		l.Waiting += int64(waiting)
		if c.tell {
			l.Told = append(l.Told, Told{a.id.Member.String(), a.change, a.upgrades})
		}
	}
	c.tell = false
	return l
}
