package hub

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/wire"
)

const (
	aliveTime    = 3 * time.Second  // within which a process that lives answers
	proof        = 2                // attempts of one process, while another with its key lived, that prove a copy
	rivalWait    = 3 * time.Second  // what a rival is told to wait before the attempt that proves it
	standingWait = 20 * time.Second // what one that is not let in for now is told to wait
	cloneWait    = 10 * time.Minute // what one that is refused for good is told to wait
	maxRivals    = 16               // processes that are counted beside one
	lookEvery    = time.Second      // how often the standing of a member is looked at, at the most
)

// meet lets a member in, or not, by what it says of its process and machine, and keeps that.
func (h *Hub) meet(ctx context.Context, s exchange.Session, m model.Member, hello wire.Hello, log *slog.Logger) error {
	if !h.Single {
		return nil
	}
	if h.Member != nil {
		now, ok, err := h.Member(m.ID)
		if err != nil {
			return err
		}
		if ok {
			m = now
		}
	}
	if err := h.rival(ctx, s, m, hello, log); err != nil {
		h.copies.Add(1)
		return err
	}
	if hello.Can == nil && hello.Machine == "" || hello.Software == m.Software && reflect.DeepEqual(hello.Can, m.Can) && m.Machine != "" {
		return nil // of a version that does not say, or said before
	}
	err := h.Proposer.Propose(ctx, model.Introduced{
		Stamp: h.stamp(), Member: m.ID, Machine: hello.Machine, Software: hello.Software, Can: hello.Can,
	})
	if err != nil {
		log.Warn("what the agent says of itself was not kept; it is asked again when it comes back", "reason", err.Error())
	}
	return nil
}

func (h *Hub) stamp() model.Stamp { return model.Stamp{Actor: "system", At: model.TimeOf(h.Now())} }

// rival refuses a process that uses the key of another one that lives. A copy of a machine is proved by an answer of the one
// while the other is at the door, twice: the newer of two that only follow each other, as after a restart, finds that
// the older one does not answer, and takes its place.
//
// Where the machines differ, the one that came first goes on, or the one that the registry knows; the other is refused from
// then on. Where they do not, nobody can say who is who, and both are refused until the member has a new key.
func (h *Hub) rival(ctx context.Context, s exchange.Session, m model.Member, hello wire.Hello, log *slog.Logger) error {
	if hello.Machine != "" && hello.Machine != m.Machine &&
		slices.ContainsFunc(m.Clones, func(c model.Clone) bool { return c.Machine == hello.Machine }) {
		return cloned(m)
	}
	h.mu.Lock()
	old := h.links[m.ID]
	if old == nil || old.sess == nil || old.run == "" || hello.Run == "" || old.run == hello.Run {
		h.mu.Unlock()
		return nil
	}
	sess := old.sess
	h.mu.Unlock()
	if !alive(ctx, sess) || over(s) {
		return nil
	}
	h.mu.Lock()
	if old.rivals == nil || len(old.rivals) >= maxRivals {
		old.rivals = map[string]int{}
	}
	old.rivals[hello.Run]++
	n := old.rivals[hello.Run]
	h.mu.Unlock()
	remote := s.Peer().Remote
	if n < proof {
		log.Warn("another process answers with the key of this member", "run", hello.Run)
		return fault.Later(fault.New(fault.Conflict, "", "another machine is here with the key of %s %q: if this one is a copy of it, it is refused", m.Kind, m.Name), rivalWait)
	}
	if old.machine == "" || hello.Machine == "" || old.machine == hello.Machine {
		err := h.Proposer.Propose(ctx, model.Quarantine{Stamp: h.stamp(), Member: m.ID, Machine: hello.Machine, Remote: remote})
		if err != nil {
			return err
		}
		m.Status, m.Reason = model.MemberQuarantined, "another machine uses its key"
		err = Standing(m)
		h.End(m.ID, err)
		return err
	}
	kept, clone := old.machine, model.Clone{Machine: hello.Machine, Remote: remote}
	newer := hello.Machine == m.Machine // the one that is known came back to find its copy here
	if newer {
		h.mu.Lock()
		kept, clone = hello.Machine, model.Clone{Machine: old.machine, Remote: old.state.Remote}
		h.mu.Unlock()
	}
	err := h.Proposer.Propose(ctx, model.Quarantine{Stamp: h.stamp(), Member: m.ID, Kept: kept, Machine: clone.Machine, Remote: clone.Remote})
	if err != nil {
		return err
	}
	if newer {
		h.End(m.ID, cloned(m))
		return nil
	}
	return cloned(m)
}

// Copies returns how many links were refused because another one lived with the same key.
func (h *Hub) Copies() uint64 { return h.copies.Load() }

func cloned(m model.Member) error {
	return fault.Later(fault.New(fault.Denied, "", "this machine is a copy of the one that is %s %q here: enroll it as a new host, with a new token and an empty data folder", m.Kind, m.Name), cloneWait)
}

// Standing says why a member is not let in; nil: it is.
func Standing(m model.Member) error {
	if m.Status == model.MemberEnrolled {
		return nil
	}
	why := ""
	if m.Reason != "" {
		why = " (" + m.Reason + ")"
	}
	return fault.Later(fault.New(fault.Denied, "", "%s %q is %s here%s: ask an operator of this server", m.Kind, m.Name, m.Status, why), standingWait)
}

// End ends the link of a member, which is told why; one without a link is no error.
func (h *Hub) End(id model.NodeID, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.links[id]; e != nil && e.end != nil {
		e.end(why)
	}
}

// heard notes a frame of a member, and now and then whether it may still be here: what was decided elsewhere is seen so.
func (h *Hub) heard(e *entry, m model.Member) {
	now := h.Now().UnixNano()
	e.heard.Store(now)
	h.Heard(m)
	if h.Member == nil || now-e.looked.Load() < int64(lookEvery) {
		return
	}
	e.looked.Store(now)
	if is, ok, err := h.Member(m.ID); err == nil && ok && is.Status != model.MemberEnrolled {
		h.End(m.ID, Standing(is))
	}
}

// alive reports whether the process at the other end of a session answers, be it that it does not know the question.
func alive(ctx context.Context, s exchange.Session) bool {
	ctx, cancel := context.WithTimeout(ctx, aliveTime)
	defer cancel()
	stream, err := s.Open(ctx)
	if err != nil {
		return false
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if wire.WriteFrame(stream, wire.TypeAsk, wire.Ask{Route: model.RouteAlive}) != nil {
		return false
	}
	_, _, err = wire.ReadFrame(stream, wire.MaxControl)
	return err == nil
}

// over reports whether a session has ended.
func over(s exchange.Session) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}
