// Package gossip spreads hints about the nodes of a controller group among them: where each is reached,
// whether it is ready, and which of them answer.
//
// It owns what a hint says, its bytes, and the road they take: one UDP socket beside the TCP port, and TLS
// streams on that port, everything encrypted with the group's key. It is the only importer of memberlist. It
// never decides anything: who belongs to the group and who votes is the business of the registry and of
// Raft, and a hint may be late, or wrong.
package gossip

import (
	"cmp"
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/skerryhq/skerry/engine/fault"
)

// Bounds.
const (
	KeyLen   = 32 // bytes of the group's key
	maxKnown = 32 // nodes that are remembered, the silent ones included

	maxID       = 64
	streamTime  = 5 * time.Second
	leaveTime   = 2 * time.Second
	defaultPace = time.Second
)

// Hint is what a node says of itself, and how it looks from here.
type Hint struct {
	ID           string // as in the registry; at most 64 bytes
	Name         string // a label; at most 64 bytes are carried
	Address      string // HOST:PORT, for the other nodes; at most 260 bytes
	URL          string // for people and browsers; one that does not fit becomes https:// and Address
	Software     string // as in "skerry 0.2.0"; at most 48 bytes are carried
	EntryVersion uint32 // the newest log entry that it reads
	Ready        bool   // it serves
	Disk         string // how its disk is, in a word; at most 24 bytes are carried
	Links        int    // members whose link it holds

	// Alive and Since are known here, and not carried: whether the node answers, and since when that is
	// so. A node that has gone stays known as one that does not answer.
	Alive bool
	Since time.Time
}

// Config is what Open needs.
type Config struct {
	Self Hint   // ID and Address must be set
	Key  []byte // the group's key, 32 bytes
	// Packets is the UDP socket (see Listen), Streams the connections that other nodes opened, each of a
	// node that was let in. Open takes both over.
	Packets net.PacketConn
	Streams net.Listener
	// Dial opens a connection to the node at addr, having checked that it is one of the group.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Seeds are addresses to look for other nodes at, HOST:PORT; this node's own does no harm.
	Seeds []string
	// Admit, if set, says why a node is not listened to (it was removed). It is called often and must not
	// block, nor call this package.
	Admit func(id string) error
	// Pace is how often another node is probed, and what all other times follow; a node that has gone is
	// noticed in about six times as long. Zero: 1 s.
	Pace time.Duration
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: nothing is logged
}

// Gossip is this node's part in it. Its methods may be called from many goroutines.
type Gossip struct {
	conf  Config
	log   *slog.Logger
	now   func() time.Time
	road  *road
	list  *memberlist.Memberlist
	quit  context.CancelFunc
	wg    sync.WaitGroup
	kick  chan struct{} // there is something new to say
	gone  sync.Mutex    // serialises Leave and Close
	ended bool          // guarded by gone

	mu      sync.Mutex // guards what follows; held for moments only
	self    Hint
	known   map[string]Hint // the others, by ID
	changed chan struct{}
}

// Listen opens the UDP socket that goes with a TCP port: the same address and number.
func Listen(tcp net.Addr) (net.PacketConn, error) {
	p, err := net.ListenPacket("udp", tcp.String())
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.New(fault.Conflict, "listen", "UDP %s is in use by another program; stop it, or set listen: to another port, which the group uses for TCP and UDP", tcp)
	case err != nil:
		return nil, fault.New(fault.Invalid, "listen", "UDP %s: %w", tcp, err)
	}
	return p, nil
}

// Open begins to gossip and returns without waiting for anyone. It is Invalid for a Config that cannot be,
// TooLarge for an address beyond its bound; Packets and Streams are closed then.
func Open(c Config) (*Gossip, error) {
	g, err := open(c)
	if err != nil {
		if c.Packets != nil {
			_ = c.Packets.Close()
		}
		if c.Streams != nil {
			_ = c.Streams.Close()
		}
		return nil, fault.Wrap("gossip", err)
	}
	return g, nil
}

func open(c Config) (*Gossip, error) {
	if c.Packets == nil || c.Streams == nil || c.Dial == nil || len(c.Key) != KeyLen || !goodID(c.Self.ID) {
		return nil, fault.New(fault.Invalid, "", "an id, a key of %d bytes, a socket, a listener and a way to dial are needed", KeyLen)
	}
	if _, _, err := net.SplitHostPort(c.Self.Address); err != nil {
		return nil, fault.New(fault.Invalid, "", "%q is not HOST:PORT", fault.Clip(c.Self.Address, 64))
	}
	if _, err := appendHint(nil, c.Self); err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Pace <= 0 {
		c.Pace = defaultPace
	}
	g := &Gossip{
		conf: c, log: c.Log, now: c.Now, kick: make(chan struct{}, 1), self: c.Self, known: map[string]Hint{}, changed: make(chan struct{}),
	}
	g.self.Alive, g.self.Since = true, g.now()
	g.road = newRoad(c.Packets, c.Streams, c.Dial, g.where)
	list, err := memberlist.Create(g.settings())
	if err != nil {
		_ = g.road.Shutdown()
		return nil, fault.New(fault.Other, "", "%w", err)
	}
	g.list = list
	ctx, cancel := context.WithCancel(context.Background())
	g.quit = cancel
	g.wg.Go(func() { g.say(ctx) })
	g.wg.Go(func() { g.look(ctx) })
	return g, nil
}

// settings are memberlist's for a handful of nodes. Nodes are known to it by id alone: the address that it
// carries for each is made of the id, and the road knows where that is (see DESIGN.md).
func (g *Gossip) settings() *memberlist.Config {
	pace := g.conf.Pace
	c := memberlist.DefaultLANConfig()
	c.Name = g.conf.Self.ID
	c.Transport, c.AdvertisePort = g.road, fakePort
	c.AdvertiseAddr = fakeIP(c.Name).String()
	c.SecretKey = slices.Clone(g.conf.Key)
	c.GossipVerifyIncoming, c.GossipVerifyOutgoing = true, true
	c.EnableCompression = false // a hint is short, and what was compressed has to be expanded
	c.ProbeInterval, c.ProbeTimeout, c.GossipInterval = pace, pace/2, pace/5
	c.PushPullInterval, c.GossipToTheDeadTime = 10*pace, 30*pace
	c.TCPTimeout = streamTime
	c.Delegate, c.Events, c.Alive = voice{g}, ear{g}, ear{g}
	c.Logger = log.New(&bridge{log: g.log, now: g.now}, "", 0)
	return c
}

// Hints returns what is known of every node, this one included, by ID.
func (g *Gossip) Hints() []Hint {
	g.mu.Lock()
	out := []Hint{g.self}
	for _, h := range g.known {
		out = append(out, h)
	}
	g.mu.Unlock()
	out = slices.DeleteFunc(out, func(h Hint) bool { return !g.admitted(h.ID) })
	slices.SortFunc(out, func(a, b Hint) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Update changes what this node says of itself and spreads it. fn must not keep the Hint; ID, Alive and Since
// stay as they are, and so does everything where the result is beyond its bounds.
func (g *Gossip) Update(fn func(*Hint)) {
	g.mu.Lock()
	h := g.self
	fn(&h)
	h.ID, h.Alive, h.Since = g.self.ID, g.self.Alive, g.self.Since
	_, err := appendHint(nil, h)
	if err == nil && h != g.self {
		g.self = h
		g.tellLocked()
	}
	g.mu.Unlock()
	if err != nil {
		g.log.Error("this controller cannot say of itself what it should", "err", err)
		return
	}
	select {
	case g.kick <- struct{}{}:
	default:
	}
}

// Changed returns a channel that is closed when a hint changes. Take it before Hints is read, so that no change
// falls between.
func (g *Gossip) Changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

func (g *Gossip) tellLocked() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// Leave tells the others that this node goes on purpose, so that they need not find out. It waits until one
// of them was told, ctx ends or two seconds are over. Close comes next.
func (g *Gossip) Leave(ctx context.Context) error {
	g.gone.Lock()
	defer g.gone.Unlock()
	if g.ended {
		return nil
	}
	wait := leaveTime
	if end, ok := ctx.Deadline(); ok {
		wait = max(min(wait, time.Until(end)), time.Millisecond)
	}
	if err := g.list.Leave(wait); err != nil {
		return fault.New(fault.Unreachable, "leave the gossip", "%w", err)
	}
	return nil
}

// Close stops gossiping and closes the socket, the listener and every connection. The others find out that
// this node is silent. Closing twice is allowed.
func (g *Gossip) Close() error {
	g.gone.Lock()
	defer g.gone.Unlock()
	if g.ended {
		return nil
	}
	g.ended = true
	g.quit()
	err := g.list.Shutdown()
	_ = g.road.Shutdown() // which a failing Shutdown would leave open
	g.wg.Wait()
	return err
}

// say spreads what Update changed.
func (g *Gossip) say(ctx context.Context) {
	for {
		select {
		case <-g.kick:
			// It returns late where nobody takes it; the next exchange of states carries it then.
			_ = g.list.UpdateNode(g.conf.Pace)
		case <-ctx.Done():
			return
		}
	}
}

// look looks for nodes that should be there and do not answer: at the seeds, and where nodes were that have
// gone silent. Two halves of a group that lost each other would otherwise never meet again.
func (g *Gossip) look(ctx context.Context) {
	tick := time.NewTicker(5 * g.conf.Pace)
	defer tick.Stop()
	for {
		for _, addr := range g.missing() {
			if ctx.Err() != nil {
				return
			}
			if _, err := g.list.Join([]string{atAddress(addr)}); err != nil {
				g.log.Debug("no controller answers", "addr", addr, "err", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (g *Gossip) missing() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	there := map[string]bool{g.self.Address: true}
	var out []string
	for _, h := range g.known {
		if h.Alive {
			there[h.Address] = true
		}
	}
	want := slices.Clone(g.conf.Seeds)
	for id, h := range g.known {
		if !h.Alive && g.admitted(id) {
			want = append(want, h.Address)
		}
	}
	slices.Sort(want)
	for _, addr := range slices.Compact(want) {
		if !there[addr] {
			out = append(out, addr)
		}
	}
	return out
}

func (g *Gossip) admitted(id string) bool {
	return g.conf.Admit == nil || id == g.conf.Self.ID || g.conf.Admit(id) == nil
}

// atAddress is an address in the form in which Join takes it: as the name of a node, which it does not look
// up, beside an IP that nobody uses.
func atAddress(addr string) string { return atPrefix + addr + "/[::]:" + strconv.Itoa(fakePort) }

const atPrefix = "at="

// where returns HOST:PORT of what memberlist means to reach.
func (g *Gossip) where(a memberlist.Address) (string, bool) {
	if addr, ok := strings.CutPrefix(a.Name, atPrefix); ok {
		return addr, true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if h, ok := g.known[a.Name]; ok {
		return h.Address, true
	}
	return "", false
}

// goodID accepts what stays clear of memberlist's own marks.
func goodID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.HasPrefix(id, atPrefix) &&
		!strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' })
}
