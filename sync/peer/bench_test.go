package peer

import (
	"context"
	"io"
	"net"
	"testing"
)

// BenchmarkCall is a small question over mutual TLS on loopback, one after the other.
func BenchmarkCall(b *testing.B) {
	g := newGroup(b)
	to := g.node("b", func(m *Mesh) { m.Handle("echo", echo) })
	a := g.node("a", nil)
	body := make([]byte, 512)
	for b.Loop() {
		if _, err := a.Call(b.Context(), to.addr, "echo", body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStream is how fast one stream carries what a snapshot's file would be, in MiB.
func BenchmarkStream(b *testing.B) {
	g := newGroup(b)
	to := g.node("b", func(m *Mesh) {
		m.HandleStream("give", func(_ context.Context, _ string, _ []byte, s net.Conn) error {
			block := make([]byte, 1<<20)
			for {
				if _, err := s.Write(block); err != nil {
					return err
				}
			}
		})
	})
	s, err := g.node("a", nil).Stream(b.Context(), to.addr, "give", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	block := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		if _, err := io.ReadFull(s, block); err != nil {
			b.Fatal(err)
		}
	}
}
