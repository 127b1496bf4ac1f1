package link

import (
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// While it is held, what comes stays with its sender, but for a trickle. It is let go at once, also by its end.
func TestIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs, ours := net.Pipe()
		in := &intake{Conn: ours, all: new(throng)}
		began := time.Now()
		read := func() time.Duration {
			t.Helper()
			if _, err := in.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		go func() {
			for range 4 {
				if _, err := theirs.Write([]byte("x")); err != nil {
					t.Error(err)
				}
			}
		}()
		if took := read(); took != 0 {
			t.Errorf("a read took %v while nothing was held", took)
		}
		in.hold(true)
		in.hold(true) // once is enough
		if took := read(); took != trickle {
			t.Errorf("a read went on after %v, want %v", took, trickle)
		}
		time.AfterFunc(time.Second, func() { in.hold(false); in.hold(false) })
		if took := read(); took != trickle+time.Second {
			t.Errorf("a read went on %v after the beginning, want when it was let go", took)
		}
		if took := read(); took != trickle+time.Second {
			t.Errorf("a read waited for nothing until %v", took)
		}
		in.hold(true)
		time.AfterFunc(time.Second, func() { in.Close() })
		if _, err := in.Read(make([]byte, 1)); err == nil || time.Since(began) != trickle+2*time.Second {
			t.Errorf("the end was noticed after %v, with %v", time.Since(began), err)
		}
		theirs.Close()
		if _, err := theirs.Write([]byte("x")); err == nil {
			t.Error("the connection is not closed")
		}
	})
}

// A trickle is little, and what it leaves comes when the link is let go.
func TestTrickle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs, ours := net.Pipe()
		in := &intake{Conn: ours, all: new(throng)}
		go func() { _, _ = theirs.Write(make([]byte, 10_000)); theirs.Close() }()
		b := make([]byte, 10_000)
		in.hold(true)
		if n, err := in.Read(b); n != trickleBytes || err != nil {
			t.Errorf("%d bytes and %v came while it was held, want %d", n, err, trickleBytes)
		}
		if n := in.came.Load(); n != trickleBytes {
			t.Errorf("it says that %d bytes came, want %d", n, trickleBytes)
		}
		in.hold(false)
		if n, err := in.Read(b); n != 10_000-trickleBytes || err != nil {
			t.Errorf("%d bytes and %v came when it was let go, want the rest", n, err)
		}
		in.Close()
	})
}

// While many links are held, the others come slower, and not for a few.
func TestThrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := new(throng)
		for range slowerFor - 1 {
			many := &intake{all: all}
			many.hold(true)
			defer many.hold(false)
		}
		theirs, ours := net.Pipe()
		one, other := &intake{Conn: ours, all: all}, &intake{Conn: theirs, all: all}
		go func() {
			for range 3 {
				_, _ = theirs.Write([]byte("x"))
			}
		}()
		began := time.Now()
		for i, want := range []time.Duration{0, slower, slower} {
			other.hold(i == 1)
			if _, err := one.Read(make([]byte, 1)); err != nil || time.Since(began) != want {
				t.Errorf("read %d went on after %v (%v), want %v", i, time.Since(began), err, want)
			}
		}
		other.hold(true)
		one.hold(true)
		one.hold(false) // it has waited: what it waited for comes at once
		go func() { _, _ = theirs.Write([]byte("x")) }()
		began = time.Now()
		if _, err := one.Read(make([]byte, 1)); err != nil || time.Since(began) != 0 {
			t.Errorf("who has room goes on after %v (%v), want at once", time.Since(began), err)
		}
		other.Close()
		if n := all.held.Load(); n != slowerFor-1 {
			t.Errorf("%d links are held, want %d", n, slowerFor-1)
		}
		ours.Close()
	})
}

// Who pauses in a throng notices the end at once.
func TestPauseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := new(throng)
		all.held.Store(slowerFor)
		_, ours := net.Pipe()
		in := &intake{Conn: ours, all: all}
		began := time.Now()
		time.AfterFunc(slower/2, func() { in.Close(); in.Close() })
		if _, err := in.Read(make([]byte, 1)); err == nil || time.Since(began) != slower/2 {
			t.Errorf("a read ended after %v with %v, want at the end of the link", time.Since(began), err)
		}
		if _, err := in.Read(make([]byte, 1)); err == nil || time.Since(began) != slower/2 {
			t.Errorf("a read behind the end took until %v with %v", time.Since(began), err)
		}
	})
}

// What is said on a held link arrives whole, as on any other.
func TestHeldLink(t *testing.T) {
	lower, upper := pair(t)
	down, err := lower.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer down.Close()
	up, err := upper.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	h, ok := up.(interface{ Hold(bool) })
	if !ok {
		t.Fatalf("a stream of a member's link cannot be held: %T", up)
	}
	h.Hold(true)
	before := up.(interface{ Came() uint64 }).Came()
	const size = 200 << 10
	sent := make(chan error, 1)
	go func() { _, err := down.Write(make([]byte, size)); sent <- err }()
	h.Hold(false)
	for n, b := 0, make([]byte, 4096); n < size; {
		got, err := up.Read(b)
		if n += got; err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if n := up.(interface{ Came() uint64 }).Came() - before; n < size {
		t.Errorf("it says that %d bytes came, and %d were read", n, size)
	}
}

// parcel hands out bytes, as many as asked for, and notes where each read ended.
type parcel struct {
	net.Conn
	left []byte
	at   int
	ends map[int]bool
}

func (p *parcel) Read(b []byte) (int, error) {
	n := copy(b, p.left)
	p.left, p.at = p.left[n:], p.at+n
	p.ends[p.at] = true
	return n, nil
}

// After the handshake no read goes beyond the end of a record, however the handshake was read.
func TestReadsEndWithRecords(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 200 {
		p := &parcel{ends: map[int]bool{}}
		var bounds []int // of heads and records
		for range 1 + rng.IntN(20) {
			n := rng.IntN(3) * rng.IntN(5000)
			bounds = append(bounds, len(p.left)+5)
			p.left = append(p.left, 23, 3, 3, byte(n>>8), byte(n))
			p.left = append(p.left, make([]byte, n)...)
			bounds = append(bounds, len(p.left))
		}
		g := &gather{Conn: p}
		for range rng.IntN(4) { // as a handshake reads: whatever comes
			b := make([]byte, rng.IntN(700))
			n, _ := p.Read(b)
			g.parts.read(b[:n])
		}
		from := p.at
		b := make([]byte, 1+rng.IntN(20_000))
		for len(p.left) > 0 {
			before := p.at
			if n, err := g.Read(b); n == 0 || err != nil {
				t.Fatalf("seed %d, round %d: %d, %v", seed, round, n, err)
			}
			for _, end := range bounds {
				if before < end && end < p.at {
					t.Fatalf("seed %d, round %d: one read from %d to %d, and something ends at %d", seed, round, before, p.at, end)
				}
			}
		}
		for _, end := range bounds {
			if end > from && !p.ends[end] {
				t.Fatalf("seed %d, round %d: no read ended at %d", seed, round, end)
			}
		}
	}
}
