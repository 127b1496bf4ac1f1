package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/controller"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/ui/schema"
)

var discard = slog.New(slog.DiscardHandler)

// hq is a real controller in this process, which can be stopped and started.
type hq struct {
	*testing.T
	conf config.Config
	stop func()
}

func newHQ(t *testing.T) *hq {
	t.Helper()
	dir, err := os.MkdirTemp("", "skerry-sim-") // shorter than t.TempDir: socket paths have a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := config.Default(model.RoleController)
	c.Name, c.Data, c.Socket, c.Listen = "hq", filepath.Join(dir, "hq"), filepath.Join(dir, "s"), l.Addr().String()
	return &hq{T: t, conf: c}
}

// start runs the controller until stop is called or the test ends.
func (q *hq) start() {
	q.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- controller.Run(ctx, q.conf, controller.Options{Log: discard, Ready: func(string) { close(ready) }})
	}()
	q.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			q.Error(err)
		}
		q.stop = func() {}
	}
	q.Cleanup(func() { q.stop() })
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		q.Fatal(err)
	}
}

// call uses the API by the local socket.
func (q *hq) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://local/api/v1"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", q.conf.Socket)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	return json.Unmarshal(raw, out)
}

func (q *hq) Sites(ctx context.Context) (out []schema.Site, err error) {
	err = q.call(ctx, http.MethodGet, "/sites", nil, &out)
	return out, err
}

func (q *hq) EnrollSite(ctx context.Context, s schema.SiteEnroll) (out schema.Token, err error) {
	err = q.call(ctx, http.MethodPost, "/sites", s, &out)
	return out, err
}

func (q *hq) SiteToken(ctx context.Context, name string) (out schema.Token, err error) {
	err = q.call(ctx, http.MethodPost, "/sites/"+name+"/token", nil, &out)
	return out, err
}

// patience bounds each wait, far beyond what any of them takes.
const patience = time.Minute

// until looks until it sees what it waits for, in other goroutines and over sockets.
func (q *hq) until(what string, look func() bool) {
	q.Helper()
	late := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !look() {
		select {
		case <-tick.C:
		case <-late:
			q.Fatalf("%s did not happen in %s", what, patience)
		}
	}
}

// fed is one run of a simulated federation.
type fed struct {
	now  atomic.Pointer[Progress]
	stop func()
}

func (q *hq) simulate(c Federation) *fed {
	q.Helper()
	f := &fed{}
	f.now.Store(&Progress{})
	c.Progress = func(p Progress) { f.now.Store(&p) }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- RunFederation(ctx, c) }()
	f.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			q.Error(err)
		}
		f.stop = func() {}
	}
	q.Cleanup(func() { f.stop() })
	return f
}

// TestFederation brings five sites with 500 hosts up at a real controller, lets things happen, stops and
// starts either side in between, and at the end holds the controller's rows against the pure function.
func TestFederation(t *testing.T) {
	q := newHQ(t)
	q.start()
	dir := t.TempDir()
	conf := Federation{
		URL: "https://" + q.conf.Listen, Dir: dir, Hosts: 500, Sites: 5, Seed: 11, Rate: 400, Registry: q, Log: discard,
	}
	f := q.simulate(conf)
	q.until("all hosts and 300 events at the controller", func() bool {
		p := f.now.Load()
		return p.Acked == 500 && p.Rows >= 800 && p.Up == 5
	})
	sites, err := q.Sites(t.Context())
	if err != nil || len(sites) != 5 {
		t.Fatalf("%d sites, %v", len(sites), err)
	}
	for _, s := range sites {
		if s.Status != "enrolled" || s.Link != "up" || s.Region == "" || s.Country == "" || s.City == "" || s.Lat == nil {
			t.Errorf("site %+v", s)
		}
	}
	q.ask(conf)

	// The same folder is one simulation's, and one process's.
	if err := RunFederation(t.Context(), conf); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "another simulation is running") {
		t.Errorf("a second one with the same folder: %v", err)
	}
	f.stop()
	other := conf
	other.Hosts = 600
	if err := RunFederation(t.Context(), other); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "500 hosts of 5 sites with seed 11") {
		t.Errorf("other numbers with the same folder: %v", err)
	}
	other = conf
	other.Dir = t.TempDir()
	if err := RunFederation(t.Context(), other); !fault.Is(err, fault.Exists) {
		t.Errorf("the same sites from another folder: %v", err)
	}

	// It goes on where it stopped, and so it does where the controller went away.
	f = q.simulate(conf)
	q.until("200 events after a restart", func() bool { p := f.now.Load(); return p.Acked == 500 && p.Rows >= 200 })
	q.stop()
	q.until("the loss of the links", func() bool { return f.now.Load().Up == 0 })
	before := f.now.Load().Rows
	q.start()
	q.until("200 events after the controller's restart", func() bool { return f.now.Load().Rows >= before+200 })
	f.stop()
	q.stop()
	q.compare(conf)
}

// ask puts a question down a link and sends a command.
func (q *hq) ask(conf Federation) {
	q.Helper()
	troubled := slices.IndexFunc([]int{0, 1, 2, 3, 4}, func(i int) bool { return troubleAt(conf.Seed, i, conf.Sites) > 0 })
	w := q.world(conf, troubled)
	name, id := w.fleet.Sites[troubled].Code, model.HostID{}
	for n := 0; ; n++ { // one that is up, and has packages
		h, i, err := w.host(n)
		if err != nil {
			q.Fatal(err)
		}
		if h.Status == model.HostUp && i != nil && h.Exposure.High > 0 {
			id = h.ID
			var d schema.HostDetail
			if err := q.call(q.Context(), http.MethodGet, "/hosts/"+id.String()+"/detail", nil, &d); err != nil {
				continue // it is gone by now
			}
			if d.AnsweredBy != name || len(d.Packages) != len(i.inv.Packages) || d.Host.PackageN != len(d.Packages) || (len(d.Findings) == 0) != (d.Host.Worst == model.WorstClean) {
				q.Errorf("the site answered %d packages of %d and %d findings for %+v", len(d.Packages), len(i.inv.Packages), len(d.Findings), d.Host)
			}
			break
		}
	}
	var found schema.PackagesWhere
	if err := q.call(q.Context(), http.MethodGet, "/packages/where?name=openssl&limit=50", nil, &found); err != nil {
		q.Fatal(err)
	}
	if found.AnsweredN != conf.Sites || found.PartialN != 0 || len(found.Packages) != 50 || found.Total < 50 || found.Next == "" {
		q.Errorf("openssl: %d of %d rows, %d sites answered, silent: %+v", len(found.Packages), found.Total, found.AnsweredN, found.Partial)
	}
	var ends schema.CertificatesExpiring
	if err := q.call(q.Context(), http.MethodGet, "/certificates/expiring", nil, &ends); err != nil {
		q.Fatal(err)
	}
	if ends.AnsweredN != conf.Sites || ends.PartialN != 0 || !strings.Contains(ends.Answered[0].Note, "simulated") || ends.Answered[0].Lacking == 0 {
		q.Errorf("certificates: %+v", ends.Gathered)
	}
	var exposed schema.Exposure
	var roll []schema.Exposure
	if err := q.call(q.Context(), http.MethodGet, "/exposure", nil, &roll); err != nil {
		q.Fatal(err)
	}
	for _, e := range roll {
		if len(e.Top) > 0 {
			exposed = e
		}
	}
	if len(exposed.Top) > 0 {
		var hosts schema.ExposedWhere
		if err := q.call(q.Context(), http.MethodGet, "/exposure/cve/"+exposed.Top[0].Vulnerability+"?limit=5&site="+exposed.Site, nil, &hosts); err != nil {
			q.Fatal(err)
		}
		if hosts.AnsweredN != 1 || len(hosts.Hosts) == 0 || hosts.Total < exposed.Top[0].Hosts || hosts.Hosts[0].Vulnerability != exposed.Top[0].Vulnerability {
			q.Fatalf("%s is on %d hosts of %s; the site names %+v", exposed.Top[0].Vulnerability, exposed.Top[0].Hosts, exposed.Site, hosts)
		}
		var of schema.HostExposure
		if err := q.call(q.Context(), http.MethodGet, "/hosts/"+hosts.Hosts[0].HostID+"/exposure?limit=3", nil, &of); err != nil {
			q.Fatal(err)
		}
		if len(of.Findings) == 0 || of.Open != of.Total || (of.Next == "") != (of.Total <= 3) {
			q.Errorf("the findings of %s: %+v", hosts.Hosts[0].Hostname, of)
		}
	} else {
		q.Error("no site has a vulnerability to look for")
	}
	var diff schema.ExposureDiff
	if err := q.call(q.Context(), http.MethodGet, "/exposure/diff?from=7d", nil, &diff); err != nil {
		q.Fatal(err)
	}
	if diff.AnsweredN != conf.Sites || !strings.Contains(diff.Answered[0].Note, "simulated") {
		q.Errorf("what opened and closed: %+v", diff.Gathered)
	}
	var c schema.Command
	if err := q.call(q.Context(), http.MethodPost, "/commands", schema.Dispatch{Kind: "ping", Site: name, Hosts: []string{"*"}}, &c); err != nil {
		q.Fatal(err)
	}
	q.until("the end of the command", func() bool {
		if err := q.call(q.Context(), http.MethodGet, "/commands/"+c.ID, nil, &c); err != nil {
			q.Fatal(err)
		}
		return slices.Contains([]string{"succeeded", "partial", "failed"}, c.State)
	})
	if c.TaskN["succeeded"] < c.TaskN["failed"] || c.TaskN["failed"] == 0 || c.SiteAt == nil {
		q.Errorf("a ping to every host: %v", c.TaskN)
	}
}

// world returns a site's world as it was at the beginning.
func (q *hq) world(conf Federation, site int) *world {
	q.Helper()
	f, err := openFolderForReading(conf.Dir)
	if err != nil {
		q.Fatal(err)
	}
	l := newTestLogOf(q.T, conf.Seed, conf.Hosts, conf.Sites, site)
	l.world.base = f.Began
	return l.world
}

func openFolderForReading(dir string) (f simulation, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, simulationFile))
	if err != nil {
		return f, err
	}
	return f, model.Decode(raw, &f)
}

// compare opens the controller's store and computes what must be in it: nothing lost, nothing twice, the
// removed gone, statuses as they turned.
func (q *hq) compare(conf Federation) {
	q.Helper()
	s, err := index.Open(filepath.Join(q.conf.Data, "index"), index.Options{Log: discard})
	if err != nil {
		q.Fatal(err)
	}
	defer s.Close()
	v := s.View()
	defer v.Close()
	all, events, gone, turned := 0, uint64(0), 0, 0
	for i := range conf.Sites {
		w := q.world(conf, i)
		member, ok, err := v.MemberNamed(model.MemberSite, w.fleet.Sites[i].Code)
		if err != nil || !ok {
			q.Fatalf("site %s: %v, %v", w.fleet.Sites[i].Code, ok, err)
		}
		at, err := v.Watermark(member)
		if err != nil || at.Epoch != 1 {
			q.Fatalf("%+v, %v", at, err)
		}
		passed := uint64(at.Seq)>>slotBits - uint64(w.next)
		if err := w.reach(passed, model.TimeOf(time.Now())); err != nil {
			q.Fatal(err)
		}
		events += passed
		gone += len(w.gone)
		want := map[model.HostID]int{}
		for n := range w.next {
			if w.there(n) {
				want[w.id(n)] = n
			}
		}
		all += len(want)
		found := 0
		if err := v.HostsOfSite(model.SiteID(member), func(h model.Host) error {
			found++
			n, ok := want[h.ID]
			if !ok {
				return fmt.Errorf("%s (%s) is not of site %s, or was removed", h.ID, h.Hostname, w.fleet.Sites[i].Code)
			}
			x, _, err := w.host(n)
			if err != nil {
				return err
			}
			if w.odd[n].beat.Status != "" && w.odd[n].change == 0 {
				turned++
			}
			if h.Hostname != x.Hostname || h.Status != x.Status || !slices.Equal(h.Tags, x.Tags) || h.OS != x.OS || h.Exposure != x.Exposure ||
				!equal(h.Updates, x.Updates) || !equal(h.Compliance, x.Compliance) || h.AgentVersion != x.AgentVersion || h.PackagesDigest != x.PackagesDigest {
				return fmt.Errorf("the controller holds\n%+v\nit should be\n%+v", h, x)
			}
			return nil
		}); err != nil {
			q.Error(err)
		}
		e, _, err := v.Exposure(model.SiteID(member))
		// It is of the minute in which it was said; TestRollup holds it against the rows.
		if err != nil || e.MatchedHosts == 0 || e.MatchedHosts > w.next || e.AffectedHosts > e.MatchedHosts || len(e.Top) == 0 || e.AdvisoryN == 0 {
			q.Errorf("site %s: the roll-up is %+v; %v", w.fleet.Sites[i].Code, e, err)
		}
		counts, _, err := v.Counts(model.SiteID(member))
		if err != nil || found != len(want) || counts.Hosts != int64(found) {
			q.Errorf("site %s has %d hosts; the controller holds %d and counts %d; %v", w.fleet.Sites[i].Code, len(want), found, counts.Hosts, err)
		}
	}
	if events < 700 || gone == 0 || turned < 10 {
		q.Errorf("%d events, %d hosts removed, %d that turned: too little to tell", events, gone, turned)
	}
	sum, _, err := v.Counts(model.SiteID{})
	if err != nil || sum.Hosts != int64(all) {
		q.Errorf("%d hosts in all, counted %d; %v", all, sum.Hosts, err)
	}
	entries, err := v.Audit(0, 100_000)
	if err != nil {
		q.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == "item.refuse" {
			q.Errorf("refused: %+v", e)
		}
	}
}

func equal[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func TestNumbersOutOfBoundsAreRefused(t *testing.T) {
	for _, c := range []struct {
		f    Federation
		text string
	}{
		{Federation{Hosts: 10, Sites: 0}, "0 sites: want 1 to 4096"},
		{Federation{Hosts: 10, Sites: 5000}, "5000 sites: want 1 to 4096"},
		{Federation{Hosts: 4, Sites: 5}, "4 hosts of 5 sites: want at least one at each"},
		{Federation{Hosts: MaxHosts + 1, Sites: 5}, "at most 4194304"},
		{Federation{Hosts: 10, Sites: 5, Rate: 1e6}, "1e+06 changes a second: want 0 to 100000"},
	} {
		if err := RunFederation(t.Context(), c.f); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: %v", c.f, err)
		}
	}
	if err := (Federation{Hosts: MaxHosts, Sites: MaxSites, Rate: -1}).Check(); err != nil {
		t.Error(err)
	}
}
