package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// watcher reads the events of one watched search, over TLS as a browser does.
type watcher struct {
	*testing.T
	events chan string // "change berlin-a up", "total 4"
	stop   context.CancelFunc
	code   int
}

// serving answers on a port of loopback until the test ends.
func (r *rig) serving() (url string, stop context.CancelFunc) {
	r.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	conf := &tls.Config{Certificates: []tls.Certificate{selfSigned(r)}, NextProtos: []string{"http/1.1"}}
	go func() { done <- r.server.Serve(ctx, tls.NewListener(l, conf)) }()
	r.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.Error(err)
		}
	})
	return "https://" + l.Addr().String(), cancel
}

func testClient(r *rig) *http.Client {
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // a test's own server on loopback
	r.Cleanup(c.CloseIdleConnections)
	return c
}

func (r *rig) watch(base, token, query string) *watcher {
	r.Helper()
	ctx, stop := context.WithCancel(r.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", base+"/api/v1/hosts/watch?q="+url.QueryEscape(query), nil)
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := testClient(r).Do(req)
	if err != nil {
		r.Fatal(err)
	}
	w := &watcher{T: r.T, events: make(chan string, 1000), stop: stop, code: resp.StatusCode}
	go func() {
		defer close(w.events)
		defer resp.Body.Close()
		name := ""
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if n, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = n
			} else if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				w.events <- name + " " + short(name, data)
			} else if lines.Text() == ":" {
				w.events <- "alive"
			}
		}
	}()
	return w
}

func short(name, data string) string {
	var v struct {
		Host   schema.Host
		ID     string
		Total  int
		Reason string
	}
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		return err.Error()
	}
	switch name {
	case "change":
		return v.Host.Hostname + " " + v.Host.Status
	case "leave":
		return v.ID
	case "total":
		return fmt.Sprint(v.Total)
	}
	return v.Reason
}

// want waits for an event; those in between must be of the kinds that may be.
func (w *watcher) want(event string, between ...string) {
	w.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case got, ok := <-w.events:
			if ok && strings.HasPrefix(got, event) {
				return
			}
			skip := false
			for _, b := range between {
				skip = skip || strings.HasPrefix(got, b)
			}
			if !ok || !skip {
				w.Fatalf("%q came (%v), want %q", got, ok, event)
			}
		case <-late:
			w.Fatalf("no %q", event)
		}
	}
}

// ended waits for the end of the stream.
func (w *watcher) ended() {
	w.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case _, ok := <-w.events:
			if !ok {
				return
			}
		case <-late:
			w.Fatal("the stream goes on")
		}
	}
}

var quick = pace{coalesce: 2 * time.Millisecond, total: 5 * time.Millisecond, silence: 40 * time.Millisecond, write: time.Second}

func TestWatch(t *testing.T) {
	r := newRig(t)
	r.fleet()
	r.server.pace = quick
	base, _ := r.serving()
	w := r.watch(base, r.mem.login("admin"), "status:down")
	w.want("total 1")
	w.want("alive") // nothing happens

	h := r.mem.hosts[hostID(berlin, 0)]
	h.Status = model.HostDown
	r.mem.put(h)
	w.want("change berlin-a down", "alive")
	w.want("total 2", "alive")
	h.Status = model.HostUp
	r.mem.put(h)
	w.want("leave "+h.ID.String(), "alive")
	w.want("total 1", "alive")
	r.mem.drop(hostID(berlin, 1)) // which was down
	w.want("leave "+hostID(berlin, 1).String(), "alive")
	w.want("total 0", "alive")

	// Several changes of one host at once are one event, with how it is at last.
	for _, status := range []model.HostStatus{model.HostDown, model.HostUp, model.HostDown} {
		h.Status = status
		r.mem.edit(func() { r.mem.hosts[h.ID] = h; r.mem.changes = append(r.mem.changes, h.ID) })
	}
	w.want("change berlin-a down", "alive", "leave")
	w.stop()
	w.ended()
}

// TestWatchResets: more than can be told one by one, and changes that are forgotten, are read anew.
func TestWatchResets(t *testing.T) {
	r := newRig(t)
	r.fleet()
	r.server.pace = quick
	base, _ := r.serving()
	w := r.watch(base, r.mem.login("admin"), "")
	w.want("total 6")
	many := func(n int) {
		r.mem.edit(func() {
			for i := range n {
				h := benchHost(i)
				h.ID = model.HostID{2, byte(i >> 8), byte(i)}
				r.mem.hosts[h.ID] = h
				r.mem.changes = append(r.mem.changes, h.ID)
			}
		})
	}
	many(maxChanges + 1)
	w.want("reset more changed", "alive")
	w.want("total 207", "alive")
	h := r.mem.hosts[hostID(berlin, 0)]
	h.Hostname = "renamed"
	r.mem.put(h)
	w.want("change renamed", "alive", "reset", "total") // it goes on behind the gap
	r.mem.edit(func() { r.mem.gap = uint64(len(r.mem.changes)) + 1; r.mem.changes = append(r.mem.changes, h.ID, h.ID) })
	w.want("reset more changed", "alive", "total")
}

// TestWatchEnds: with the login, and with the server, which does not wait for its watchers.
func TestWatchEnds(t *testing.T) {
	r := newRig(t)
	r.fleet()
	r.server.pace = quick
	base, stop := r.serving()
	token := r.mem.login("admin")
	w := r.watch(base, token, "")
	w.want("total 6")
	other := r.watch(base, r.mem.login("bob"), "")
	other.want("total 6")
	if w := r.do("POST", "/api/v1/logout", nil, "Authorization", "Bearer "+token); w.Code >= 300 {
		t.Fatal(w.Code)
	}
	w.ended()
	other.want("alive")
	began := time.Now()
	stop()
	other.ended()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the server waited %s for a watcher", took)
	}
}

// TestWatchersAreBounded: and a place is free again when one goes.
func TestWatchersAreBounded(t *testing.T) {
	r := newRig(t)
	r.fleet()
	r.server.pace = quick
	r.server.watchers = make(chan struct{}, 1)
	base, _ := r.serving()
	token := r.mem.login("admin")
	w := r.watch(base, token, "")
	w.want("total 6")
	if second := r.watch(base, token, ""); second.code != http.StatusServiceUnavailable {
		t.Errorf("status %d", second.code)
	}
	w.stop()
	for end := time.Now().Add(10 * time.Second); ; { // the server sees it a moment later
		third := r.watch(base, token, "")
		third.stop()
		if third.code == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no place again")
		}
	}
}

// TestWatchSaysWhatItCannotFollow: a store that fails ends the stream with a word.
func TestWatchSaysWhatItCannotFollow(t *testing.T) {
	r := newRig(t)
	r.fleet()
	r.server.pace = quick
	base, _ := r.serving()
	w := r.watch(base, r.mem.login("admin"), "")
	w.want("total 6")
	r.mem.edit(func() { r.mem.fail = busyThen(fault.New(fault.Corrupt, "find", "damage")) })
	h := r.mem.hosts[hostID(berlin, 0)]
	r.mem.put(h)
	w.want("reset this server cannot follow", "alive")
	w.ended()
}
