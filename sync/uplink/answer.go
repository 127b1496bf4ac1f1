package uplink

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/wire"
)

const (
	maxAnswering = 16               // questions at once; more wait
	maxAnswer    = 64 << 20         // bytes of JSON, as at the asking side
	askTime      = 10 * time.Second // from the opening of a stream to the whole question
	answerTime   = 5 * time.Minute  // for finding and sending an answer; the asking side waits less
)

// answer serves the questions that the upper tier opens streams for, until ctx or the session ends,
// and joins what it started. That the session broke is for the items stream to report.
func (l *Link) answer(ctx context.Context, sess exchange.Session) {
	var serving sync.WaitGroup
	defer serving.Wait()
	slots := make(chan struct{}, maxAnswering)
	for {
		select {
		case <-ctx.Done():
			return
		case slots <- struct{}{}:
		}
		stream, err := sess.Accept(ctx)
		if err != nil {
			return
		}
		serving.Go(func() {
			defer func() { <-slots }()
			if err := l.serve(ctx, stream); err != nil && ctx.Err() == nil {
				l.Log.Warn("a question was not answered", "reason", err.Error())
			}
		})
	}
}

// serve reads one question and writes its answer, or the fault that stands in its place.
func (l *Link) serve(ctx context.Context, stream net.Conn) error {
	defer stream.Close()
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = stream.SetReadDeadline(time.Now().Add(askTime))
	raw, err := l.find(ctx, stream)
	if err != nil {
		_ = wire.WriteFault(stream, err)
		return err
	}
	for len(raw) > 0 {
		n := min(len(raw), wire.MaxChunk)
		if err := wire.WriteFrame(stream, wire.TypeAnswer, wire.Chunk(raw[:n])); err != nil {
			return err
		}
		raw = raw[n:]
	}
	return wire.WriteFrame(stream, wire.TypeEnd, nil)
}

// find reads the question and returns the JSON of its answer.
func (l *Link) find(ctx context.Context, stream net.Conn) ([]byte, error) {
	body, err := wire.Expect(stream, wire.TypeAsk, wire.MaxControl)
	if err != nil {
		return nil, err
	}
	q, err := wire.Decode[wire.Ask](body)
	if err != nil {
		return nil, err
	}
	answer, ok := l.Answers[q.Route]
	if !ok {
		return nil, fault.New(fault.NotFound, "", "%q does not answer %q questions: its version may be older than the one that asks", l.Name, q.Route)
	}
	v, err := answer(ctx, q.Params)
	if err != nil {
		return nil, fmt.Errorf("answer %q: %w", q.Route, err)
	}
	raw, err := model.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("answer %q: %w", q.Route, err)
	}
	if len(raw) > maxAnswer {
		return nil, fault.New(fault.TooLarge, "", "the answer to %q has %d bytes; the bound is %d", q.Route, len(raw), maxAnswer)
	}
	return raw, nil
}
