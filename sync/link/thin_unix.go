//go:build linux || darwin

package link

import (
	"crypto/tls"
	"net"

	"golang.org/x/sys/unix"
)

// unsent is how many bytes the system may hold that it has not sent yet. Left to itself it holds megabytes, and on
// a thin line whatever is said next waits minutes behind them.
const unsent = 64 << 10

// thin keeps the queue in front of a line short. That it cannot be is no reason not to speak.
func thin(conn net.Conn) {
	for {
		switch c := conn.(type) {
		case *tls.Conn:
			conn = c.NetConn()
		case *gather:
			conn = c.Conn
		case *net.TCPConn:
			if raw, err := c.SyscallConn(); err == nil {
				_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent) })
			}
			return
		default:
			return
		}
	}
}
