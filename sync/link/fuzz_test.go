package link

import (
	"net"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
)

// FuzzAddress reads any text as the address of a server: what comes out can be dialled, and is the
// same when it is read again.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"https://hq.example:8443", "hq", "[::1]", "https://[fe80::1%25eth0]:1/", "http://hq", "https://a@b", "hq:0", "hq:65536", "https://hq/x", " hq:1\n", "::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := Address(s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host == "" || port == "" {
			t.Errorf("%q gives %q: %v", s, addr, err)
		}
	})
}
