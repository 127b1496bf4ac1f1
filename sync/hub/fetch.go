package hub

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/wire"
)

// Bundle is a file with the changes of the advisories after one cursor, through another.
type Bundle struct {
	wire.Fetched // Offset is zero
	File         io.ReaderAt
	Close        func() // called once, when nobody reads File any more
}

// Bundles returns the bundle for a member that holds the changes through from: its own From is at or before that. part,
// if not nil, is a file of which the member has the beginning, and which is given before a newer one where it is still there.
// The error is of kind NotFound where there is nothing new; it reaches the member, with what it says of when to try again.
type Bundles func(ctx context.Context, member model.NodeID, from model.Cursor, part *wire.Fetched) (Bundle, error)

const (
	// maxFetching bounds how many members fetch at once; others are told to come again. Each takes two pieces of memory.
	maxFetching = 1024
	fetchWait   = 5 * time.Second // what one that finds no place is told to wait, at the least
	// fetchStall is how long one piece may take on its way: on the thinnest line that can be configured, beside all else.
	fetchStall = 2 * time.Minute
)

// fetches serves the streams that a member opens beside its items, until the session or ctx ends, and joins what it
// started. A new one takes the place of the one before, whose end may not have been noticed yet.
func (h *Hub) fetches(ctx context.Context, s exchange.Session, m *model.Member) {
	var serving sync.WaitGroup
	stop := func() {}
	defer func() { stop(); serving.Wait() }()
	for {
		stream, err := s.Accept(ctx)
		if err != nil {
			return
		}
		stop()
		serving.Wait()
		stop = h.beginFetch(ctx, &serving, stream, func(err error) {
			h.told(s, m, "a bundle was not fetched to its end", "reason", err.Error())
		}, m)
	}
}

// beginFetch serves one stream, until stop is called.
func (h *Hub) beginFetch(ctx context.Context, serving *sync.WaitGroup, stream net.Conn, failed func(error), m *model.Member) (stop func()) {
	ctx, stop = context.WithCancel(ctx)
	serving.Go(func() {
		defer stream.Close()
		if err := h.fetch(ctx, stream, m); err != nil && ctx.Err() == nil {
			failed(err)
		}
	})
	return stop
}

// fetch reads what a member asks for, and sends it, or says why not.
func (h *Hub) fetch(ctx context.Context, stream net.Conn, m *model.Member) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })()
	_ = stream.SetDeadline(time.Now().Add(h.HelloTimeout))
	body, err := wire.Expect(stream, wire.TypeFetch, wire.MaxControl)
	if err != nil {
		return err
	}
	q, err := wire.Decode[wire.Fetch](body)
	if err == nil {
		_ = stream.SetDeadline(time.Time{})
		// Nothing more is to come by the stream but its end, when the member has gone.
		var watching sync.WaitGroup
		watching.Go(func() { _, _ = stream.Read(make([]byte, 1)); cancel() })
		defer func() { _ = stream.SetReadDeadline(time.Unix(1, 0)); watching.Wait() }()
		select {
		case h.fetching <- struct{}{}:
			defer func() { <-h.fetching }()
			err = h.send(ctx, stream, m.ID, q)
		default:
			err = fault.Later(fault.New(fault.Busy, "", "%d members fetch advisories at this moment, which is as many as may; this one has its turn later", maxFetching),
				fetchWait+h.Jitter(fetchWait))
		}
	}
	if err != nil && ctx.Err() == nil {
		_ = stream.SetWriteDeadline(time.Now().Add(lastWord))
		_ = wire.WriteFault(stream, err)
	}
	return err
}

// send sends the bundle that q asks for.
func (h *Hub) send(ctx context.Context, stream net.Conn, member model.NodeID, q wire.Fetch) error {
	b, err := h.Bundles(ctx, member, q.From, q.Part)
	if err != nil {
		return err
	}
	defer b.Close()
	head := b.Fetched
	if head.Offset = 0; q.Part != nil && q.Part.Same(head) {
		head.Offset = q.Part.Offset
	}
	write := func(t wire.Type, body any) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_ = stream.SetWriteDeadline(time.Now().Add(fetchStall))
		return wire.WriteFrame(stream, t, body)
	}
	if err := write(wire.TypeFetched, head); err != nil {
		return err
	}
	piece := make([]byte, wire.MaxChunk)
	for at := head.Offset; at < head.Size; {
		n, err := b.File.ReadAt(piece[:min(int64(len(piece)), head.Size-at)], at)
		if n == 0 {
			return fault.New(fault.Other, "", "read the bundle at byte %d of %d: %w", at, head.Size, err)
		}
		if err := write(wire.TypeAnswer, wire.Chunk(piece[:n])); err != nil {
			return err
		}
		at += int64(n)
	}
	return write(wire.TypeEnd, nil)
}
