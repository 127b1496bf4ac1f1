package peer

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/link"
)

// The bytes of version 1, which every later version reads.
func TestBytes(t *testing.T) {
	h := head{kind: kindCall, route: "raft/propose", wait: 30 * time.Second, size: 5}
	b, err := appendHead(nil, h)
	if err != nil || hex.EncodeToString(b) != "0101000c0000753000000005"+hex.EncodeToString([]byte("raft/propose")) {
		t.Errorf("a head is %x, %v", b, err)
	}
	if got, err := readHead(bytes.NewReader(b)); err != nil || got != h {
		t.Errorf("read as %+v, %v", got, err)
	}
	for want, got := range map[string][]byte{
		"01000003616263": appendPiece(nil, pieceData, []byte("abc")),
		"02000000":       appendPiece(nil, pieceEnd, nil),
		"03000003056e6f": appendFault(nil, fault.New(fault.Denied, "", "no")),
		"04000000":       appendPiece(nil, pieceOpen, nil),
		"05000000":       appendPiece(nil, pieceBeat, nil),
	} {
		if hex.EncodeToString(got) != want {
			t.Errorf("a piece is %x, want %s", got, want)
		}
	}
	if b, err = appendHead(nil, head{kind: kindCall, route: "a", wait: time.Nanosecond}); err != nil || b[7] != 1 {
		t.Errorf("hardly any time is %x, %v", b, err)
	}
	if b, err = appendHead(nil, head{kind: kindCall, route: "a", wait: 1000 * time.Hour}); err != nil {
		t.Error(err)
	} else if got, err := readHead(bytes.NewReader(b)); err != nil || got.wait != maxTime {
		t.Errorf("a long wait is read as %s, %v", got.wait, err)
	}
}

// scripted is the far end of a stream that says what it is told to.
type scripted struct {
	io.Reader
	wrote bytes.Buffer
}

func (s *scripted) Write(b []byte) (int, error)                  { return s.wrote.Write(b) }
func (*scripted) Close() error                                   { return nil }
func (*scripted) LocalAddr() net.Addr                            { return nil }
func (*scripted) RemoteAddr() net.Addr                           { return nil }
func (*scripted) SetDeadline(time.Time) error                    { return nil }
func (*scripted) SetReadDeadline(time.Time) error                { return nil }
func (*scripted) SetWriteDeadline(time.Time) error               { return nil }
func (*scripted) Accept(context.Context) (c net.Conn, err error) { return nil, io.EOF }

var badHeads = map[string]struct {
	b    []byte
	want fault.Kind
}{
	"nothing":        {nil, fault.Unreachable},
	"half a head":    {[]byte{1, 1, 0}, fault.Unreachable},
	"half a route":   {[]byte{1, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 'a'}, fault.Unreachable},
	"version 0":      {[]byte{0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'a'}, fault.Corrupt},
	"version 2":      {[]byte{2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'a'}, fault.Version},
	"kind 0":         {[]byte{1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'a'}, fault.Corrupt},
	"kind 4":         {[]byte{1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'a'}, fault.Version},
	"no route":       {[]byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, fault.Corrupt},
	"a long route":   {append([]byte{1, 1, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte("a"), 65)...), fault.Corrupt},
	"a bad route":    {[]byte{1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, '\x1b'}, fault.Corrupt},
	"a day":          {[]byte{1, 1, 0, 1, 5, 0x26, 0x5c, 0, 0, 0, 0, 0, 'a'}, fault.Corrupt},
	"a large body":   {[]byte{1, 1, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'a'}, fault.TooLarge},
	"another tongue": {[]byte("GET / HTTP/1.1\r\n\r\n"), fault.Version},
}

func TestBadHeads(t *testing.T) {
	for name, c := range badHeads {
		if h, err := readHead(bytes.NewReader(c.b)); !fault.Is(err, c.want) {
			t.Errorf("%s: %+v, kind %s: %v", name, h, fault.KindOf(err), err)
		}
	}
}

func TestBadPieces(t *testing.T) {
	for name, b := range map[string][]byte{
		"type 0":         {0, 0, 0, 1, 'a'},
		"type 6":         {6, 0, 0, 0},
		"no data":        {1, 0, 0, 0},
		"much data":      {1, 1, 0, 1},
		"a full end":     {2, 0, 0, 1, 'a'},
		"an empty fault": {3, 0, 0, 0},
		"a long fault":   {3, 0, 0x10, 2},
		"opened twice":   {4, 0, 0, 0},
		"a beat":         {5, 0, 0, 0},
	} {
		p := newPipe(&scripted{Reader: bytes.NewReader(b)}, newPulse(), time.Second)
		if _, err := p.Read(make([]byte, 10)); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever speaks nonsense is answered where that is possible, and hurts nobody else.
func TestNonsense(t *testing.T) {
	g := newGroup(t)
	b := g.node("b", func(m *Mesh) { m.Handle("echo", echo) })
	a := g.node("a", nil)
	s, err := link.Dial(t.Context(), b.addr, a.id.DialNode(link.ProtoPeer, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, c := range badHeads {
		conn, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(c.b); err != nil {
			t.Fatal(err)
		}
		if c.want == fault.Unreachable { // it would wait for more
			conn.Close()
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		p := newPipe(conn, newPulse(), time.Second)
		if _, err := p.next(); p.said == nil || !fault.Is(p.said, c.want) {
			t.Errorf("%s: answered with %v, %v", name, p.said, err)
		}
		conn.Close()
	}
	if _, err := a.Call(t.Context(), b.addr, "echo", nil); err != nil {
		t.Error(err)
	}
}

// fake is a session with nodes that answer with given bytes.
type fake struct {
	answer []byte
	done   chan struct{}
}

func (f *fake) Open(context.Context) (net.Conn, error) {
	return &scripted{Reader: io.MultiReader(bytes.NewReader(f.answer))}, nil
}
func (f *fake) Accept(context.Context) (net.Conn, error) { return nil, errors.New("nobody calls") }
func (f *fake) Done() <-chan struct{}                    { return f.done }
func (f *fake) Close() error                             { return nil }

// An answer that is none is an error, however it is spoilt.
func TestNonsenseAnswers(t *testing.T) {
	whole := appendPiece(appendPiece(nil, pieceData, []byte("abc")), pieceEnd, nil)
	for name, c := range map[string]struct {
		answer []byte
		want   fault.Kind // 0: it is a good one
	}{
		"whole":           {whole, 0},
		"nothing":         {nil, fault.Unreachable},
		"no end":          {whole[:7], fault.Unreachable},
		"half an end":     {whole[:9], fault.Unreachable},
		"half a piece":    {whole[:6], fault.Unreachable},
		"half a fault":    {appendFault(nil, fault.New(fault.Denied, "", "no"))[:6], fault.Unreachable},
		"a fault":         {appendFault(nil, fault.New(fault.Denied, "", "no")), fault.Denied},
		"an empty fault":  {[]byte{3, 0, 0, 1, 5}, fault.Denied},
		"an unknown kind": {[]byte{3, 0, 0, 2, 200, 'x'}, fault.Kind(200)},
		"an opening":      {appendPiece(nil, pieceOpen, nil), fault.Corrupt},
		"HTTP":            {[]byte("HTTP/1.0 200 OK\r\n"), fault.Corrupt},
	} {
		m := New(Config{Dial: func(context.Context, string) (Session, error) {
			return &fake{c.answer, make(chan struct{})}, nil
		}})
		got, err := m.Call(t.Context(), "x:1", "echo", nil)
		if c.want == 0 && (err != nil || string(got) != "abc") || c.want != 0 && !fault.Is(err, c.want) {
			t.Errorf("%s: %q, kind %s: %v", name, got, fault.KindOf(err), err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	endless := New(Config{Dial: func(context.Context, string) (Session, error) { return &endlessSession{make(chan struct{})}, nil }})
	defer endless.Close()
	if _, err := endless.Call(t.Context(), "x:1", "echo", nil); !fault.Is(err, fault.TooLarge) {
		t.Errorf("an endless answer: %v", err)
	}
}

type endlessSession struct{ done chan struct{} }

func (f *endlessSession) Open(context.Context) (net.Conn, error) {
	return &scripted{Reader: &repeat{}}, nil
}

func (f *endlessSession) Accept(context.Context) (net.Conn, error) {
	return nil, errors.New("nobody calls")
}
func (f *endlessSession) Done() <-chan struct{} { return f.done }
func (f *endlessSession) Close() error          { return nil }

// repeat gives the same piece for ever.
type repeat struct{ left []byte }

func (r *repeat) Read(b []byte) (int, error) {
	if len(r.left) == 0 {
		r.left = appendPiece(nil, pieceData, make([]byte, maxPiece))
	}
	n := copy(b, r.left)
	r.left = r.left[n:]
	return n, nil
}

// FuzzHead reads any bytes as the head of a question: what is accepted is within the bounds, and is the
// same when it is written again.
func FuzzHead(f *testing.F) {
	good, err := appendHead(nil, head{kind: kindStream, route: "raft/snapshot/rows", wait: time.Second, size: 7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, c := range badHeads {
		f.Add(c.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		h, err := readHead(r)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version && k != fault.TooLarge && k != fault.Unreachable {
				t.Fatalf("kind %s: %v", k, err)
			}
			if strings.ContainsAny(err.Error(), "\x1b\n\r") {
				t.Fatalf("the error disturbs a terminal: %q", err)
			}
			return
		}
		if h.size < 0 || h.size > MaxBody || h.wait < 0 || h.wait > maxTime || !goodRoute(h.route) {
			t.Fatalf("accepted %+v", h)
		}
		again, err := appendHead(nil, h)
		if err != nil || !bytes.Equal(again, b[:len(b)-r.Len()]) {
			t.Fatalf("%x is written as %x, %v", b, again, err)
		}
		body, err := readBody(r, h.size)
		if (err == nil) != (len(body) == h.size) || err != nil && body != nil {
			t.Fatalf("a body of %d: %d, %v", h.size, len(body), err)
		}
	})
}

// FuzzPieces reads any bytes as what comes on a stream.
func FuzzPieces(f *testing.F) {
	f.Add(appendPiece(appendPiece(appendPiece(nil, pieceData, []byte("abc")), pieceData, []byte("d")), pieceEnd, nil))
	f.Add(appendFault(appendPiece(nil, pieceData, []byte("abc")), fault.New(fault.Busy, "", "later")))
	f.Add([]byte{3, 0, 0, 3, 9, 0xff, 0x1b})
	f.Add([]byte{1, 0, 0, 5, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newPipe(&scripted{Reader: bytes.NewReader(b)}, newPulse(), time.Second)
		got, err := io.ReadAll(p)
		if len(got) > len(b) {
			t.Fatalf("%d bytes came of %d", len(got), len(b))
		}
		if err == nil && (len(b) < pieceLen || p.said != nil) {
			t.Fatalf("%x is a whole stream", b)
		}
		if err != nil && (err.Error() == "" || strings.ContainsAny(err.Error(), "\x1b\n\r")) {
			t.Fatalf("the error is %q", err)
		}
		if _, again := p.Read(make([]byte, 1)); again == nil || err != nil && again != err {
			t.Fatalf("after %v came %v", err, again)
		}
	})
}
