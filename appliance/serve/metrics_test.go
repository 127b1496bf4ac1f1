package serve

import (
	"fmt"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// scrape returns the lines of a scrape that are no comments.
func scrape(t *testing.T, m *Metrics) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("status %d, %v, %s", w.Code, w.Header(), w.Body)
	}
	var lines []string
	for l := range strings.Lines(w.Body.String()) {
		if l = strings.TrimSpace(l); !strings.HasPrefix(l, "#") {
			lines = append(lines, l)
		}
	}
	return lines
}

// with returns the lines of some metrics.
func with(lines []string, prefix string) []string {
	var some []string
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			some = append(some, l)
		}
	}
	return some
}

func TestMetricsOfAController(t *testing.T) {
	m := NewMetrics(model.RoleController, "1.2.3")
	m.From(Sources{
		Group: func() GroupState {
			return GroupState{Leader: true, Term: 7, Commit: 100, Applied: 99, SnapshotAge: 90 * time.Second, Followers: map[string]uint64{"b": 3, "c": 0}}
		},
		Links: func() []LinkCount {
			return []LinkCount{{"site", "up", 4}, {"site", "down", 1}, {"robot", "up", 2}, {"drone", "up", 1}}
		},
		Disk:     func() DiskState { return DiskState{Free: 1 << 40, Level: 1} },
		ReadOnly: func() []string { return []string{"disk_full"} },
		Hosts:    func() map[string]int64 { return map[string]int64{"up": 10, "weird": 2, "unknown": 1} },
		Refused:  func() map[string]uint64 { return map[string]uint64{"too_large": 3, "odd": 2} },
	})
	m.Took("writing the Raft log", 2*time.Millisecond)
	m.Took("writing the vote", 2*time.Millisecond)
	m.Took("cutting the Raft log", 2*time.Millisecond)
	m.Took("applying a change", time.Millisecond)
	m.Took("writing rows", time.Millisecond)
	m.Took("anything else", time.Hour)
	s := *m.sources.Load()
	s.Turned = func() map[string]uint64 {
		return map[string]uint64{"site/denied": 4, "robot/busy": 1, "drone/x": 2, "site/too_large": 5}
	}
	m.From(s)
	lines := scrape(t, m)
	for _, want := range []string{
		`skerry_build_info{role="controller",version="1.2.3"} 1`,
		"skerry_raft_leader 1", "skerry_raft_term 7", "skerry_raft_commit_index 100", "skerry_raft_applied_index 99",
		"skerry_raft_last_contact_seconds 0", "skerry_raft_snapshot_age_seconds 90",
		`skerry_raft_follower_lag_entries{node="b"} 3`, `skerry_raft_follower_lag_entries{node="c"} 0`,
		"skerry_raft_fsync_seconds_count 3", `skerry_raft_fsync_seconds_bucket{le="0.0025"} 3`, `skerry_raft_fsync_seconds_bucket{le="0.001"} 0`,
		`skerry_raft_apply_seconds_count{step="change"} 1`, `skerry_raft_apply_seconds_count{step="rows"} 1`,
		`skerry_links{kind="site",state="up"} 4`, `skerry_links{kind="site",state="down"} 1`, `skerry_links{kind="other",state="up"} 3`,
		"skerry_disk_free_bytes 1.099511627776e+12", "skerry_disk_level 1",
		`skerry_read_only{reason="disk_full"} 1`, `skerry_read_only{reason="no_leader"} 0`,
		`skerry_refused_items_total{reason="too_large"} 3`, `skerry_refused_items_total{reason="foreign"} 0`, `skerry_refused_items_total{reason="other"} 2`,
		`skerry_refused_when_applied_total{from="site",reason="denied"} 4`, `skerry_refused_when_applied_total{from="other",reason="other"} 3`,
		`skerry_hosts{status="up"} 10`, `skerry_hosts{status="unknown"} 3`, `skerry_hosts{status="down"} 0`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s", want)
		}
	}
	for _, none := range []string{"skerry_outbox_items"} {
		if got := with(lines, none); got != nil {
			t.Errorf("%q", got)
		}
	}
	if with(lines, "go_goroutines") == nil || with(lines, "process_open_fds") == nil {
		t.Error("nothing of the process")
	}
}

func TestMetricsOfASite(t *testing.T) {
	m := NewMetrics(model.RoleSite, "1.2.3")
	m.From(Sources{Outbox: func() OutboxState { return OutboxState{Items: 42, Bytes: 7} }, Bodies: func() int { return 3 }, Clock: func() bool { return false }})
	lines := scrape(t, m)
	if !slices.Contains(lines, "skerry_outbox_items 42") || !slices.Contains(lines, "skerry_outbox_bytes 7") || !slices.Contains(lines, "skerry_clock_believed 0") || !slices.Contains(lines, "skerry_detail_damaged_bodies 3") || with(lines, "skerry_raft") != nil || with(lines, "skerry_links") != nil {
		t.Errorf("%q", with(lines, "skerry"))
	}
}

// What is not known is no zero, and no series at all before there is a source.
func TestUnknownIsNoMetric(t *testing.T) {
	m := NewMetrics(model.RoleController, "x")
	if got := with(scrape(t, m), "skerry_"); len(with(got, "skerry_raft_term"))+len(with(got, "skerry_disk")) != 0 {
		t.Errorf("%q", got)
	}
	m.From(Sources{Group: func() GroupState { return GroupState{LastContact: -1, SnapshotAge: -1} }})
	lines := scrape(t, m)
	if with(lines, "skerry_raft_last_contact_seconds") != nil || with(lines, "skerry_raft_snapshot_age_seconds") != nil || !slices.Contains(lines, "skerry_raft_leader 0") {
		t.Errorf("%q", with(lines, "skerry_raft_"))
	}
}

// However many of whatever there are, the series are not.
func TestSeriesAreBounded(t *testing.T) {
	m := NewMetrics(model.RoleController, "x")
	m.From(Sources{
		Group: func() GroupState {
			g := GroupState{Followers: map[string]uint64{}}
			for i := range 1000 {
				g.Followers[fmt.Sprint(i)] = 1
			}
			return g
		},
		Links: func() (all []LinkCount) {
			for i := range 1000 {
				all = append(all, LinkCount{fmt.Sprint("kind", i), fmt.Sprint("state", i), 1})
			}
			return all
		},
		ReadOnly: func() (why []string) {
			for i := range 1000 {
				why = append(why, fmt.Sprint(i))
			}
			return why
		},
		Hosts: func() map[string]int64 {
			by := map[string]int64{}
			for i := range 1000 {
				by[fmt.Sprint(i)] = 1
			}
			return by
		},
	})
	for status := range 10_000 {
		m.Answered("GET /api/v1/sites", status-100, time.Millisecond)
	}
	lines := scrape(t, m)
	for prefix, most := range map[string]int{
		"skerry_raft_follower": maxFollowers, "skerry_links": 1, "skerry_read_only": len(ReadOnlyReasons) + 1, "skerry_hosts": 4,
		"skerry_http_requests_total": len(classes), "skerry_http_request_seconds": len(slow) + 3,
	} {
		if got := with(lines, prefix); len(got) > most || len(got) == 0 {
			t.Errorf("%d series of %s, want at most %d", len(got), prefix, most)
		}
	}
	if !slices.Contains(lines, `skerry_read_only{reason="other"} 1`) || !slices.Contains(lines, `skerry_links{kind="other",state="other"} 1000`) {
		t.Error("what has no name is not counted")
	}
	if !slices.Contains(lines, `skerry_hosts{status="unknown"} 1000`) {
		t.Error("hosts of a status that nobody knows are not unknown")
	}
}

func TestAnswers(t *testing.T) {
	m := NewMetrics(model.RoleSite, "x")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				m.Answered("GET /api/v1/hosts", 200, 3*time.Millisecond)
				m.Answered("GET /api/v1/hosts", 503, 2*time.Second)
				m.Answered("GET /api/v1/hosts/watch", 200, time.Hour)
			}
		})
	}
	all.Wait()
	lines := scrape(t, m)
	for _, want := range []string{
		`skerry_http_requests_total{class="2xx",route="GET /api/v1/hosts"} 800`,
		`skerry_http_requests_total{class="5xx",route="GET /api/v1/hosts"} 800`,
		`skerry_http_requests_total{class="2xx",route="GET /api/v1/hosts/watch"} 800`,
		`skerry_http_request_seconds_count{route="GET /api/v1/hosts"} 1600`,
		`skerry_http_request_seconds_bucket{route="GET /api/v1/hosts",le="0.005"} 800`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s in %q", want, with(lines, "skerry_http"))
		}
	}
	if got := with(lines, `skerry_http_request_seconds_count{route="GET /api/v1/hosts/watch"}`); got != nil {
		t.Errorf("a stream is among the times: %q", got)
	}
}

// Each metric says what it is, and in the unit that Prometheus has for it.
func TestMetricNames(t *testing.T) {
	m := NewMetrics(model.RoleController, "x")
	m.From(Sources{Group: func() GroupState { return GroupState{} }, Disk: func() DiskState { return DiskState{Free: math.MaxInt64} }})
	m.Answered("page", 200, 0)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^(skerry|go|process)_[a-z0-9_]+$`)
	for _, f := range families {
		if !name.MatchString(f.GetName()) || f.GetHelp() == "" {
			t.Errorf("%s: %q", f.GetName(), f.GetHelp())
		}
	}
}

func TestMetricsToken(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if token, err := MetricsToken(""); token != "" || err != nil {
		t.Errorf("no file: %q, %v", token, err)
	}
	if token, err := MetricsToken(write("good", "0123456789abcdef\n")); token != "0123456789abcdef" || err != nil {
		t.Errorf("%q, %v", token, err)
	}
	for name, path := range map[string]string{
		"no such file": filepath.Join(dir, "nowhere"), "empty": write("empty", "\n"), "short": write("short", "0123456789abcde"),
		"long": write("long", strings.Repeat("x", maxMetricsToken+1)), "words": write("words", "correct horse battery staple"), "binary": write("binary", strings.Repeat("\xff", 32)),
	} {
		if token, err := MetricsToken(path); !fault.Is(err, fault.Invalid) || token != "" {
			t.Errorf("%s: %q, %v", name, token, err)
		}
	}
}

// TestHostsByStatus: of hosts whose site cannot be reached nobody says that they are up.
func TestHostsByStatus(t *testing.T) {
	store, err := index.Open(filepath.Join(t.TempDir(), "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rows := Rows{Store: store}
	tx := store.Begin()
	defer tx.Discard()
	near, far := model.SiteID{15: 1}, model.SiteID{15: 2}
	for _, put := range []func(apply.Tx) error{
		func(tx apply.Tx) error { return tx.PutSite(model.Site{ID: near, Name: "near"}) },
		func(tx apply.Tx) error { return tx.PutSite(model.Site{ID: far, Name: "far"}) },
		func(tx apply.Tx) error {
			return tx.PutCounts(model.SiteCounts{Site: near, Hosts: 3, ByStatus: map[string]int64{"up": 2, "late": 1}})
		},
		func(tx apply.Tx) error {
			return tx.PutCounts(model.SiteCounts{Site: far, Hosts: 5, ByStatus: map[string]int64{"up": 5}})
		},
		func(tx apply.Tx) error {
			return tx.PutCounts(model.SiteCounts{Hosts: 8, ByStatus: map[string]int64{"up": 7, "late": 1}})
		},
	} {
		if err := put(tx); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(1, true); err != nil {
		t.Fatal(err)
	}
	if got := rows.HostsByStatus(func(id model.NodeID) bool { return model.SiteID(id) == near }); fmt.Sprint(got) != "map[late:1 unknown:5 up:2]" {
		t.Errorf("at a controller: %v", got)
	}
	if got := rows.HostsByStatus(nil); fmt.Sprint(got) != "map[late:1 up:7]" {
		t.Errorf("at a site: %v", got)
	}
}
