package controller

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/ui/api"
)

// The routes between controllers that links serves.
const (
	routeLinks = "links"
	routeAsk   = "ask"
)

// Times of what controllers tell each other about links.
const (
	linksBeat    = 2 * time.Second // a line at least so often
	linksSilence = 7 * time.Second // without one the other controller is taken for gone
	linksRetry   = 2 * time.Second // the longest pause before it is asked again
	maxLinkLine  = 4 << 10         // bytes of a line
	maxKnown     = 1 << 17         // links that one controller may tell of
)

// mesh carries questions and streams to the other controllers; sync/peer satisfies it.
type mesh interface {
	Call(ctx context.Context, addr, route string, body []byte) ([]byte, error)
	Stream(ctx context.Context, addr, route string, body []byte) (net.Conn, error)
}

// linkHub is the part of hub.Hub that holds the links of this controller.
type linkHub interface {
	Live(id model.NodeID) (hub.LinkState, bool)
	Known() []model.NodeID
	Ask(ctx context.Context, id model.NodeID, route string, params map[string]string) ([]byte, error)
}

// links knows the link of each site, whichever controller of the group holds it: every controller tells every
// other of its own. Where another one has said nothing for a while, its links count as down.
type links struct {
	self string  // this controller
	hub  linkHub // nil until open
	mesh mesh
	// greeted is told of each link that was opened here.
	greeted func(model.NodeID)
	// looked is told of each link that may have come or gone, here or elsewhere.
	looked func(model.NodeID)
	log    *slog.Logger

	mu    sync.Mutex                           // guards what follows
	told  map[model.NodeID]bool                // what listeners know of the links here
	late  map[model.NodeID]bool                // those of them that were degraded then
	ears  map[*ear]struct{}                    // the other controllers that listen
	away  map[string]map[model.NodeID]linkLine // by the controller that holds them
	addrs map[string]string                    // of the other controllers
}

// linkLine is what one line says: that a link came or went, that all was said (Whole), or nothing.
type linkLine struct {
	ID       model.NodeID `json:"id,omitzero"`
	Up       bool         `json:"up,omitzero"`
	Since    model.Time   `json:"since,omitzero"`
	Remote   string       `json:"remote,omitzero"`
	Software string       `json:"software,omitzero"`
	Late     string       `json:"late,omitzero"` // as of when the line was written
	Whole    bool         `json:"whole,omitzero"`
}

func (l linkLine) state() hub.LinkState {
	return hub.LinkState{Up: l.Up, Since: l.Since.Std(), Remote: l.Remote, Software: l.Software, Late: l.Late}
}

// ear is one that listens to what happens to the links here.
type ear struct {
	wake    chan struct{} // 1
	pending map[model.NodeID]struct{}
}

func newLinks(self string, looked func(model.NodeID), log *slog.Logger) *links {
	return &links{
		self: self, looked: looked, log: log, told: map[model.NodeID]bool{}, late: map[model.NodeID]bool{}, ears: map[*ear]struct{}{},
		away: map[string]map[model.NodeID]linkLine{}, addrs: map[string]string{},
	}
}

// open begins with the links of this controller.
func (l *links) open(h linkHub, greeted func(model.NodeID)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hub, l.greeted = h, greeted
}

// held are the members whose links this controller holds.
func (l *links) held() (ids []model.NodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, up := range l.told {
		if up {
			ids = append(ids, id)
		}
	}
	return ids
}

// opened returns the hub, or an error while there is none.
func (l *links) opened() (linkHub, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hub == nil {
		return nil, errStarting()
	}
	return l.hub, nil
}

// look is to be called whenever a link here may have come or gone. It is cheap where it has not.
func (l *links) look(id model.NodeID) {
	l.mu.Lock()
	state, _ := l.hub.Live(id) // under the lock: of two looks the later one has the last word
	changed := l.told[id] != state.Up
	if changed || l.late[id] != (state.Late != "") {
		l.told[id] = state.Up
		if delete(l.late, id); state.Late != "" {
			l.late[id] = true
		}
		for e := range l.ears {
			e.hear(id)
		}
	}
	l.mu.Unlock()
	if changed {
		l.looked(id)
		if state.Up && l.greeted != nil {
			l.greeted(id)
		}
	}
}

func (e *ear) hear(id model.NodeID) {
	e.pending[id] = struct{}{}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// holder returns the newest link of a member, and the controller that holds it; "" for this one.
func (l *links) holder(id model.NodeID) (at string, state hub.LinkState, ok bool) {
	state, ok = l.hub.Live(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	for node, theirs := range l.away {
		line, known := theirs[id]
		if !known {
			continue
		}
		// A link that is open counts more than one that was; of two, the newer one: the older has not
		// noticed yet that its other end went elsewhere.
		if s := line.state(); !ok || s.Up && !state.Up || s.Up == state.Up && s.Since.After(state.Since) {
			at, state, ok = node, s, true
		}
	}
	return at, state, ok
}

// Live implements api.Links.
func (l *links) Live(id model.NodeID) (api.Link, bool) {
	_, s, ok := l.holder(id)
	return api.Link{Up: s.Up, Since: s.Since, Remote: s.Remote, Software: s.Software, Late: s.Late}, ok
}

// up reports whether a member's link is open anywhere.
func (l *links) up(id model.NodeID) bool {
	_, s, _ := l.holder(id)
	return s.Up
}

// question is the body of routeAsk.
type question struct {
	Member model.NodeID      `json:"member"`
	Route  string            `json:"route"`
	Params map[string]string `json:"params,omitzero"`
}

// Ask implements api.Asker: the controller that holds the member's link asks.
func (l *links) Ask(ctx context.Context, id model.NodeID, route string, params map[string]string) ([]byte, error) {
	at, state, _ := l.holder(id)
	l.mu.Lock()
	addr := l.addrs[at]
	l.mu.Unlock()
	if at == "" || !state.Up || addr == "" {
		return l.hub.Ask(ctx, id, route, params)
	}
	body, err := model.Encode(question{id, route, params})
	if err != nil {
		return nil, err
	}
	return l.mesh.Call(ctx, addr, routeAsk, body)
}

// answer serves routeAsk. What may be asked, the site decides: it knows its routes and refuses the others.
func (l *links) answer(ctx context.Context, _ string, body []byte) ([]byte, error) {
	var q question
	if err := model.Decode(body, &q); err != nil {
		return nil, fault.New(fault.Invalid, "ask for another controller", "%w", err)
	}
	h, err := l.opened()
	if err != nil {
		return nil, err
	}
	return h.Ask(ctx, q.Member, q.Route, q.Params)
}

// tell serves routeLinks: every link here, then each that comes or goes, until the other end leaves.
func (l *links) tell(ctx context.Context, _ string, _ []byte, conn net.Conn) error {
	if _, err := l.opened(); err != nil {
		return err
	}
	e := &ear{wake: make(chan struct{}, 1), pending: map[model.NodeID]struct{}{}}
	l.mu.Lock()
	l.ears[e] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.ears, e)
	}()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	beat := time.NewTicker(linksBeat)
	defer beat.Stop()
	ids := l.hub.Known()
	for first := true; ; first = false {
		if err := l.say(conn, ids, first); err != nil {
			return err
		}
		select {
		case <-e.wake:
		case <-beat.C:
		case <-ctx.Done():
			return nil
		}
		l.mu.Lock()
		ids = ids[:0]
		for id := range e.pending {
			ids = append(ids, id)
		}
		clear(e.pending)
		l.mu.Unlock()
	}
}

// say writes the present state of some links in one go.
func (l *links) say(conn net.Conn, ids []model.NodeID, whole bool) error {
	w := bufio.NewWriterSize(conn, 32<<10)
	lines := make([]linkLine, 0, len(ids)+1)
	for _, id := range ids {
		if s, ok := l.hub.Live(id); ok {
			lines = append(lines, linkLine{ID: id, Up: s.Up, Since: model.TimeOf(s.Since), Remote: s.Remote, Software: s.Software, Late: s.Late})
		}
	}
	if whole || len(lines) == 0 {
		lines = append(lines, linkLine{Whole: whole})
	}
	for _, line := range lines {
		b, err := model.Encode(line)
		if err != nil {
			return err
		}
		_, _ = w.Write(append(b, '\n')) // Flush tells
	}
	_ = conn.SetWriteDeadline(time.Now().Add(linksSilence))
	return w.Flush()
}

// listen keeps hearing of the links at another controller, until ctx ends; then they are forgotten.
func (l *links) listen(ctx context.Context, node, addr string) {
	l.mu.Lock()
	l.addrs[node] = addr
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.addrs, node)
		l.mu.Unlock()
		l.replace(node, nil)
	}()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, linksRetry) {
		heard, err := l.hear(ctx, node, addr)
		if ctx.Err() != nil {
			return
		}
		if heard {
			pause = 100 * time.Millisecond
		} else {
			l.replace(node, nil) // its sites find another controller; what was last heard is not true any more
		}
		l.log.Debug("another controller says nothing of its links", "node", node, "address", addr, "err", err)
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// hear reads one stream to its end, and reports whether anything came.
func (l *links) hear(ctx context.Context, node, addr string) (heard bool, err error) {
	conn, err := l.mesh.Stream(ctx, addr, routeLinks, nil)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	all := map[model.NodeID]linkLine{} // until all was said
	r := bufio.NewReaderSize(conn, maxLinkLine)
	for ctx.Err() == nil {
		_ = conn.SetReadDeadline(time.Now().Add(linksSilence))
		b, err := r.ReadSlice('\n')
		if err != nil {
			return heard, err
		}
		var line linkLine
		if err := json.Unmarshal(b, &line); err != nil {
			return heard, fault.New(fault.Corrupt, "hear of links", "%w", err)
		}
		switch {
		case line.Whole:
			l.replace(node, all)
			all, heard = nil, true
		case line.ID.IsZero():
		case all != nil:
			if all[line.ID] = line; len(all) > maxKnown {
				return heard, fault.New(fault.TooLarge, "hear of links", "there are more than %d", maxKnown)
			}
		default:
			if !l.update(node, line) {
				return heard, fault.New(fault.TooLarge, "hear of links", "there are more than %d", maxKnown)
			}
		}
	}
	return heard, io.EOF
}

// replace puts all that is known of a controller's links in the place of what was.
func (l *links) replace(node string, all map[model.NodeID]linkLine) {
	l.mu.Lock()
	was := l.away[node]
	if all == nil {
		delete(l.away, node)
	} else {
		l.away[node] = all
	}
	l.mu.Unlock()
	for id := range was {
		l.looked(id)
	}
	for id := range all {
		if _, known := was[id]; !known {
			l.looked(id)
		}
	}
}

func (l *links) update(node string, line linkLine) bool {
	l.mu.Lock()
	theirs := l.away[node]
	if theirs == nil {
		theirs = map[model.NodeID]linkLine{}
		l.away[node] = theirs
	}
	theirs[line.ID] = line
	n := len(theirs)
	l.mu.Unlock()
	l.looked(line.ID)
	return n <= maxKnown
}
