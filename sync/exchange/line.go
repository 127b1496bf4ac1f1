package exchange

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/wire"
)

const (
	writeStep    = 16 << 10    // bytes that must get through within the silence
	farewellTime = time.Second // how long the last word may take

	// How long the body of a frame that holds room may take, if the other side is what it waits for: lateGrace, and a second for each
	// lateBytes that came, up to lateMost. A larger item than comes in that time goes in parts.
	lateGrace = time.Minute
	lateBytes = 8 << 10
	lateMost  = 5 * time.Minute
)

// line is a stream whose reads and writes fail when the other side makes no progress for a while. The
// deadline moves with every piece, so that a slow line is not taken for a dead one.
type line struct {
	s       Stream
	silence time.Duration

	// Of who reads.
	since time.Time // when the frame at hand began to hold room; zero: it holds none
	got   int       // bytes of it that came since
	late  error     // it held it for too long

	out   turn      // held while a frame is written, so that frames do not mix
	wrote time.Time // when the last frame was written; guarded by out
	torn  bool      // a frame was written in part: nothing may follow; guarded by out

	mu      sync.Mutex // guards what follows, and the deadlines against it
	stopped bool       // reads and writes are over
	parting bool       // the last word is being said; interrupt leaves it alone
}

// turn is a mutex that is held across I/O. It is a channel because a test with a fake clock sees that
// one who waits for a channel is waiting, and one who waits for a sync.Mutex is not.
type turn chan struct{}

func newTurn() turn    { return make(turn, 1) }
func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

// TryLock takes the turn if nobody has it.
func (t turn) TryLock() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func newLine(s Stream, silence time.Duration) *line {
	return &line{s: s, silence: silence, out: newTurn(), wrote: time.Now()}
}

// Read implements io.Reader for one goroutine.
func (l *line) Read(p []byte) (int, error) {
	silent := time.Now().Add(l.silence)
	end := silent
	if !l.since.IsZero() {
		if due := l.since.Add(min(lateGrace+time.Duration(l.got)*time.Second/lateBytes, lateMost)); due.Before(silent) {
			end = due
		}
	}
	if err := l.extend(l.s.SetReadDeadline, end); err != nil {
		return 0, err
	}
	n, err := l.s.Read(p)
	l.got += n
	if n == 0 && timedOut(err) {
		if end != silent {
			l.late = fault.New(fault.Busy, "", "of a report that holds room which others need, %d bytes came in %v, and nothing more; it is tried again later",
				l.got, time.Since(l.since).Round(time.Second))
			return 0, l.late
		}
		return 0, fault.New(fault.Unreachable, "", "nothing was heard from the other side for %v", l.silence)
	}
	return n, err
}

// write sends one whole frame.
func (l *line) write(t wire.Type, body any) error {
	frame, err := wire.AppendFrame(nil, t, body)
	if err != nil {
		return err
	}
	l.out.Lock()
	defer l.out.Unlock()
	if l.torn {
		return fault.New(fault.Unreachable, "", "the link is broken")
	}
	for rest := frame; len(rest) > 0; {
		l.torn = len(rest) < len(frame)
		if err := l.extend(l.s.SetWriteDeadline, time.Now().Add(l.silence)); err != nil {
			return err
		}
		n, err := l.s.Write(rest[:min(len(rest), writeStep)])
		rest = rest[n:]
		switch {
		case err == nil, n > 0 && timedOut(err): // slow, but it moves
		case timedOut(err):
			return fault.New(fault.Unreachable, "", "the other side took nothing for %v", l.silence)
		default:
			l.torn = len(rest) < len(frame)
			return fault.New(fault.Unreachable, "", "write to the link: %w", err)
		}
	}
	l.torn = false
	l.wrote = time.Now()
	return nil
}

// idle returns how long ago the last frame was written.
func (l *line) idle() time.Duration {
	l.out.Lock()
	defer l.out.Unlock()
	return time.Since(l.wrote)
}

// shrink lets go of what a stream holds for what has been read long ago: of ten thousand links most are idle.
func (l *line) shrink() {
	if s, ok := l.s.(interface{ Shrink() }); ok {
		s.Shrink()
	}
}

// hold has what comes wait on the line, or no more, where the stream can.
func (l *line) hold(on bool) {
	if s, ok := l.s.(interface{ Hold(bool) }); ok {
		s.Hold(on)
	}
}

// came returns how many bytes came on the link, read or not; zero where the stream does not know.
func (l *line) came() uint64 {
	if s, ok := l.s.(interface{ Came() uint64 }); ok {
		return s.Came()
	}
	return 0
}

// holds says that what comes now holds room, which others may wait for, or no more.
func (l *line) holds(on bool) {
	if l.since, l.got = (time.Time{}), 0; on {
		l.since = time.Now()
	}
}

// extend gives a read or write that is about to start its time.
func (l *line) extend(set func(time.Time) error, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return fault.New(fault.Unreachable, "", "the link is closing")
	}
	_ = set(until) // on a stream that is closed the read or write itself tells
	return nil
}

// interrupt makes every read and write return at once, now and later.
func (l *line) interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.parting {
		return
	}
	_ = l.s.SetReadDeadline(time.Unix(1, 0))
	_ = l.s.SetWriteDeadline(time.Unix(1, 0))
}

// farewell says why this side goes, as far as the other one still listens. Where this side was merely
// told to stop that is an End. No other write may be under way or follow.
func (l *line) farewell(err error) {
	l.out.Lock()
	defer l.out.Unlock()
	if l.torn {
		return
	}
	l.mu.Lock()
	l.parting = true
	_ = l.s.SetWriteDeadline(time.Now().Add(farewellTime))
	l.mu.Unlock()
	if errors.Is(err, context.Canceled) {
		_ = wire.WriteFrame(l.s, wire.TypeEnd, nil)
		return
	}
	_ = wire.WriteFault(l.s, err)
}

func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}
