package peer

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// pipe is one stream in the form of pieces: a net.Conn whose end can be told from a cut, and whose errors
// cross it. One goroutine reads and one writes.
type pipe struct {
	net.Conn
	alive *pulse
	stall time.Duration

	got  int            // bytes of head that were read
	head [pieceLen]byte // of the piece that is being read
	left int            // bytes of its data that were not read yet
	in   error          // why nothing more can be read
	said error          // the fault that the other end sent
	// ahead is set while the first byte to come is being read by lookAhead, and closed when that is over.
	ahead chan struct{}

	mu  sync.Mutex // guards what follows, and the order of what is written
	out error      // why nothing more can be written
	buf []byte

	limits sync.Mutex // guards limit, and that the connection's deadline follows it
	limit  time.Time  // the writer's own deadline
}

func newPipe(c net.Conn, alive *pulse, stall time.Duration) *pipe {
	return &pipe{Conn: c, alive: alive, stall: stall}
}

// reader notes what it reads as a sign of life.
type reader struct{ p *pipe }

func (r reader) Read(b []byte) (int, error) {
	n, err := r.p.Conn.Read(b)
	if n > 0 {
		r.p.alive.feel()
	}
	return n, err
}

// raw reads without the form of pieces, for the head of a stream.
func (p *pipe) raw() io.Reader { return reader{p} }

// lookAhead notices that the other end has left while nobody reads: it then calls gone, and ends what is
// being written. The byte that it meets instead is the first that next sees.
func (p *pipe) lookAhead(gone func()) {
	p.ahead = make(chan struct{})
	go func() {
		defer close(p.ahead)
		n, err := p.raw().Read(p.head[:1])
		if p.got = n; n > 0 || isTimeout(err) {
			return
		}
		gone()
		_ = p.SetWriteDeadline(time.Unix(1, 0))
	}()
}

// lookBack ends lookAhead, and with it what can be read.
func (p *pipe) lookBack() {
	if p.ahead != nil {
		_ = p.SetReadDeadline(time.Unix(1, 0))
		<-p.ahead
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// next reads the head of the next piece, and the whole of one without data. It returns the error that ends
// what can be read: io.EOF for the proper end, and the other end's own where it sent one. A deadline that
// passes ends nothing.
func (p *pipe) next() (pieceType, error) {
	if p.ahead != nil {
		<-p.ahead
		p.ahead = nil
	}
	if p.in != nil {
		return 0, p.in
	}
	for p.got < pieceLen {
		n, err := p.raw().Read(p.head[p.got:])
		if p.got += n; p.got < pieceLen && err != nil {
			return 0, p.broke(err)
		}
	}
	p.got = 0
	t, n, err := parsePiece(p.head)
	switch {
	case err != nil:
	case t == pieceEnd:
		err = io.EOF
	case t == pieceFault:
		b := make([]byte, n)
		if _, err = io.ReadFull(p.raw(), b); err != nil {
			err = cut(err)
		} else {
			p.said = parseFault(b)
			err = p.said
		}
	case t == pieceData:
		p.left = n
	}
	p.in = err
	return t, err
}

// broke is the error of a read that failed. It is for good, unless it was a deadline that passed.
func (p *pipe) broke(err error) error {
	if isTimeout(err) {
		return err
	}
	p.in = cut(err)
	return p.in
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if p.left > 0 && p.in != nil {
		return 0, p.in
	}
	for p.left == 0 {
		t, err := p.next()
		if err != nil {
			return 0, err
		}
		if t != pieceData {
			p.in = fault.New(fault.Corrupt, "", "a piece of type %d has no place in a stream", t)
			return 0, p.in
		}
	}
	n, err := p.raw().Read(b[:min(len(b), p.left)])
	if p.left -= n; n > 0 || err == nil {
		return n, nil
	}
	return 0, p.broke(err)
}

// Write implements io.Writer. Each piece must get through within the time that a stalled peer is given.
func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := 0
	for done < len(b) {
		n := min(len(b)-done, maxPiece)
		if err := p.sendLocked(appendPiece(p.buf[:0], pieceData, b[done:done+n])); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// send writes one piece whole.
func (p *pipe) send(piece []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sendLocked(piece)
}

func (p *pipe) sendLocked(piece []byte) error {
	p.buf = piece[:0]
	if p.out != nil {
		return p.out
	}
	p.limits.Lock()
	until := time.Now().Add(p.stall)
	if !p.limit.IsZero() && p.limit.Before(until) {
		until = p.limit
	}
	_ = p.Conn.SetWriteDeadline(until)
	p.limits.Unlock()
	if _, err := p.Conn.Write(piece); err != nil {
		p.out = fault.New(fault.Unreachable, "", "write to the other controller: %w", err) // a piece may be half there
	}
	return p.out
}

// finish ends what this end sends: properly, or with an error for the other end.
func (p *pipe) finish(err error) error {
	piece := appendPiece(nil, pieceEnd, nil)
	if err != nil {
		piece = appendFault(nil, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.sendLocked(piece)
	if err == nil {
		p.out = fault.New(fault.Invalid, "", "the stream was ended by this end")
	}
	return err
}

// CloseWrite ends what this end sends; the other end reads io.EOF. What it sends can still be read.
func (p *pipe) CloseWrite() error { return p.finish(nil) }

// SetWriteDeadline implements net.Conn; the time for a stalled peer holds as well. A write that it breaks
// off ends what this end sends.
func (p *pipe) SetWriteDeadline(t time.Time) error {
	p.limits.Lock()
	defer p.limits.Unlock()
	p.limit = t
	return p.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (p *pipe) SetDeadline(t time.Time) error {
	return errors.Join(p.Conn.SetReadDeadline(t), p.SetWriteDeadline(t))
}
