package link

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// However it is asked, a paced connection carries no more than it may, and no less than nearly that.
func TestPace(t *testing.T) {
	for _, bits := range []int64{8_000, 256_000, 10_000_000} {
		for _, writes := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				size := int(bits / 8 * 20) // twenty seconds
				near, far := net.Pipe()
				p := NewPace(bits)
				from, to := net.Conn(near), net.Conn(far)
				if writes {
					from = p.Wrap(near)
				} else {
					to = p.Wrap(far)
				}
				sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
				began := time.Now()
				go func() {
					from.Write(sent)
					from.Close()
				}()
				got, err := io.ReadAll(to)
				if err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("%d of %d bytes arrived: %v", len(got), len(sent), err)
				}
				if took := time.Since(began).Seconds(); took < 19 || took > 21 {
					t.Errorf("%d bits a second, writing %v: it took %.1f s, 20 were due", bits, writes, took)
				}
				to.Close()
			})
		}
	}
}

// Two connections share the line, a pause earns nothing, and closing one frees who waits.
func TestPaceIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(80_000) // 10,000 bytes a second
		time.Sleep(time.Hour)
		began := time.Now()
		done := make(chan time.Duration, 2)
		for range 2 {
			near, far := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, far) }()
			go func() {
				c := p.Wrap(near)
				c.Write(make([]byte, 50_000))
				done <- time.Since(began)
				c.Close()
			}()
		}
		<-done
		if last := (<-done).Seconds(); last < 9 || last > 11 {
			t.Errorf("100,000 bytes on two connections took %.1f s", last)
		}
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		c := p.Wrap(near)
		go func() { time.Sleep(time.Second); c.Close() }()
		began = time.Now()
		if n, err := c.Write(make([]byte, 100_000)); err == nil || time.Since(began) > 2*time.Second {
			t.Errorf("a closed connection took %d bytes in %v", n, time.Since(began))
		}
	})
}
