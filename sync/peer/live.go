package peer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// pulse is when the other end of a session was heard last.
type pulse struct {
	heard atomic.Int64 // nanoseconds after start
	start time.Time
}

func newPulse() *pulse { return &pulse{start: time.Now()} }

func (p *pulse) feel() { p.heard.Store(int64(time.Since(p.start))) }

// silent returns how long nothing was heard.
func (p *pulse) silent() time.Duration { return time.Since(p.start) - time.Duration(p.heard.Load()) }

// watch returns when the session ends, or ctx, or when nothing was heard for too long; it then closes the
// session and says so.
func (m *Mesh) watch(ctx context.Context, s Session, p *pulse) error {
	t := time.NewTimer(m.silence)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			quiet := p.silent()
			if quiet >= m.silence {
				err := fault.New(fault.Unreachable, "", "the other controller has not been heard for %s", quiet.Round(100*time.Millisecond))
				_ = s.Close()
				return err
			}
			t.Reset(m.silence - quiet)
		case <-s.Done():
			return fault.New(fault.Unreachable, "", "the session to the other controller has ended")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// beats sends beats and reads those of the other end until the stream or ctx ends.
func (m *Mesh) beats(ctx context.Context, p *pipe) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = p.Conn.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer cancel()
		for {
			if t, err := p.next(); err != nil || t != pieceBeat {
				return
			}
		}
	})
	tick := time.NewTicker(m.beat)
	defer tick.Stop()
	beat := appendPiece(nil, pieceBeat, nil)
	for {
		if p.send(beat) != nil {
			cancel()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
