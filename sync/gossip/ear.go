package gossip

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/skerryhq/skerry/engine/fault"
)

// voice is what memberlist asks of this node: its hint, and nothing else.
type voice struct{ *Gossip }

// NodeMeta implements memberlist.Delegate.
func (v voice) NodeMeta(int) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	b, err := appendHint(nil, v.self)
	if err != nil {
		return nil // Update and Open have refused it
	}
	return b
}

// NotifyMsg implements memberlist.Delegate; nobody sends any.
func (voice) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate.
func (voice) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate.
func (voice) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (voice) MergeRemoteState([]byte, bool) {}

// ear is what memberlist tells. It is called with memberlist's own lock held.
type ear struct{ *Gossip }

// NotifyAlive implements memberlist.AliveDelegate: it refuses who is not listened to, before anything of it
// is kept.
func (e ear) NotifyAlive(n *memberlist.Node) error {
	if n.Name == e.conf.Self.ID {
		return nil
	}
	if !e.admitted(n.Name) {
		return fault.New(fault.Denied, "", "this controller is not of the group any more")
	}
	if _, err := readHint(n.Name, n.Meta); err != nil {
		return err
	}
	if !n.Addr.Equal(fakeIP(n.Name)) || n.Port != fakePort {
		return fault.New(fault.Corrupt, "", "its address is not the one of its id")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.known[n.Name]; ok || len(e.known) < maxKnown {
		return nil
	}
	oldest := ""
	for id, h := range e.known {
		if !h.Alive && (oldest == "" || h.Since.Before(e.known[oldest].Since)) {
			oldest = id
		}
	}
	if oldest == "" {
		return fault.New(fault.TooLarge, "", "%d controllers are known; there cannot be more", maxKnown)
	}
	delete(e.known, oldest)
	return nil
}

// NotifyJoin implements memberlist.EventDelegate.
func (e ear) NotifyJoin(n *memberlist.Node) { e.note(n, true) }

// NotifyUpdate implements memberlist.EventDelegate.
func (e ear) NotifyUpdate(n *memberlist.Node) { e.note(n, true) }

// NotifyLeave implements memberlist.EventDelegate: the node left, or does not answer any more.
func (e ear) NotifyLeave(n *memberlist.Node) { e.note(n, false) }

func (e ear) note(n *memberlist.Node, alive bool) {
	if n.Name == e.conf.Self.ID {
		return
	}
	h, err := readHint(n.Name, n.Meta)
	if err != nil {
		return // NotifyAlive has refused it
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	was, known := e.known[n.Name]
	if h.Alive, h.Since = alive, was.Since; !known || was.Alive != alive {
		h.Since = e.now()
		if alive {
			e.log.Info("a controller answers", "id", h.ID, "name", h.Name, "addr", h.Address)
		} else {
			e.log.Warn("a controller does not answer", "id", h.ID, "name", h.Name, "addr", h.Address)
		}
	}
	if h != was {
		e.known[n.Name] = h
		e.tellLocked()
	}
}

// bridge takes memberlist's log lines. What it calls an error may be anyone's packet, so these are rationed.
type bridge struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex // guards what follows
	last time.Time
	left int // lines that were not logged since
}

const bridgePause = 30 * time.Second

// Write implements io.Writer.
func (b *bridge) Write(line []byte) (int, error) {
	text := fault.Printable(fault.Clip(strings.TrimSpace(strings.ToValidUTF8(string(line), "?")), 300))
	if !strings.HasPrefix(text, "[ERR") {
		b.log.Debug(text)
		return len(line), nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.now(); b.last.IsZero() || now.Sub(b.last) >= bridgePause {
		b.log.Warn("gossip between controllers", "said", text, "not_logged", b.left)
		b.last, b.left = now, 0
		return len(line), nil
	}
	b.left++
	b.log.Debug(text)
	return len(line), nil
}
