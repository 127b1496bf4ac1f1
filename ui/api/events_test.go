package api

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// heard is one event of a stream.
type heard struct {
	id, name string
	row      schema.CanonicalImported
	reset    schema.EventsReset
}

// follow reads the stream over the local socket's way in: no login, the handler itself.
func (r *rowRig) follow(query, last string) (<-chan heard, context.CancelFunc) {
	r.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.server.ServeHTTP(w, q.WithContext(context.WithValue(q.Context(), actorKey{}, actor{name: "local:0", local: true})))
	}))
	r.Cleanup(server.Close)
	ctx, stop := context.WithCancel(r.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/api/v1/federation/events?"+query, nil)
	if err != nil {
		r.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	if resp.StatusCode != 200 {
		r.Fatalf("status %d", resp.StatusCode)
	}
	events := make(chan heard, 1000)
	go func() {
		defer close(events)
		defer resp.Body.Close()
		var h heard
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "id":
				h = heard{id: value}
			case "event":
				h.name = value
			case "data":
				to := any(&h.row)
				if h.name == "reset" {
					to = &h.reset
				}
				if err := json.Unmarshal([]byte(value), to); err != nil {
					return
				}
				events <- h
			}
		}
	}()
	r.Cleanup(stop)
	return events, stop
}

func next(t *testing.T, events <-chan heard) heard {
	t.Helper()
	select {
	case h, ok := <-events:
		if !ok {
			t.Fatal("the stream ended")
		}
		return h
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is told")
	}
	return heard{}
}

// TestTheStreamOfImports: from now on, from the beginning, and from where it was left.
func TestTheStreamOfImports(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", []string{"CVE-2026-1001"}, "npm", "@x/a", "1"), advisory("debian-dsa", "DSA-1-1", nil, "Debian:12", "b", "1"))
	r := newHQ(t)
	r.trusts(east.rig, "federation")
	live, _ := r.follow("", "")
	done := read[schema.ImportResult](r.rig, r.imports(full, ""), 200)
	first := next(t, live)
	want := schema.CanonicalImported{
		Seq: 1, CanonicalID: "CVE-2026-1001", CVE: "CVE-2026-1001", AffectsKey: "pkg:npm/%40x/a", MergeHash: merge.Hash("CVE-2026-1001"), Action: "Created",
		BundleHash: done.BundleHash, SiteID: east.self.String(), ImportedAt: noon,
	}
	if first.name != "canonical-imported" || first.id != "1" || first.row != want {
		t.Errorf("%+v, want %+v", first, want)
	}
	if second := next(t, live); second.row.CanonicalID != "DSA-1-1" || second.row.CVE != "" || second.row.AffectsKey != "pkg:deb/debian/b" || second.id != "2" {
		t.Errorf("%+v", second)
	}
	r.puts(nil, model.AdvisoryKey{Source: "debian-dsa", ID: "DSA-1-1"})
	if third := next(t, live); third.row.Action != "Deleted" || third.row.BundleHash != "" || third.row.SiteID != "" || third.row.AffectsKey != "pkg:deb/debian/b" {
		t.Errorf("%+v", third)
	}
	again, _ := r.follow("after=0", "")
	for n, action := range []string{"Created", "Created", "Deleted"} {
		if h := next(t, again); h.row.Action != action || h.row.Seq != uint64(n+1) {
			t.Errorf("event %d: %+v", n+1, h)
		}
	}
	resumed, _ := r.follow("after=0", "2") // what the browser heard last goes before the address
	if h := next(t, resumed); h.id != "3" {
		t.Errorf("%+v", h)
	}
	ahead, _ := r.follow("after=99", "")
	if h := next(t, ahead); h.name != "reset" || h.reset.Newest != 3 || h.reset.Oldest != 1 || h.id != "3" {
		t.Errorf("%+v", h)
	}
	r.refused(r.do("GET", "/api/v1/federation/events?after=soon", nil), 400, fault.Invalid, "soon")
}

// TestTheWebhook: everything is told in order and at least once, over failures and a restart.
func TestTheWebhook(t *testing.T) {
	var mu sync.Mutex
	var got []uint64
	fail := 2
	news := make(chan struct{}, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		mac := hmac.New(sha256.New, []byte("a secret of both"))
		mac.Write(body)
		var call schema.WebhookCall
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil || json.Unmarshal(body, &call) != nil || q.Header.Get(SignatureHeader) != "sha256="+hex.EncodeToString(mac.Sum(nil)) || len(call.Events) > 2:
			t.Errorf("%v, %s, %q", err, body, q.Header.Get(SignatureHeader))
		case fail > 0:
			fail--
			w.WriteHeader(http.StatusBadGateway)
		default:
			for _, e := range call.Events {
				got = append(got, e.Seq)
			}
		}
		news <- struct{}{}
	}))
	defer hook.Close()
	r := newHQ(t)
	r.ingest(packed(t, records(1, "8.0"))) // from before: nobody is told
	leads := true
	w := Webhook{
		URL: hook.URL, Secret: []byte("a secret of both"), Batch: 2, Least: time.Millisecond, Most: 5 * time.Millisecond, Idle: 5 * time.Millisecond,
		Leads: func() bool { mu.Lock(); defer mu.Unlock(); return leads },
	}
	run := func() (end func()) {
		ctx, stop := context.WithCancel(r.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.server.RunWebhook(ctx, w) }()
		return func() {
			stop()
			if err := <-ended; err != nil {
				t.Errorf("ended with %v", err)
			}
		}
	}
	until := func(want ...uint64) {
		t.Helper()
		late := time.After(20 * time.Second)
		for {
			mu.Lock()
			var now []uint64 // without those that came again: whose answer was cut off by the stop
			for _, seq := range got {
				if !slices.Contains(now, seq) {
					now = append(now, seq)
				}
			}
			same := slices.Equal(now, want)
			mu.Unlock()
			if same {
				return
			}
			select {
			case <-news:
			case <-late:
				t.Fatalf("told %v, want %v", now, want)
			}
		}
	}
	if _, err := r.server.toldSoFar(r.server.c.Data+"/federation/webhook.json", hook.URL); err != nil { // where it begins
		t.Fatal(err)
	}
	end := run()
	r.ingest(packed(t, records(4, "8.0")))
	until(2, 3, 4)
	end()
	r.ingest(packed(t, records(5, "8.0"))) // while it does not run
	end = run()
	until(2, 3, 4, 5)
	mu.Lock()
	leads = false
	mu.Unlock()
	r.ingest(packed(t, records(6, "8.0")))
	mu.Lock()
	leads = true
	mu.Unlock()
	until(2, 3, 4, 5, 6)
	end()
}

// TestTheWebhookOutlivesItsFile: a file that cannot be read holds the webhook up, and nothing else.
func TestTheWebhookOutlivesItsFile(t *testing.T) {
	news := make(chan uint64, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		var call schema.WebhookCall
		if err := json.NewDecoder(q.Body).Decode(&call); err != nil {
			t.Error(err)
		}
		for _, e := range call.Events {
			news <- e.Seq
		}
	}))
	defer hook.Close()
	r := newHQ(t)
	said := make(chan string, 100)
	r.server.c.Log = slog.New(tells{slog.DiscardHandler, said})
	path := filepath.Join(r.server.c.Data, "federation", "webhook.json")
	if err := os.MkdirAll(path, 0o700); err != nil { // in its place
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(r.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- r.server.RunWebhook(ctx, Webhook{URL: hook.URL, Least: time.Millisecond, Most: 2 * time.Millisecond, Idle: 2 * time.Millisecond})
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	}()
	select {
	case text := <-said:
		if !strings.Contains(text, "cannot be read") {
			t.Errorf("said %q", text)
		}
	case err := <-ended:
		t.Fatalf("ended with %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for late := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			break
		}
		if time.Now().After(late) {
			t.Fatal("it does not begin")
		}
	}
	r.ingest(packed(t, records(1, "8.0")))
	select {
	case seq := <-news:
		if seq != 1 {
			t.Errorf("told of %d first", seq)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing is told")
	}
	if n := len(said); n != 0 {
		t.Errorf("said %d times more: %q", n, <-said)
	}
}

// TestAWebhookWhosePlaceIsDamaged: the receiver is told that events may be missing, also when the first attempt fails and the server is
// started anew before the next.
func TestAWebhookWhosePlaceIsDamaged(t *testing.T) {
	calls := make(chan schema.WebhookCall, 100)
	var deaf atomic.Bool
	asked := make(chan struct{}, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if deaf.Load() {
			w.WriteHeader(http.StatusBadGateway)
			asked <- struct{}{}
			return
		}
		var call schema.WebhookCall
		if err := json.NewDecoder(q.Body).Decode(&call); err != nil {
			t.Error(err)
		}
		calls <- call
	}))
	defer hook.Close()
	r := newHQ(t)
	said := make(chan string, 100)
	r.server.c.Log = slog.New(tells{slog.DiscardHandler, said})
	r.ingest(packed(t, records(3, "8.0")))
	path := filepath.Join(r.server.c.Data, "federation", "webhook.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func() (end func()) {
		ctx, stop := context.WithCancel(r.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- r.server.RunWebhook(ctx, Webhook{URL: hook.URL, Least: time.Millisecond, Most: 2 * time.Millisecond, Idle: 2 * time.Millisecond})
		}()
		return func() {
			stop()
			if err := <-ended; err != nil {
				t.Errorf("ended with %v", err)
			}
		}
	}
	next := func() (call schema.WebhookCall) {
		t.Helper()
		select {
		case call = <-calls:
		case <-time.After(20 * time.Second):
			t.Fatal("nothing is told")
		}
		return call
	}
	for _, damage := range []string{`{"url":"sha`, "", `{}`, strings.Repeat(" ", maxPlaceFile+1)} {
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		deaf.Store(true)
		end := run()
		<-asked
		end()
		if text := <-said; !strings.Contains(text, "damaged") {
			t.Errorf("%.20q: said %q", damage, text)
		}
		deaf.Store(false)
		end = run()
		if call := next(); call.Reset == nil || call.Reset.Newest != 3 || !strings.Contains(call.Reset.Reason, "lost") || len(call.Events) != 0 {
			t.Errorf("%.20q: told %+v", damage, call)
		}
		end()
		for len(said) > 0 {
			<-said
		}
	}
	end := run()
	defer end()
	r.ingest(packed(t, records(4, "8.0")))
	call := next()
	for call.Reset != nil && call.Reset.Newest < 4 { // again, where the stop cut the answer off
		call = next()
	}
	if call.Reset == nil && (len(call.Events) != 1 || call.Events[0].Seq != 4) { // such a one may have waited for the ingest
		t.Errorf("then %+v", call)
	}
}

// tells passes on what is logged as a warning.
type tells struct {
	slog.Handler
	to chan string
}

func (h tells) Enabled(context.Context, slog.Level) bool { return true }

func (h tells) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		h.to <- r.Message
	}
	return nil
}
