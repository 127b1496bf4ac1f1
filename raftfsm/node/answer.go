package node

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
)

// The questions that nodes ask each other. Bodies and answers are JSON, but for an entry that is forwarded, for
// terms and for indexes:
//
//	raft/propose    a forwarded entry, see below -> verdict
//	raft/fence      nothing -> be64: the entry that a reader must have
//	raft/term       nothing -> be64: the term of this node
//	raft/health     inquiry -> Health
//	raft/status     nothing -> Status
//	raft/member     order -> nothing
//
// A forwarded entry:
//
//	0    1       2               18
//	| 01 | flags | request id:16 | base uvarint | entry …
//
// Flag bit 0 says that no attempt before can have been carried out, bit 1 that carrying it out twice is as
// good as once.
const (
	routePropose = "raft/propose"
	routeFence   = "raft/fence"
	routeTerm    = "raft/term"
	routeHealth  = "raft/health"
	routeStatus  = "raft/status"
	routeMember  = "raft/member"

	formForward = 1
	flagFirst   = 1
	flagAgain   = 2

	// maxQuestion bounds the body of a question but a forwarded entry, in bytes.
	maxQuestion = 4 << 10
)

// verdict is what came of a forwarded entry.
type verdict struct {
	State state  `json:"state"`
	Index uint64 `json:"index,omitzero"` // of the entry
	Kind  string `json:"kind,omitzero"`  // of the refusal, or of what went wrong
	Text  string `json:"text,omitzero"`
}

// Answer answers a question of another node of the group; route begins with "raft/", from is the id of the
// node. The errors are those of what was asked for, fault.Invalid for what cannot be read, and fault.Denied for a node
// that is no member and wants to change or read what only members may.
func (n *Node) Answer(ctx context.Context, from, route string, body []byte) ([]byte, error) {
	op := "answer " + route
	select {
	case <-n.ended:
		return nil, fault.New(fault.Unreachable, op, "node %s has left the group until it is started again", n.id)
	default:
	}
	if route != routePropose && len(body) > maxQuestion {
		return nil, fault.New(fault.TooLarge, op, "the question has %d bytes, the limit is %d", len(body), maxQuestion)
	}
	switch route {
	case routePropose, routeFence, routeMember:
		if !slices.ContainsFunc(n.servers(), func(s raft.Server) bool { return string(s.ID) == from }) {
			return nil, fault.New(fault.Denied, op, "node %s is not in this group: it was removed, or never added", fault.Clip(from, 64))
		}
	}
	switch route {
	case routePropose:
		p, err := readForward(body)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		return n.answerPropose(ctx, p)
	case routeFence:
		index, err := n.fence(ctx)
		return be64(index), err
	case routeTerm:
		return be64(n.raft.CurrentTerm()), nil
	case routeHealth:
		var q inquiry
		if err := model.Decode(body, &q); err != nil {
			return nil, fault.New(fault.Invalid, op, "%w", err)
		}
		return n.answerHealth(from, q)
	case routeStatus:
		return model.Encode(n.status())
	case routeMember:
		var o order
		if err := model.Decode(body, &o); err != nil {
			return nil, fault.New(fault.Invalid, op, "%w", err)
		}
		return nil, n.obey(ctx, o)
	}
	return nil, fault.New(fault.NotFound, op, "node %s runs a version that does not know this question", n.id)
}

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func readBe64(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fault.New(fault.Corrupt, "", "an answer of %d bytes is not a number", len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// forwardBody writes a forwarded entry.
func forwardBody(p *proposal) []byte {
	b := make([]byte, 0, len(p.entry)+2+len(p.id)+binary.MaxVarintLen64)
	flags := byte(0)
	if p.first {
		flags |= flagFirst
	}
	if p.again {
		flags |= flagAgain
	}
	b = append(append(b, formForward, flags), p.id[:]...)
	b = binary.AppendUvarint(b, p.base)
	return append(b, p.entry...)
}

// readForward reads what forwardBody wrote. The entry shares its memory.
func readForward(b []byte) (*proposal, error) {
	if len(b) > 0 && b[0] != formForward {
		return nil, fault.New(fault.Version, "", "the entry was forwarded in form %d, this program reads form %d; upgrade this node", b[0], formForward)
	}
	p := &proposal{}
	if len(b) < 2+len(p.id) {
		return nil, fault.New(fault.Invalid, "", "%d bytes are no forwarded entry", len(b))
	}
	p.first, p.again = b[1]&flagFirst != 0, b[1]&flagAgain != 0
	copy(p.id[:], b[2:])
	b = b[2+len(p.id):]
	base, size := binary.Uvarint(b)
	if size <= 0 {
		return nil, fault.New(fault.Invalid, "", "the forwarded entry has no base")
	}
	p.base, p.entry = base, b[size:]
	// An entry that no node can read would stop them all.
	if e, err := entry.Read(p.entry); err != nil {
		return nil, fault.New(fault.Invalid, "", "the forwarded entry cannot be read: %w", err)
	} else if !e.Request.ID.IsZero() {
		return nil, fault.New(fault.Invalid, "", "the forwarded entry has a request already")
	}
	return p, nil
}

// answerPropose proposes what another node forwarded. It answers also where this node cannot: the other one
// must know whether to try again.
func (n *Node) answerPropose(ctx context.Context, p *proposal) ([]byte, error) {
	index, state, err := n.lead(ctx, p)
	v := verdict{State: state, Index: index}
	if err != nil {
		v.Kind, v.Text = fault.KindOf(err).String(), err.Error()
	}
	return model.Encode(v)
}

// forward brings a proposal to the leader at addr, and gives up when there may be another leader.
func (n *Node) forward(ctx, reign context.Context, addr string, p *proposal) (index uint64, _ state, err error) {
	// Whether the leader writes the request into the log is known before it is asked, or not at all: an old
	// node among the members may keep it from that.
	repeatable := p.again
	if !repeatable && !p.id.IsZero() {
		v, e := n.fsm.EntryVersion()
		if e == nil && v < requests && n.Fresh(ctx) == nil {
			v, e = n.fsm.EntryVersion()
		}
		repeatable = e == nil && v >= requests
	}
	if repeatable {
		var cancel context.CancelFunc
		ctx, cancel = during(ctx, reign)
		defer cancel()
	}
	b, err := n.peers.Call(ctx, addr, routePropose, forwardBody(p))
	var v verdict
	if err == nil {
		if e := model.Decode(b, &v); e != nil {
			err = fault.New(fault.Corrupt, "", "the answer does not decode: %w", e)
		}
	}
	switch {
	case fault.Is(err, fault.Version):
		return p.turnedAway(err)
	case fault.Is(err, fault.Denied) && p.first:
		// A leader that is stopping has no door for other nodes any more, and one that was just elected may not know this
		// node yet. Where it is meant, it is said until the patience ends.
		return 0, notTried, err
	case err != nil:
		return 0, uncertain(repeatable), fault.New(fault.Unreachable, "propose", "the leader at %s did not answer (%w)", addr, err)
	case v.Kind == "":
		return v.Index, v.State, nil
	}
	return v.Index, v.State, fault.New(fault.KindNamed(v.Kind), "", "%s", v.Text)
}

// during returns a context that ends with ctx and with the reign.
func during(ctx, reign context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(reign, func() { cancel(errReign) })
	return ctx, func() { stop(); cancel(nil) }
}

var errReign = fault.New(fault.Unreachable, "", "the leader changed meanwhile")
