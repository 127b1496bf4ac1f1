package agent

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/agentd"
)

// shelf is an outbox that only remembers.
type shelf struct {
	mu    sync.Mutex // guards what follows
	items []model.Item
	err   error
}

func (s *shelf) Append(items []model.Item) (model.Seq, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.items = append(s.items, items...)
	return model.Seq(len(s.items)), nil
}

// take returns the kinds that came since the last call, sorted as they came.
func (s *shelf) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kinds []string
	for _, it := range s.items {
		kinds = append(kinds, string(it.Kind))
	}
	s.items = nil
	return strings.Join(kinds, " ")
}

func TestCollect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, out := newHost(), &shelf{}
		c := &collector{host: newID[model.HostID](), probe: h.probe(), tags: []string{"b", "a"}, owner: "ops", out: out, log: quiet, now: time.Now}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- c.run(ctx, 15*time.Minute) }()
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := out.take(); got != want {
				t.Errorf("after %v more: %q, want %q", after, got, want)
			}
		}
		change := func(fn func()) { h.mu.Lock(); defer h.mu.Unlock(); fn() }
		// Half a minute past each look.
		expect(30*time.Second, "facts packages certificates os_facts")
		expect(44*time.Minute, "")
		change(func() { h.facts.BootedAt += 2000 })
		expect(5*time.Minute, "") // the boot time is the same as the clock goes
		change(func() { h.facts.Kernel = "6.2" })
		expect(5*time.Minute, "facts")
		change(func() { h.packages = h.packages[:1]; h.certs = nil })
		expect(5*time.Minute, "")
		expect(time.Minute, "packages certificates") // at the hour, with the facts' own look
		expect(49*time.Minute, "")
		expect(5*time.Minute, "facts") // an hour old
		change(func() { h.err = errors.New("the database is locked"); h.packages = nil })
		expect(30*time.Minute, "")
		change(func() { h.err = nil })
		expect(15*time.Minute, "packages")
		out.mu.Lock()
		out.err = fault.New(fault.ReadOnly, "", "the disk failed")
		out.mu.Unlock()
		change(func() { h.facts.Kernel = "6.3" })
		if err := <-done; err != out.err {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestRefresh(t *testing.T) {
	h, out := newHost(), &shelf{}
	c := &collector{host: newID[model.HostID](), probe: h.probe(), tags: []string{"b", "a"}, owner: "ops", out: out, log: quiet, now: time.Now}
	for range 2 { // sent whether it changed or not
		text, err := c.refresh(t.Context())
		if err != nil || text != "2 packages, 1 certificates" {
			t.Errorf("%q, %v", text, err)
		}
		if it := out.items[0]; !strings.Contains(string(it.Payload), `"tags":["a","b"],"owner":"ops"`) || it.Key != c.host.String() {
			t.Errorf("facts: %s %s", it.Key, it.Payload)
		}
		if got := out.take(); got != "facts packages certificates os_facts" {
			t.Errorf("sent %q", got)
		}
	}
	inner := c.probe.Certificates
	c.probe.Certificates = func(ctx context.Context) ([]model.Certificate, []error) {
		list, _ := inner(ctx)
		return list, []error{errors.New("open /etc/a: permission denied")}
	}
	if text, err := c.refresh(t.Context()); err != nil || text != "2 packages, 1 certificates\nnot all could be read:\nopen /etc/a: permission denied" {
		t.Errorf("%q, %v", text, err)
	}
	out.take()
	h.err = errors.New("the database is locked")
	if text, err := c.refresh(t.Context()); err == nil || text != "" || out.take() != "facts certificates os_facts" {
		t.Errorf("%q, %v: want an error, and the rest sent all the same", text, err)
	}
}

// body is a detail tier that only says what it was given.
type body struct{ sizes map[model.ItemKind]int }

func (b body) PutAll(bodies []agentd.Body) ([]string, error) {
	digests := make([]string, len(bodies))
	for i, x := range bodies {
		b.sizes[x.Kind], digests[i] = len(x.Bytes), "digest"
	}
	return digests, nil
}

// The site's door must take what this very machine reports.
func TestDoorTakesThisMachine(t *testing.T) {
	conf := config.DefaultAgent()
	conf.Certificates = []string{"../probe/testdata"}
	host, out := newID[model.HostID](), &shelf{}
	c := &collector{host: host, probe: machine(conf), tags: []string{"lab"}, out: out, log: quiet, now: time.Now}
	text, err := c.refresh(t.Context())
	if fault.Is(err, fault.NotFound) {
		t.Skip("SKIPPED: this machine has no package database: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := body{map[model.ItemKind]int{}}
	door := agentd.NewDoor(agentd.DoorConfig{
		Detail: d, Now: time.Now, Log: quiet,
		Owner: func(model.HostID) (model.NodeID, bool, error) { return model.NodeID{}, false, nil },
	})
	items, notes, err := door.Transform(t.Context(), model.Member{ID: model.NodeID(host), Kind: model.MemberHost, Name: "me"}, out.items)
	if err != nil || len(items) != 4 {
		t.Fatal(len(items), err)
	}
	if len(notes) > 0 {
		t.Errorf("refused: %+v", notes)
	}
	if d.sizes[model.ItemPackages] == 0 || d.sizes[model.ItemCertificates] == 0 || d.sizes[model.ItemOSFacts] == 0 {
		t.Errorf("stored %v of %q", d.sizes, text)
	}
	t.Logf("%s: %v bytes", text, d.sizes)
}

// TestFactsSayWhenTheRestWasLookedAt: what did not change is not sent again, and its site knows that it was looked at.
func TestFactsSayWhenTheRestWasLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, out := newHost(), &shelf{}
		c := &collector{host: newID[model.HostID](), probe: h.probe(), out: out, log: quiet, now: time.Now}
		began := model.TimeOf(time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.run(ctx, 15*time.Minute) }()
		time.Sleep(2*time.Hour + 10*time.Minute)
		cancel()
		<-done
		packages, last := 0, model.FactsReport{}
		for _, it := range out.items {
			switch it.Kind {
			case model.ItemPackages:
				packages++
			case model.ItemFacts:
				last = model.FactsReport{}
				if err := model.Decode(it.Payload, &last); err != nil {
					t.Fatal(err)
				}
			}
		}
		if packages != 1 || last.Hostname == "" {
			t.Errorf("%d reports of packages; the facts are %+v", packages, last)
		}
		for name, l := range map[string]model.Look{"packages": last.Looked.Packages, "certificates": last.Looked.Certificates} {
			if age := l.Same.Std().Sub(began.Std()); l.Sent != began || age < 90*time.Minute || age > 130*time.Minute {
				t.Errorf("%s: sent %v after the start, the same %v after it", name, l.Sent.Std().Sub(began.Std()), age)
			}
		}
	})
}
