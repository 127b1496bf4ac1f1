package uplink

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/wire"
)

const (
	// fetchMade is how long the upper tier may take before the first byte: it may have to make the file.
	fetchMade = 5 * time.Minute
	// fetchStall is how long one piece may take on its way: on the thinnest line that can be configured, beside all else.
	fetchStall = 2 * time.Minute
)

// linked notes the session of the link that is open now; nil: there is none.
func (l *Link) linked(s exchange.Session, version int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sess, l.version = s, version
}

// Fetch brings the upper tier's changes after from into d, as a bundle whose bytes are those that were announced; what it
// says is for others to verify. It goes on with what d has. The error is of kind Unreachable where there is no link or it
// breaks, and what came is kept then; Version where the upper tier is of a version that has nothing to fetch; Busy with a time
// to try again (fault.RetryAfter) where the window closed or the upper tier asks for it; NotFound where there is nothing new;
// Corrupt where other bytes came than were announced, and nothing is kept.
func (l *Link) Fetch(ctx context.Context, from model.Cursor, d *Download) (wire.Fetched, error) {
	d.busy.Lock()
	defer d.busy.Unlock()
	head, err := l.fetch(ctx, from, d)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return head, fault.Wrap("fetch advisories", err)
}

// Renewed reports whether the upper tier has another file now for who holds from than the one that is whole in d: one that was
// fetched and refused need not come again as long as it is the same. What d has stays. Errors are as those of Fetch.
func (l *Link) Renewed(ctx context.Context, from model.Cursor, d *Download) (bool, error) {
	const op = "ask for other advisories"
	d.busy.Lock()
	defer d.busy.Unlock()
	part := d.part(from)
	l.mu.Lock()
	sess := l.sess
	l.mu.Unlock()
	switch {
	case part == nil || part.Offset != part.Size:
		return true, nil
	case sess == nil:
		return false, fault.New(fault.Unreachable, op, "there is no link to the tier above now")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := streamOf(ctx, sess)
	if err != nil {
		return false, fault.Wrap(op, err)
	}
	defer stream.Close()
	head, err := ask(stream, wire.Fetch{From: from, Part: part})
	return err == nil && !head.Same(*part), fault.Wrap(op, err)
}

// streamOf opens a stream that breaks when ctx ends.
func streamOf(ctx context.Context, sess exchange.Session) (net.Conn, error) {
	stream, err := sess.Open(ctx)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	return stream, nil
}

func (l *Link) fetch(ctx context.Context, from model.Cursor, d *Download) (wire.Fetched, error) {
	if part := d.part(from); part != nil && part.Offset == part.Size { // it was whole, and nobody took it in
		if err := d.whole(); err != nil {
			return wire.Fetched{}, err
		}
		return d.head, nil
	}
	l.mu.Lock()
	sess, version, upper := l.sess, l.version, l.state.Upper
	l.mu.Unlock()
	switch {
	case sess == nil:
		return wire.Fetched{}, fault.New(fault.Unreachable, "", "there is no link to the tier above now")
	case version < wire.VersionFetch:
		return wire.Fetched{}, fault.New(fault.Version, "", "%q speaks link protocol %d, which has no advisories to fetch: upgrade it, or carry a bundle over", upper, version)
	}
	if err := l.inWindow(); err != nil {
		return wire.Fetched{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := streamOf(ctx, sess)
	if err != nil {
		return wire.Fetched{}, err
	}
	defer stream.Close()
	head, err := ask(stream, wire.Fetch{From: from, Part: d.part(from)})
	if err != nil {
		return head, err
	}
	if head.From.Compare(from) > 0 {
		return head, fault.New(fault.Corrupt, "", "the bundle begins after %q, and only what is before %q is held here", head.From, from)
	}
	if d.Admit != nil {
		if err := d.Admit(head); err != nil {
			return head, err
		}
	}
	f, err := d.begin(head)
	if err != nil {
		return head, err
	}
	if err := l.pieces(ctx, stream, f, d); err != nil {
		return head, errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return head, fault.New(fault.ReadOnly, "", "%w", err)
	}
	return head, d.whole()
}

// ask puts the question and reads the head of the answer.
func ask(stream net.Conn, q wire.Fetch) (wire.Fetched, error) {
	_ = stream.SetWriteDeadline(time.Now().Add(fetchStall))
	if err := wire.WriteFrame(stream, wire.TypeFetch, q); err != nil {
		return wire.Fetched{}, err
	}
	_ = stream.SetReadDeadline(time.Now().Add(fetchMade))
	body, err := wire.Expect(stream, wire.TypeFetched, wire.MaxControl)
	if err != nil {
		return wire.Fetched{}, err
	}
	return wire.Decode[wire.Fetched](body)
}

// pieces takes the rest of the file from the stream.
func (l *Link) pieces(ctx context.Context, stream net.Conn, f *os.File, d *Download) error {
	for ctx.Err() == nil {
		if err := l.inWindow(); err != nil {
			return err
		}
		_ = stream.SetReadDeadline(time.Now().Add(fetchStall))
		t, body, err := wire.ReadFrame(stream, wire.MaxFrame)
		switch {
		case errors.Is(err, io.EOF):
			return fault.New(fault.Unreachable, "", "the link closed before the file was whole")
		case err != nil:
			return err
		}
		switch t {
		case wire.TypeAnswer:
			if err := d.add(f, body); err != nil {
				return err
			}
		case wire.TypeEnd:
			if have, size := d.Progress(); have != size {
				return fault.New(fault.Corrupt, "", "the other side ended the file at byte %d of %d", have, size)
			}
			return nil
		case wire.TypeFault:
			return wire.FaultError(body)
		default:
			return fault.New(fault.Corrupt, "", "got a %s frame in a file", t)
		}
	}
	return context.Cause(ctx)
}

// inWindow is an error while the window is closed, which says when it opens.
func (l *Link) inWindow() error {
	closed, reopens := l.closed()
	if !closed {
		return nil
	}
	return fault.Later(fault.New(fault.Busy, "", "the window of the line is closed"), reopens)
}
