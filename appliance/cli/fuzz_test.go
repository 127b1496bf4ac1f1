package cli

import (
	"net"
	"testing"
)

// FuzzServer reads any text as --server: what is accepted is a socket's path or can be dialled.
func FuzzServer(f *testing.F) {
	for _, s := range []string{"https://hq.example:8443", "https://hq", "unix:///run/skerry.sock", "unix://x/y", "https://]", "https://[::1]", "https://hq:/", "https://hq:99999", "hq", "https://a@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseServer(s)
		if err != nil {
			return
		}
		if u.Scheme == "unix" {
			if u.Path == "" || u.Path[0] != '/' {
				t.Errorf("%q gives the socket %q", s, u.Path)
			}
			return
		}
		host, port, err := net.SplitHostPort(u.Host)
		if err != nil || host == "" || port == "" {
			t.Errorf("%q gives %q: %v", s, u.Host, err)
		}
		if again, err := parseServer("https://" + u.Host); err != nil || again.Host != u.Host {
			t.Errorf("%q gives %q, which is not read again: %v", s, u.Host, err)
		}
	})
}
