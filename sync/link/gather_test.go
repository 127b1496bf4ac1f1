package link

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"
)

// taken keeps what is written to it, piece by piece.
type taken struct {
	net.Conn
	pieces [][]byte
	err    error
}

func (c *taken) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.pieces = append(c.pieces, bytes.Clone(p))
	return len(p), nil
}

func TestGather(t *testing.T) {
	under := &taken{}
	g := &gather{Conn: under}
	write := func(s string) {
		t.Helper()
		if n, err := g.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("%d bytes of %d, %v", n, len(s), err)
		}
	}
	release := func() {
		t.Helper()
		if err := g.Release(); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	g.Hold()
	write("b")
	g.Hold() // once is enough
	write("c")
	if len(under.pieces) != 1 {
		t.Errorf("sent while it is held: %q", under.pieces)
	}
	release()
	release() // nothing is held any more
	write("d")
	g.Hold()
	release() // nothing was written
	if got := bytes.Join(under.pieces, []byte("|")); string(got) != "a|bc|d" {
		t.Errorf("sent %q", got)
	}

	under.pieces = nil
	big := bytes.Repeat([]byte("x"), maxGather/2+1)
	g.Hold()
	for range 3 {
		write(string(big))
	}
	if len(under.pieces) != 2 {
		t.Errorf("%d pieces were sent at the bound", len(under.pieces))
	}
	release()
	if n := len(bytes.Join(under.pieces, nil)); n != 3*len(big) {
		t.Errorf("%d bytes were sent of %d", n, 3*len(big))
	}

	under.err = errors.New("gone")
	g.Hold()
	write("e") // it is Release that says so
	if err := g.Release(); !errors.Is(err, under.err) {
		t.Errorf("the failure of a piece is %v", err)
	}
	if _, err := g.Write([]byte("f")); !errors.Is(err, under.err) {
		t.Errorf("the failure behind it is %v", err)
	}
}

// TestGatherKeepsWritesApart: whoever closes a connection writes to it as well.
func TestGatherKeepsWritesApart(t *testing.T) {
	under := &taken{}
	g := &gather{Conn: under}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				g.Hold()
				_, _ = g.Write([]byte("ab"))
				_ = g.Release()
			}
		})
	}
	wg.Wait()
	if n := len(bytes.Join(under.pieces, nil)); n != 4*200*2 {
		t.Errorf("%d bytes were sent", n)
	}
}
