package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// fixed answers every search with the same page at once, so that what is measured is everything else.
type fixed struct {
	*memory
	page    query.Page
	written query.Written
}

func (f fixed) Find(context.Context, query.Search) (query.Page, error) { return f.page, nil }

func (f fixed) FindWritten(_ context.Context, _ query.Search, _ query.Writer, page *query.Written) error {
	page.Hosts, page.Total = append(page.Hosts[:0], f.written.Hosts...), f.page.Total
	return nil
}

// benchHost is a row with what rows of real fleets have.
func benchHost(i int) model.Host {
	no, nine, met := false, 9, 97.5
	h := model.Host{
		ID: hostID(berlin, i), Site: berlin, Status: model.HostUp,
		Facts: model.Facts{
			Hostname: fmt.Sprintf("web-%04d", i), FQDN: fmt.Sprintf("web-%04d.berlin.example.org", i), IPv4: []string{fmt.Sprintf("10.2.%d.%d", i/250, i%250)},
			IPv6: []string{fmt.Sprintf("fd00:2::%x", i)}, MAC: []string{"52:54:00:12:34:56"},
			OS:     model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12", Codename: "bookworm"},
			Kernel: "6.1.0-18-amd64", Arch: "x86_64", BootedAt: model.TimeOf(noon.Add(-40 * 24 * time.Hour)), RebootNeeded: &no,
			AgentVersion: "0.3.1", Tags: []string{"env:prod", "pci", "web"}, Owner: "team-web", CPUs: 8, MemoryMB: 32768, Serial: "VMW-00112233",
		},
		PackageN: 812, CertificateN: 3, Updates: &nine, Compliance: &met, Exposure: model.SeverityCounts{Critical: 1, High: 4, Medium: 20, Low: 7},
	}
	now := model.TimeOf(noon)
	h.FactsAt, h.FirstSeen, h.StatusAt, h.LastSeen, h.PackagesAt, h.CertificatesAt, h.NextCertExpiry, h.ExposureAt = now-1, now-2, now-3, now-4, now-5, now-6, now+7, now-8
	return h
}

// BenchmarkHostsPage measures the whole way of a page but for finding it: over TLS on a connection that is
// kept, with a login, the body read to its end.
func BenchmarkHostsPage(b *testing.B) {
	for _, n := range []int{1, 50} {
		for _, login := range []bool{false, true} {
			b.Run(fmt.Sprintf("rows=%d/login=%v", n, login), func(b *testing.B) { benchPage(b, n, login) })
		}
	}
}

func benchPage(b *testing.B, n int, login bool) {
	mem := newMemory()
	mem.self = model.Found{Self: group, Role: model.RoleController, Name: "hq"}
	mem.sites[berlin] = model.Site{ID: berlin, Name: "berlin", Region: "eu-west", Country: "DE", City: "Berlin"}
	f := fixed{memory: mem}
	for i := range n {
		f.page.Hosts = append(f.page.Hosts, benchHost(i))
	}
	f.page.Total = 1_000_000
	f.written.Hosts = rowsOf(f.page.Hosts, nil).Hosts
	s := New(Config{
		Role: model.RoleController, Version: "test", Data: b.TempDir(), Store: mem, Proposer: mem, Directory: f,
		Links: fakeLinks{model.NodeID(berlin): {Up: true, Since: noon}},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	conn := func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, actorKey{}, actor{name: "local:0", local: true})
	}
	token := ""
	if login {
		conn, token = nil, mem.login("admin")
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() {
		l := tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{selfSigned(b)}})
		if login {
			done <- s.Serve(ctx, l)
		} else {
			done <- s.serve(ctx, l, s.counted(), conn)
		}
	}()
	defer func() { stop(); <-done }()
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true, // a test's own server on loopback
	}}
	defer client.CloseIdleConnections()
	get := func() int64 {
		req, _ := http.NewRequest(http.MethodGet, "https://"+l.Addr().String()+"/api/v1/hosts?limit=50&q=status%3Aup", nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		size, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("status %d, %v", resp.StatusCode, err)
		}
		return size
	}
	size := get()
	b.ReportAllocs()
	b.ReportMetric(float64(size), "bytes")
	for b.Loop() {
		get()
	}
}

// BenchmarkAppendHosts is the encoding of 50 hosts alone.
func BenchmarkAppendHosts(b *testing.B) {
	s := newServer(b)
	site := model.Site{ID: berlin, Name: "berlin", Region: "eu-west", Country: "DE", City: "Berlin"}
	by := map[model.SiteID]*place{berlin: {Site: site, json: placeJSON(site)}}
	var hosts []model.Host
	for i := range 50 {
		hosts = append(hosts, benchHost(i))
	}
	page := rowsOf(hosts, by)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = s.appendHosts(buf[:0], page)
	}
	b.SetBytes(int64(len(buf)))
}
