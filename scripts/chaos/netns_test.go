package chaos

import (
	"net"
	"testing"
	"time"
)

// reach returns which hosts of a network reach which, by packets.
func reach(t *testing.T, w *Net, at []net.PacketConn) [][]bool {
	t.Helper()
	got := make([][]bool, w.n)
	for from := range got {
		got[from] = make([]bool, w.n)
	}
	for try := range 8 { // the first packet to a host may be held up until its hardware address is known
		for from, c := range at {
			for to := range w.n {
				_, _ = c.WriteTo([]byte{byte(from), byte(try)}, &net.UDPAddr{IP: net.ParseIP(w.Addr(to)), Port: 7})
			}
		}
		for to, c := range at {
			if err := c.SetReadDeadline(time.Now().Add(15 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			var b [2]byte
			for {
				if _, _, err := c.ReadFrom(b[:]); err != nil {
					break
				}
				got[b[0]][to] = true
			}
		}
	}
	return got
}

func TestNet(t *testing.T) {
	if why := NoNets(); why != "" {
		t.Skip("SKIPPED: " + why)
	}
	w, err := NewNet(3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	at := make([]net.PacketConn, 3)
	for i := range at {
		if err := w.Inside(i, func() (err error) { at[i], err = net.ListenPacket("udp4", w.Addr(i)+":7"); return err }); err != nil {
			t.Fatal(err)
		}
		defer at[i].Close()
	}
	all := func(int, int) bool { return true }
	for _, step := range []struct {
		name string
		do   func() error
		want func(from, to int) bool
	}{
		{"whole", func() error { return nil }, all},
		{"1 unplugged", func() error { return w.Unplug(1) }, func(from, to int) bool { return from == to || from != 1 && to != 1 }},
		{"plugged", func() error { return w.Plug(1) }, all},
		{"0 to 2 dropped", func() error { return w.Drop(0, 2) }, func(from, to int) bool { return from != 0 || to != 2 }},
		{"healed", w.Heal, all},
		{"0 alone", func() error { return w.Part([]int{1, 2}) }, func(from, to int) bool { return from == to || from != 0 && to != 0 }},
		{"healed again", w.Heal, all},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for from, row := range reach(t, w, at) {
			for to, got := range row {
				if want := step.want(from, to); got != want {
					t.Errorf("%s: %d reaches %d: %v, want %v", step.name, from, to, got, want)
				}
			}
		}
	}
}
