package uplink

import (
	"context"
	"errors"
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
	q, err := question(stream)
	var raw []byte
	if err == nil {
		_ = stream.SetReadDeadline(time.Time{})
		// Nothing more is to come by the stream but its end, when the one who asked is gone.
		gone, left := context.WithCancelCause(ctx)
		var watching sync.WaitGroup
		watching.Go(func() { _, _ = stream.Read(make([]byte, 1)); left(errGone) })
		defer func() { _ = stream.SetReadDeadline(time.Unix(1, 0)); watching.Wait() }()
		if raw, err = l.find(gone, q); err != nil && context.Cause(gone) == errGone {
			return fmt.Errorf("answer %q: %w", q.Route, errGone)
		}
	}
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

// errGone is why nothing more is done for a question.
var errGone = errors.New("the one who asked did not wait for it")

func question(stream net.Conn) (q wire.Ask, err error) {
	body, err := wire.Expect(stream, wire.TypeAsk, wire.MaxControl)
	if err != nil {
		return q, err
	}
	if q, err = wire.Decode[wire.Ask](body); err != nil {
		return q, err
	}
	if err := model.CheckRoute(q.Route); err != nil {
		return q, fault.New(fault.Invalid, "", "%w", err)
	}
	return q, nil
}

// find returns the JSON of a question's answer.
func (l *Link) find(ctx context.Context, q wire.Ask) ([]byte, error) {
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
	if most := model.MaxAnswer(q.Route); len(raw) > most {
		return nil, fault.New(fault.TooLarge, "", "the answer to %q has %d bytes; the bound is %d", q.Route, len(raw), most)
	}
	return raw, nil
}
