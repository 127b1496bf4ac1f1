package controller

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/hub"
)

// holding is a hub whose links a test opens and closes.
type holding struct {
	name  string
	mu    sync.Mutex
	links map[model.NodeID]hub.LinkState
}

func (h *holding) Live(id model.NodeID) (hub.LinkState, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.links[id]
	return s, ok
}

func (h *holding) Known() (ids []model.NodeID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.links {
		ids = append(ids, id)
	}
	return ids
}

func (h *holding) Ask(_ context.Context, id model.NodeID, route string, params map[string]string) ([]byte, error) {
	if s, _ := h.Live(id); !s.Up {
		return nil, fault.New(fault.Unreachable, "", "no link")
	}
	return json.Marshal([]string{h.name, route, params["x"]})
}

// controllers are a few links in one process; their meshes reach each other by name as address.
type controllers struct {
	t     *testing.T
	nodes map[string]*links
	hubs  map[string]*holding

	mu  sync.Mutex
	cut map[string]bool // nobody reaches these
}

type meshOf struct {
	all  *controllers
	self string
}

func (m meshOf) reach(addr string) (*links, error) {
	m.all.mu.Lock()
	defer m.all.mu.Unlock()
	if m.all.cut[addr] || m.all.cut[m.self] {
		return nil, fault.New(fault.Unreachable, "", "%s is cut off", addr)
	}
	return m.all.nodes[addr], nil
}

func (m meshOf) Call(ctx context.Context, addr, route string, body []byte) ([]byte, error) {
	l, err := m.reach(addr)
	if err != nil || route != routeAsk {
		return nil, err
	}
	return l.answer(ctx, m.self, body)
}

func (m meshOf) Stream(ctx context.Context, addr, route string, body []byte) (net.Conn, error) {
	l, err := m.reach(addr)
	if err != nil || route != routeLinks {
		return nil, err
	}
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		_ = l.tell(ctx, m.self, body, there)
	}()
	// A cut is silence, as that of a cable: nothing passes, and nobody is told.
	return &cable{Conn: here, m: m, addr: addr}, nil
}

type cable struct {
	net.Conn
	m    meshOf
	addr string
}

func (c *cable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if _, cut := c.m.reach(c.addr); cut != nil && err == nil {
		<-time.After(linksSilence)
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func newControllers(t *testing.T, ctx context.Context, names ...string) *controllers {
	c := &controllers{t: t, nodes: map[string]*links{}, hubs: map[string]*holding{}, cut: map[string]bool{}}
	for _, name := range names {
		h := &holding{name: name, links: map[model.NodeID]hub.LinkState{}}
		l := newLinks(name, func(model.NodeID) {}, slog.New(slog.DiscardHandler))
		l.hub, l.mesh = h, meshOf{c, name}
		c.nodes[name], c.hubs[name] = l, h
	}
	for _, name := range names {
		for _, other := range names {
			if other != name {
				go c.nodes[name].listen(ctx, other, other)
			}
		}
	}
	return c
}

func (c *controllers) set(at string, id model.NodeID, up bool) {
	h := c.hubs[at]
	h.mu.Lock()
	h.links[id] = hub.LinkState{Up: up, Since: time.Now(), Remote: "net-of-" + at, Software: "skerry test"}
	h.mu.Unlock()
	c.nodes[at].look(id)
}

func (c *controllers) cutOff(name string, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut[name] = cut
}

// expect compares where every controller thinks that a link is; "" is nowhere.
func (c *controllers) expect(what string, id model.NodeID, want map[string]string) {
	c.t.Helper()
	for name, at := range want {
		link, _ := c.nodes[name].Live(id)
		got := strings.TrimPrefix(link.Remote, "net-of-")
		if !link.Up {
			got = ""
		}
		if got != at {
			c.t.Errorf("%s: %s thinks that the link is at %q, and it is at %q", what, name, got, at)
		}
	}
}

func TestLinksElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		oslo, bergen := model.NodeID{1}, model.NodeID{2}
		c := newControllers(t, ctx, "a", "b", "c")
		c.set("a", oslo, true) // before anybody listens
		settle := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		settle(time.Second)
		c.set("b", bergen, true) // while they listen
		settle(time.Millisecond)
		c.expect("open", oslo, map[string]string{"a": "a", "b": "a", "c": "a"})
		c.expect("open", bergen, map[string]string{"a": "b", "b": "b", "c": "b"})

		// A site that goes elsewhere, before the one it left has noticed.
		settle(time.Second)
		c.set("c", oslo, true)
		settle(time.Millisecond)
		c.expect("moved", oslo, map[string]string{"a": "c", "b": "c", "c": "c"})
		c.set("a", oslo, false)
		settle(time.Millisecond)
		c.expect("left", oslo, map[string]string{"a": "c", "b": "c", "c": "c"})

		for from, l := range c.nodes {
			got, err := l.Ask(ctx, oslo, "route", map[string]string{"x": from})
			if err != nil || string(got) != `["c","route","`+from+`"]` {
				t.Errorf("asked from %s: %s, %v", from, got, err)
			}
		}
		if _, err := c.nodes["a"].Ask(ctx, model.NodeID{9}, "route", nil); !fault.Is(err, fault.Unreachable) {
			t.Errorf("a member without a link: %v", err)
		}
		if _, err := c.nodes["a"].answer(ctx, "b", []byte("{")); !fault.Is(err, fault.Invalid) {
			t.Errorf("a question that is none: %v", err)
		}

		// A controller that is silent holds no links, and does again when it is back.
		c.cutOff("c", true)
		settle(30 * time.Second)
		c.expect("cut off", oslo, map[string]string{"a": "", "b": "", "c": "c"})
		c.expect("cut off", bergen, map[string]string{"a": "b", "b": "b", "c": ""})
		c.cutOff("c", false)
		settle(10 * time.Second)
		c.expect("back", oslo, map[string]string{"a": "c", "b": "c", "c": "c"})
	})
}

// TestLinksAreLookedAtOnce: what changes nothing tells nobody.
func TestLinksAreLookedAtOnce(t *testing.T) {
	var looked []model.NodeID
	l := newLinks("a", func(id model.NodeID) { looked = append(looked, id) }, slog.New(slog.DiscardHandler))
	h := &holding{links: map[model.NodeID]hub.LinkState{}}
	l.hub = h
	id := model.NodeID{1}
	for _, up := range []bool{false, true, true, false, false} {
		h.links[id] = hub.LinkState{Up: up}
		l.look(id)
	}
	if !slices.Equal(looked, []model.NodeID{id, id}) {
		t.Errorf("looked at %d times", len(looked))
	}
}

// FuzzHear: whatever another controller says of its links, nothing breaks.
func FuzzHear(f *testing.F) {
	f.Add([]byte("{\"whole\":true}\n{}\n{\"id\":\"01000000-0000-0000-0000-000000000000\",\"up\":true}\n"))
	f.Add([]byte("{\"id\":\"x\"}\n"))
	f.Add([]byte(strings.Repeat("x", 5000)))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := newLinks("a", func(model.NodeID) {}, slog.New(slog.DiscardHandler))
		l.mesh = said(b)
		if _, err := l.hear(t.Context(), "b", "b"); err == nil {
			t.Error("a stream that ended gave no error")
		}
	})
}

type said []byte

func (said) Call(context.Context, string, string, []byte) ([]byte, error) { return nil, nil }

func (s said) Stream(context.Context, string, string, []byte) (net.Conn, error) {
	here, there := net.Pipe()
	go func() {
		_, _ = there.Write(s)
		there.Close()
	}()
	return here, nil
}
