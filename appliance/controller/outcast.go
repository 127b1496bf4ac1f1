package controller

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// unwanted is the kind of the refusal of a node that was removed. Nothing else on the way to another node has it, so that
// the one that is refused can tell.
const unwanted = fault.Conflict

// errRemoved ends the run of a node that the group does not want any more.
var errRemoved = errors.New("this controller was removed from its group; " + comeBack)

// comeBack is what is to be done with a node that was removed.
const comeBack = "to use its machine again, make a token on another controller with `skerry cluster join-token`, and give it to `skerry cluster rejoin` there, which keeps aside what it had"

// outcast is what a node that was removed learns it from. The entry of the log that says so seldom reaches it: the
// others stop talking to it. But they tell it when it calls.
//
// One voice is not enough: a node whose data is of another life of the group (a restore beside the nodes of the old one)
// would stop a healthy node of this one. A node believes it when the voters that have not refused it are no majority
// any more: whatever those are that did, it can take no part in anything again, so that nothing is lost where it ends.
type outcast struct {
	mu      sync.Mutex // guards refused
	refused map[model.NodeID]struct{}
	said    string        // by who refused last
	news    chan struct{} // 1; somebody refuses who has not before
}

func newOutcast() outcast {
	return outcast{refused: map[model.NodeID]struct{}{}, news: make(chan struct{}, 1)}
}

// heard notes what another node says: that this one was removed, or nil. The zero node is none that could be told apart.
func (o *outcast) heard(from model.NodeID, refusal error) {
	if o.news == nil || from.IsZero() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !fault.Is(refusal, unwanted) {
		delete(o.refused, from)
		return
	}
	o.refused[from], o.said = struct{}{}, refusal.Error()
	select { // each time: who has a vote may have changed meanwhile
	case o.news <- struct{}{}:
	default:
	}
}

// out reports whether so many of the voters refuse this node that the others are no majority, and what was said of it.
func (o *outcast) out(voters []model.NodeID) (said string, out bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	left := 0
	for _, id := range voters {
		if _, refuses := o.refused[id]; !refuses {
			left++
		}
	}
	return o.said, len(voters) > 0 && left <= len(voters)/2
}

// wanted returns errRemoved once this node knows that it was removed.
func (k *controller) wanted(ctx context.Context) error {
	for {
		select {
		case <-k.gate.news:
		case <-ctx.Done():
			return nil
		}
		voters, err := k.votersKnown(ctx)
		if err != nil {
			k.log.Debug("it is not known who has a vote", "err", err)
			continue
		}
		if said, out := k.gate.out(voters); out {
			k.log.Error("the group does not want this controller any more", "reason", said)
			return errRemoved
		}
	}
}

// votersKnown are the nodes with a vote, as this node knows them: by its log; where that has none, by its join.
func (k *controller) votersKnown(ctx context.Context) (voters []model.NodeID, err error) {
	s, err := k.group.Load().Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range s.Members {
		if id, err := model.ParseNodeID(m.ID); err == nil && m.Voter {
			voters = append(voters, id)
		}
	}
	if len(s.Members) == 0 {
		for _, n := range k.me.Secrets.Nodes {
			voters = append(voters, n.ID)
		}
	}
	return voters, nil
}

// inside has the connections of the nodes that were let in, to be closed where one of them is removed.
type inside struct {
	mu    sync.Mutex // guards conns
	conns map[*guest]struct{}
}

// guest is a connection of a node that was let in.
type guest struct {
	net.Conn
	id model.NodeID
	of *inside
}

// entered notes a connection until it is closed, or left is called.
func (i *inside) entered(id model.NodeID, conn net.Conn) *guest {
	c := &guest{conn, id, i}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.conns == nil {
		i.conns = map[*guest]struct{}{}
	}
	i.conns[c] = struct{}{}
	return c
}

// Close implements net.Conn.
func (c *guest) Close() error {
	c.left()
	return c.Conn.Close()
}

func (c *guest) left() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.conns, c)
}

// expel closes the connections of the nodes that out says are removed.
func (i *inside) expel(out func(model.NodeID) bool) {
	i.mu.Lock()
	var all []*guest
	for c := range i.conns {
		if out(c.id) {
			all = append(all, c)
		}
	}
	i.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}
