package serve

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skerryhq/skerry/engine/model"
)

// Metrics is what a server tells Prometheus. Every label is of a fixed set, or a node of the group: nothing that
// a user, a site or a host sends becomes one. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	sources  atomic.Pointer[Sources]

	fsync    prometheus.Histogram
	change   prometheus.Observer
	rows     prometheus.Observer
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	routes   sync.Map // route -> *routeMetrics, found once
}

// Sources are what is asked at each scrape. A nil one is of a server that has no such thing. They must be quick,
// and safe for concurrent use.
type Sources struct {
	Group    func() GroupState // a controller's Raft group, as this node knows it
	Links    func() []LinkCount
	Disk     func() DiskState
	ReadOnly func() []string // of ReadOnlyReasons: why nothing can be changed now
	Outbox   func() OutboxState
	Bodies   func() int              // damaged bodies of a site's detail tier that are known
	Clock    func() bool             // whether the clock of a site's machine is believed
	Hosts    func() map[string]int64 // model.HostStatus -> hosts; see Rows.HostsByStatus
	// Refused counts the items of members that were not taken since the start, by reason, of RefusedReasons.
	Refused func() map[string]uint64
	// Turned counts the single items that were refused when they were applied, by who sent them and why, as
	// apply.Refusals.Total does.
	Turned func() map[string]uint64
	// RefusedLinks counts the links that were not let in since the start, by reason, of RefusedLinkReasons.
	RefusedLinks func() map[string]uint64
	// Drift is how long ago a site was last known to hold the advisories that its controller has, and how many changes it lacks;
	// false: it never did.
	Drift func() (age time.Duration, changes uint64, known bool)
	// Ages is how old the sources are that are fetched here, by their configured names.
	Ages func() map[string]time.Duration
}

// GroupState is what one node knows of its group.
type GroupState struct {
	Leader          bool
	Term            uint64
	Commit, Applied uint64            // indexes
	LastContact     time.Duration     // since the leader was heard; negative: never. 0 at the leader itself
	SnapshotAge     time.Duration     // negative: there is none
	Followers       map[string]uint64 // at the leader: id of a node -> entries that it does not have; the first 16
}

// LinkCount counts links of members.
type LinkCount struct {
	Kind  string // site, host, gateway, controller
	State string // up, down, never
	N     int
}

// OutboxState is what a site's controller has not acknowledged.
type OutboxState struct {
	Items int
	Bytes int64
}

// DiskState is the room that is left. Level is 0 for plenty, 1 for low, 2 for critical.
type DiskState struct {
	Free  int64 // bytes
	Level int
}

// RefusedReasons are the reasons that Sources.Refused may give: more than a bound; what does not decode or cannot be; what
// is of a host or command of somebody else.
var RefusedReasons = []string{"too_large", "malformed", "foreign"}

// ReadOnlyReasons are the reasons that Sources.ReadOnly may give.
var ReadOnlyReasons = []string{"no_leader", "disk_full", "disk_failed", "stopping"}

const maxFollowers = 16

// slow is for requests, in seconds: most take less than a millisecond.
var slow = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// quick is for writes to a disk, in seconds.
var quick = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5}

// NewMetrics makes the metrics of a server. Until From is called they say of the server what it is, and no more.
func NewMetrics(role model.Role, version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "skerry_raft_fsync_seconds", Help: "How long a durable write to the Raft log took.", Buckets: quick,
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skerry_http_requests_total", Help: "Answers by operation and class of status.",
		}, []string{"route", "class"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "skerry_http_request_seconds", Help: "How long answers took, by operation; streams without an end are not in it.", Buckets: slow,
		}, []string{"route"}),
	}
	apply := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "skerry_raft_apply_seconds", Help: "How long it took to work out one change of an entry (change) and to write what came of entries (rows).", Buckets: quick,
	}, []string{"step"})
	m.change, m.rows = apply.WithLabelValues("change"), apply.WithLabelValues("rows")
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "skerry_build_info", Help: "1, with what runs here.", ConstLabels: prometheus.Labels{"version": version, "role": string(role)},
	})
	info.Set(1)
	m.registry.MustRegister(info, m.requests, m.latency, state{m},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if role == model.RoleController {
		m.registry.MustRegister(m.fsync, apply)
	}
	// The server compresses by itself, for those who ask.
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: 4})
	return m
}

// From sets what is asked at each scrape.
func (m *Metrics) From(s Sources) { m.sources.Store(&s) }

// Handler answers a scrape; it satisfies api.Config.Metrics.
func (m *Metrics) Handler() http.Handler { return m.handler }

// Took counts what took so long; it satisfies node.Config.Observe. What it does not know it leaves out.
func (m *Metrics) Took(what string, took time.Duration) {
	switch {
	case what == "applying a change":
		m.change.Observe(took.Seconds())
	case what == "writing rows":
		m.rows.Observe(took.Seconds())
	case strings.HasPrefix(what, "writing the "), strings.HasPrefix(what, "cutting the "):
		m.fsync.Observe(took.Seconds())
	}
}

// routeMetrics is what one operation counts to.
type routeMetrics struct {
	latency prometheus.Observer // nil: a stream
	counted [len(classes)]prometheus.Counter
}

// classes are the classes of statuses; the first is of what has none.
var classes = [...]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}

// Answered counts an answer; it satisfies api.Config.Observe, whose routes are a fixed set.
func (m *Metrics) Answered(route string, status int, took time.Duration) {
	known, ok := m.routes.Load(route)
	if !ok {
		r := &routeMetrics{}
		if !strings.HasSuffix(route, "/watch") {
			r.latency = m.latency.WithLabelValues(route)
		}
		for i, class := range classes {
			r.counted[i] = m.requests.WithLabelValues(route, class)
		}
		known, _ = m.routes.LoadOrStore(route, r)
	}
	r := known.(*routeMetrics)
	class := status / 100
	if class < 0 || class >= len(classes) {
		class = 0
	}
	r.counted[class].Inc()
	if r.latency != nil {
		r.latency.Observe(took.Seconds())
	}
}

// state is the collector of what the sources say.
type state struct{ m *Metrics }

var (
	leader       = prometheus.NewDesc("skerry_raft_leader", "1 where this node leads its group.", nil, nil)
	term         = prometheus.NewDesc("skerry_raft_term", "The term of the group that this node knows of.", nil, nil)
	commit       = prometheus.NewDesc("skerry_raft_commit_index", "The last entry that this node knows a majority to have.", nil, nil)
	applied      = prometheus.NewDesc("skerry_raft_applied_index", "The last entry that is in the rows of this node.", nil, nil)
	contact      = prometheus.NewDesc("skerry_raft_last_contact_seconds", "How long ago the leader was heard; 0 at the leader.", nil, nil)
	snapshotAge  = prometheus.NewDesc("skerry_raft_snapshot_age_seconds", "How old the newest snapshot is.", nil, nil)
	lag          = prometheus.NewDesc("skerry_raft_follower_lag_entries", "At the leader: entries that a node does not have yet.", []string{"node"}, nil)
	links        = prometheus.NewDesc("skerry_links", "Links of members that this server holds.", []string{"kind", "state"}, nil)
	diskFree     = prometheus.NewDesc("skerry_disk_free_bytes", "Free room on the disk of the data folder.", nil, nil)
	diskLevel    = prometheus.NewDesc("skerry_disk_level", "0: plenty of room, 1: low, nothing new is written, 2: critical.", nil, nil)
	readOnly     = prometheus.NewDesc("skerry_read_only", "1 for each reason why nothing can be changed now.", []string{"reason"}, nil)
	outbox       = prometheus.NewDesc("skerry_outbox_items", "Items that the controller has not acknowledged yet.", nil, nil)
	outboxBytes  = prometheus.NewDesc("skerry_outbox_bytes", "Size of those items.", nil, nil)
	badBodies    = prometheus.NewDesc("skerry_detail_damaged_bodies", "Bodies of the detail tier that were found damaged and were not reported again since.", nil, nil)
	clock        = prometheus.NewDesc("skerry_clock_believed", "1 where the clock of this machine is believed, 0 where the time goes on without it.", nil, nil)
	refused      = prometheus.NewDesc("skerry_refused_items_total", "Items of members that were refused since the start, by reason.", []string{"reason"}, nil)
	turned       = prometheus.NewDesc("skerry_refused_when_applied_total", "Single items that were refused when they were applied, by who sent them (site, agent, controller) and kind of the refusal; kept over starts.", []string{"from", "reason"}, nil)
	refusedLinks = prometheus.NewDesc("skerry_refused_links_total", "Links that were not let in since the start, or ended because of what came by them, by reason.", []string{"reason"}, nil)
	behindFor    = prometheus.NewDesc("skerry_advisories_behind_seconds", "How long ago this site was last known to hold all advisories of its controller; 0 while it does.", nil, nil)
	behindBy     = prometheus.NewDesc("skerry_advisories_behind_changes", "Changes of the controller's advisories that this site knows of and does not have, at most.", nil, nil)
	sourceAge    = prometheus.NewDesc("skerry_advisory_source_age_seconds", "How long ago a source of advisories was last reached, by its configured name.", []string{"source"}, nil)
	hosts        = prometheus.NewDesc("skerry_hosts", "Hosts by status; unknown where their site cannot be reached.", []string{"status"}, nil)
)

// Describe implements prometheus.Collector.
func (s state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{leader, term, commit, applied, contact, snapshotAge, lag, links, diskFree, diskLevel, readOnly, outbox, outboxBytes, badBodies, clock, refused, turned, refusedLinks, behindFor, behindBy, sourceAge, hosts} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s state) Collect(ch chan<- prometheus.Metric) {
	from := s.m.sources.Load()
	if from == nil {
		return
	}
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if from.Group != nil {
		collectGroup(from.Group(), put)
	}
	if from.Links != nil {
		sums := map[[2]string]int{}
		for _, l := range from.Links() {
			sums[[2]string{oneOf(l.Kind, "site", "host", "gateway", "controller"), oneOf(l.State, "up", "down", "never")}] += l.N
		}
		for of, n := range sums {
			put(links, float64(n), of[0], of[1])
		}
	}
	if from.Disk != nil {
		d := from.Disk()
		put(diskFree, float64(d.Free))
		put(diskLevel, float64(d.Level))
	}
	if from.ReadOnly != nil {
		why := map[string]float64{}
		for _, reason := range from.ReadOnly() {
			why[oneOf(reason, ReadOnlyReasons...)] = 1
		}
		for _, reason := range append(ReadOnlyReasons[:len(ReadOnlyReasons):len(ReadOnlyReasons)], other) {
			put(readOnly, why[reason], reason)
		}
	}
	if from.Outbox != nil {
		o := from.Outbox()
		put(outbox, float64(o.Items))
		put(outboxBytes, float64(o.Bytes))
	}
	if from.Bodies != nil {
		put(badBodies, float64(from.Bodies()))
	}
	if from.Clock != nil {
		v := 0.0
		if from.Clock() {
			v = 1
		}
		put(clock, v)
	}
	if from.Refused != nil {
		collectRefused(refused, from.Refused(), RefusedReasons, ch)
	}
	if from.Turned != nil {
		collectTurned(from.Turned(), ch)
	}
	if from.RefusedLinks != nil {
		collectRefused(refusedLinks, from.RefusedLinks(), RefusedLinkReasons, ch)
	}
	if from.Drift != nil {
		age, changes, known := from.Drift()
		if known {
			put(behindFor, age.Seconds())
		}
		put(behindBy, float64(changes))
	}
	if from.Ages != nil {
		for name, age := range from.Ages() {
			put(sourceAge, age.Seconds(), name)
		}
	}
	if from.Hosts != nil {
		by := map[string]int64{string(model.HostUp): 0, string(model.HostLate): 0, string(model.HostDown): 0, string(model.HostUnknown): 0}
		for status, n := range from.Hosts() {
			if _, known := by[status]; !known {
				status = string(model.HostUnknown)
			}
			by[status] += n
		}
		for status, n := range by {
			put(hosts, float64(n), status)
		}
	}
}

// turnedReasons are the kinds of refusals of single items; see engine/apply.
var turnedReasons = []string{"invalid", "not_found", "exists", "conflict", "denied", "too_large"}

func collectTurned(n map[string]uint64, ch chan<- prometheus.Metric) {
	by := map[[2]string]uint64{}
	for key, k := range n {
		who, reason, _ := strings.Cut(key, "/")
		by[[2]string{oneOf(who, "site", "agent", "controller"), oneOf(reason, turnedReasons...)}] += k
	}
	for of, k := range by {
		ch <- prometheus.MustNewConstMetric(turned, prometheus.CounterValue, float64(k), of[0], of[1])
	}
}

func collectRefused(desc *prometheus.Desc, n map[string]uint64, reasons []string, ch chan<- prometheus.Metric) {
	by := map[string]uint64{}
	for reason, k := range n {
		by[oneOf(reason, reasons...)] += k
	}
	for _, reason := range append(reasons[:len(reasons):len(reasons)], other) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(by[reason]), reason)
	}
}

func collectGroup(g GroupState, put func(*prometheus.Desc, float64, ...string)) {
	leads := 0.0
	if g.Leader {
		leads = 1
	}
	put(leader, leads)
	put(term, float64(g.Term))
	put(commit, float64(g.Commit))
	put(applied, float64(g.Applied))
	if g.LastContact >= 0 {
		put(contact, g.LastContact.Seconds())
	}
	if g.SnapshotAge >= 0 {
		put(snapshotAge, g.SnapshotAge.Seconds())
	}
	n := 0
	for node, behind := range g.Followers {
		if n++; n > maxFollowers {
			break
		}
		put(lag, float64(behind), node)
	}
}

// other stands for whatever is not of a fixed set.
const other = "other"

func oneOf(v string, known ...string) string {
	for _, k := range known {
		if v == k {
			return v
		}
	}
	return other
}
