package hub

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/wire"
)

// The bounds of questions under way at once: of all members, and of one. More wait. One that is slow to answer does not
// keep the others from being asked.
const (
	maxAsking   = 256
	maxAskingOf = 16
)

// Ask puts a question to a member over its link and returns the JSON of the answer. The error is of
// kind Unreachable where the member has no link now, or the link breaks or stays silent; Busy where no place came
// free in time among the questions under way; TooLarge where the answer exceeds model.MaxAnswer; Invalid for what is
// no route; else of the kind that the member gave. Once ctx ends, the member is told to stop.
func (h *Hub) Ask(ctx context.Context, id model.NodeID, route string, params map[string]string) ([]byte, error) {
	if err := model.CheckRoute(route); err != nil {
		return nil, fault.New(fault.Invalid, "ask "+id.String(), "%w", err)
	}
	sess, name, turns, err := h.session(id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.AskTimeout,
		fault.New(fault.Unreachable, "ask "+name, "no answer came within %v; try again", h.AskTimeout))
	defer cancel()
	for _, places := range []chan struct{}{turns, h.asking} { // its own first: who waits for one holds none of all
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		case <-ctx.Done():
			return nil, fault.New(fault.Busy, "ask "+name, "as many questions as may be are under way already, and none of them ended in time; try again")
		}
	}
	answer, err := ask(ctx, sess, wire.Ask{Route: route, Params: params})
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return answer, fault.Wrap("ask "+name, err)
}

func ask(ctx context.Context, sess exchange.Session, q wire.Ask) ([]byte, error) {
	stream, err := sess.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := wire.WriteFrame(stream, wire.TypeAsk, q); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	most := model.MaxAnswer(q.Route)
	for {
		t, body, err := wire.ReadFrame(stream, wire.MaxFrame)
		switch {
		case errors.Is(err, io.EOF):
			return nil, fault.New(fault.Unreachable, "", "the link closed before the answer was whole")
		case err != nil:
			return nil, err
		}
		switch t {
		case wire.TypeAnswer:
			if out.Len()+len(body) > most {
				return nil, fault.New(fault.TooLarge, "", "the answer exceeds the bound of %d bytes", most)
			}
			out.Write(body)
		case wire.TypeEnd:
			return out.Bytes(), nil
		case wire.TypeFault:
			return nil, wire.FaultError(body)
		default:
			return nil, fault.New(fault.Corrupt, "", "got a %s frame in an answer", t)
		}
	}
}

// session returns the open link of a member with the places for questions on it, or an error that says since when
// there is none.
func (h *Hub) session(id model.NodeID) (exchange.Session, string, chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.links[id]
	switch {
	case !ok:
		return nil, "", nil, fault.New(fault.Unreachable, "", "%s has no link now; never seen since this server started; try again when it is back", id)
	case e.sess == nil:
		return nil, "", nil, fault.New(fault.Unreachable, "", "%s has no link now; last seen %s; try again when it is back",
			e.name, model.TimeOf(e.state.Since))
	}
	if e.asking == nil {
		e.asking = make(chan struct{}, maxAskingOf)
	}
	return e.sess, e.name, e.asking, nil
}
