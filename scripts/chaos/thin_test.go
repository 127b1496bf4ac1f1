package chaos

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
)

var thinUpper, thinSite = model.NodeID{0xc0, 9}, model.NodeID{0x51, 9}

// tier is the upper tier: it applies what comes, rows and position together, and has directives.
type tier struct {
	mu      sync.Mutex // guards what follows
	at      model.Position
	effects map[string]int // by key
	bytes   int64
	down    []model.Item
}

func (u *tier) Propose(_ context.Context, changes ...model.Change) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range changes {
		r := c.(model.Received)
		for _, it := range r.Items {
			if !u.at.Covers(r.Epoch, it.Seq) {
				u.effects[it.Key]++
				u.bytes += int64(len(it.Payload))
				u.at = model.Position{Epoch: r.Epoch, Seq: it.Seq}
			}
		}
	}
	return nil
}

func (u *tier) Watermark(model.NodeID) (model.Position, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.at, nil
}

func (u *tier) Directives(to model.NodeID, after model.Seq, _, _ int, _ bool) ([]model.Item, model.Seq, error) {
	through := max(after, model.Seq(len(u.down)))
	for _, it := range u.down {
		if it.Seq > after && to == thinSite {
			return []model.Item{it}, it.Seq, nil
		}
	}
	return nil, through, nil
}

func (u *tier) Wait(ctx context.Context, after uint64) (uint64, error) {
	if after < 1 {
		return 1, nil
	}
	<-ctx.Done()
	return 0, context.Cause(ctx)
}

// below is the sink of the site.
type below struct {
	mu  sync.Mutex // guards what follows
	at  model.Position
	got map[string]int // bytes by key
}

func (b *below) Held(context.Context) (model.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at, nil
}

func (b *below) Accept(_ context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, it := range items {
		if !b.at.Covers(epoch, it.Seq) {
			b.got[it.Key] += len(it.Payload)
		}
	}
	b.at = model.Position{Epoch: epoch, Seq: items[len(items)-1].Seq}
	return b.at, nil
}

func (b *below) has(key string) int { b.mu.Lock(); defer b.mu.Unlock(); return b.got[key] }

// load is what has to get over the line.
type load struct {
	rows, moves   int
	large, answer int           // bytes, of which zstd leaves about half
	cut           time.Duration // the line is cut so often
	limit         time.Duration // for all of it
	heap          uint64        // bytes that both ends together may need at most, above what they have idle
}

func hexes(rng *rand.Rand, n int) string {
	raw := make([]byte, n/2)
	for i := range raw {
		raw[i] = byte(rng.Uint32())
	}
	return hex.EncodeToString(raw)
}

// overThin lets a site with a full outbox, a large directive and a large answer come over a line to its controller,
// both real but for their stores, with cuts in between.
func overThin(t *testing.T, listener net.Listener, line *Line, what load) {
	rng := dice(t)
	ca, err := enroll.OpenCA(t.TempDir(), "thin", time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := ca.Server([]string{"localhost"}, model.RoleController)
	server, err := link.NewServer(listener, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return own.Get() }})
	if err != nil {
		t.Fatal(err)
	}
	up := &tier{effects: map[string]int{}}
	up.down = []model.Item{
		{Seq: 1, Kind: model.ItemOrder, Key: "first", Payload: []byte(`1`)},
		{Seq: 2, Kind: model.ItemPolicy, Key: "large", Payload: []byte(`"` + hexes(rng, what.large) + `"`)},
		{Seq: 3, Kind: model.ItemOrder, Key: "last", Payload: []byte(`1`)},
	}
	quiet := slog.New(slog.DiscardHandler)
	door := hub.New(hub.Config{
		Self: thinUpper, Name: "controller", Software: "chaos", Epoch: func() model.Epoch { return 1 },
		Proposer: up, Reader: up, Now: time.Now, Log: quiet, AskTimeout: what.limit,
	})
	ctx, cancel := context.WithTimeout(t.Context(), what.limit)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	sessions := server.Listen(link.ProtoLink)
	running.Go(func() { _ = server.Run(ctx) })
	running.Go(func() {
		admit := link.AcceptConfig{Admit: func(context.Context, link.Peer) error { return nil }}
		_ = link.Sessions(ctx, sessions, 16, admit, func(ctx context.Context, s *link.Session) {
			_ = door.Serve(ctx, s, &model.Member{ID: thinSite, Kind: model.MemberSite, Name: "thin"})
		})
	})
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() { line.Serve(ctx, proxy) })

	q, err := queue.Open(filepath.Join(t.TempDir(), "outbox.db"), queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	fill(t, q, rng, what)
	sink := &below{got: map[string]int{}}
	answer := hexes(rng, what.answer)
	links := 0
	l := uplink.New(uplink.Config{
		Self: thinSite, Name: "thin", Software: "chaos", Upper: thinUpper, Outbox: q, Sink: sink,
		Answers: map[string]uplink.Answer{"echo": func(context.Context, map[string]string) (any, error) { return answer, nil }},
		Resync:  func(context.Context) error { return errors.New("a resync was asked for") },
		Dial: func(ctx context.Context) (exchange.Session, error) {
			return link.Dial(ctx, proxy.Addr().String(), link.DialConfig{Cert: certificate(t), Roots: []*x509.Certificate{ca.Certificate()}, Role: model.RoleController, Timeout: 40 * time.Second})
		},
		Changed: func(s uplink.State) {
			if s.Online {
				links++
			} else if s.LastError != "" && Long() {
				t.Logf("the link ended: %s", s.LastError)
			}
		},
		Jitter: func(limit time.Duration) time.Duration { return min(limit, time.Second) / 2 },
		Now:    time.Now, Log: quiet,
	})
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	idle, most := m.HeapAlloc, uint64(0)
	began := time.Now()
	running.Go(func() { _ = l.Run(ctx) })
	asked := make(chan int, 1)
	running.Go(func() { // a question at the worst moment, again where the line was cut under it
		for ctx.Err() == nil {
			if got, err := door.Ask(ctx, thinSite, "echo", nil); err == nil {
				asked <- len(got)
				return
			}
			sleep(ctx, 200*time.Millisecond)
		}
	})
	cut := time.Now()
	err = local.Until(ctx, what.limit, "everything getting over the line", func() (bool, error) {
		runtime.ReadMemStats(&m)
		if m.HeapAlloc > idle {
			most = max(most, m.HeapAlloc-idle)
		}
		if what.cut > 0 && time.Since(cut) > what.cut {
			cut = time.Now()
			line.Cut()
		}
		return q.Len() == 0 && sink.has("last") > 0 && len(asked) == 1, fmt.Errorf("%d items wait, %d bytes came down, answered %v", q.Len(), sink.has("large"), len(asked) == 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	sent, came := line.Carried()
	cancel()
	running.Wait()
	if n := <-asked; n != len(answer)+2 {
		t.Errorf("the answer had %d bytes, want %d", n, len(answer)+2)
	}
	if sink.has("large") != what.large+2 || sink.has("first") != 1 || sink.has("last") != 1 {
		t.Errorf("below there came %v", sink.got)
	}
	if len(up.effects) != what.rows+what.moves+1 {
		t.Errorf("above there came %d keys, want %d", len(up.effects), what.rows+what.moves+1)
	}
	for key, n := range up.effects {
		if n != 1 {
			t.Errorf("%s had its effect %d times", key, n)
		}
	}
	t.Logf("%d rows, %d events, two items of %d bytes and an answer of %d in %.1f s and %d links; %d bytes of payload went up in %d on the line, %d came down; at most %d MB of heap for both ends",
		what.rows, what.moves, what.large, what.answer, took.Seconds(), links, up.bytes, sent, came, most>>20)
	if most > what.heap {
		t.Errorf("%d MB of heap, %d are allowed", most>>20, what.heap>>20)
	}
	if what.cut > 0 && links < 2 {
		t.Errorf("%d links: nothing was cut", links)
	}
}

// fill puts rows of hosts, events and one large item into an outbox.
func fill(t *testing.T, q *queue.Queue, rng *rand.Rand, what load) {
	t.Helper()
	var items []model.Item
	for i := range what.rows {
		payload := fmt.Sprintf(`{"id":"%s","hostname":"host-%05d.example","ipv4":["10.%d.%d.7"],"os":{"id":"debian","version":"12"},"kernel":"6.1.0-%d-amd64","package_n":%d,"packages_digest":"%s","tags":["env:prod","team:%d"]}`,
			hexes(rng, 32), i, i>>8, i&255, i%40, 500+i%90, hexes(rng, 64), i%7)
		items = append(items, model.Item{Kind: model.ItemHost, Key: fmt.Sprint("host-", i), Payload: []byte(payload)})
		if i == what.rows/2 {
			items = append(items, model.Item{Kind: model.ItemPackages, Key: "large", Payload: []byte(`"` + hexes(rng, what.large) + `"`)})
		}
	}
	for i := range what.moves {
		items = append(items, model.Item{Kind: model.ItemMove, Key: fmt.Sprint("move-", i), Payload: []byte(`{"state":"running"}`)})
	}
	if _, err := q.Append(items); err != nil {
		t.Fatal(err)
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "thin"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(crand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A thin line with a delay each way, a fifth of all packets late by as much again, and cuts: everything gets over. In
// the long form it is 256 kbit/s and 500 ms there and back.
func TestThinLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	line := &Line{Rate: 96_000, Delay: 60 * time.Millisecond, Stall: 20, Dial: func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }}
	what := load{rows: 100, moves: 50, large: 270_000, answer: 50_000, cut: 4 * time.Second, limit: 2 * time.Minute, heap: 64 << 20}
	if Long() {
		line.Rate, line.Delay = 32_000, 250*time.Millisecond
		what = load{rows: 3000, moves: 500, large: 2 << 20, answer: 100_000, cut: 30 * time.Second, limit: time.Hour, heap: 64 << 20}
	}
	overThin(t, l, line, what)
}

// The same over a network of the kernel's own, which carries 256 kbit/s and loses a fifth of all packets in each
// direction; the proxy adds the delay. In the long form.
func TestThinLineOfTheKernel(t *testing.T) {
	if !Long() {
		t.Skip("SKIPPED: in the long form only (SKERRY_CHAOS=long)")
	}
	if why := NoNets(); why != "" {
		t.Skip("SKIPPED: " + why)
	}
	if why := Missing(true, "tc"); why != "" {
		t.Skip("SKIPPED: " + why)
	}
	w, err := NewNet(2)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Thin(0, "256kbit", 20); err != nil {
		t.Fatal(err)
	}
	if how, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err == nil {
		t.Logf("TCP with %s", strings.TrimSpace(string(how)))
	}
	var l net.Listener
	if err := w.Inside(1, func() (err error) { l, err = net.Listen("tcp", w.Addr(1)+":0"); return err }); err != nil {
		t.Fatal(err)
	}
	line := &Line{Delay: 500 * time.Millisecond, Dial: func() (c net.Conn, err error) {
		err = w.Inside(0, func() error {
			c, err = net.DialTimeout("tcp", l.Addr().String(), 30*time.Second)
			return err
		})
		return c, err
	}}
	overThin(t, l, line, load{rows: 2000, moves: 200, large: 1 << 20, answer: 200_000, cut: 40 * time.Second, limit: 2 * time.Hour, heap: 128 << 20})
}
