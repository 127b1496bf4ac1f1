package fleet

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// Query is one question in a form that belongs to no store: a host must meet every condition that is set.
type Query struct {
	Kind      string   `json:"kind"`
	Op        string   `json:"op"`
	Hostname  string   `json:"hostname,omitempty"`
	Prefix    string   `json:"hostname_prefix,omitempty"`
	Substr    string   `json:"hostname_substr,omitempty"`
	IP        string   `json:"ip,omitempty"`
	CIDR      string   `json:"cidr,omitempty"`
	SiteID    string   `json:"site_id,omitempty"`
	Status    string   `json:"status,omitempty"`
	OSName    string   `json:"os_name,omitempty"`
	OSVersion string   `json:"os_version,omitempty"`
	Region    string   `json:"region,omitempty"`
	Tags      []string `json:"tags,omitempty"`     // all of
	NotTags   []string `json:"not_tags,omitempty"` // none of
	Sort      string   `json:"sort,omitempty"`
	AfterHost string   `json:"after_hostname,omitempty"`
	AfterID   string   `json:"after_host_id,omitempty"`
	Limit     int      `json:"limit,omitempty"`
}

// The values of Query.Op.
const (
	OpPage   = "page"   // the rows of one page
	OpCount  = "count"  // how many hosts there are
	OpFacets = "facets" // how many hosts there are of each status, system, site, region, tag and severity
	OpRollup = "rollup" // sums for each site
)

// The values of Query.Sort. Equal hosts come by id, in the same direction.
const (
	SortName = "hostname"
	SortSeen = "last_seen_desc"
	SortIP   = "ip"
)

// Kinds are the kinds of questions, in the order of reports.
var Kinds = []string{
	"host_exact", "host_prefix", "substr_selective", "substr_broad", "ip_exact", "cidr",
	"site_status", "os_ver_status", "tag_and_tag", "tag_not_tag_region", "substr_status_tag",
	"last_seen_desc", "deep_cursor", "count_filter", "count_substr", "facets_filter", "rollup_site",
}

// Queries makes n questions of one kind: a pure function of (Seed, kind, n).
func (f *Fleet) Queries(kind string, n int) []Query {
	var k uint64
	for _, c := range kind {
		k = k*131 + uint64(c)
	}
	r := rng(f.Seed^k, 77)
	out := make([]Query, n)
	for i := range out {
		out[i] = f.query(kind, r)
	}
	return out
}

// randHost draws a host, each with the same chance.
func (f *Fleet) randHost(r *rand.Rand) Host {
	x := r.IntN(f.Config.Hosts)
	for s := range f.Sites {
		if x < f.Sites[s].Hosts {
			return f.Host(s, x)
		}
		x -= f.Sites[s].Hosts
	}
	panic("unreachable")
}

// rankTag draws a tag whose rank is in [lo, hi).
func (f *Fleet) rankTag(r *rand.Rand, lo, hi int) string { return f.Tags[lo+r.IntN(hi-lo)] }

func (f *Fleet) query(kind string, r *rand.Rand) Query {
	q := Query{Kind: kind, Op: OpPage, Sort: SortName, Limit: 50}
	h := f.randHost(r)
	switch kind {
	case "host_exact":
		q.Hostname = h.Hostname
	case "host_prefix":
		n := min(len(h.Hostname), 5+r.IntN(8))
		q.Prefix = h.Hostname[:n]
	case "substr_selective":
		n := min(len(h.Hostname), 7+r.IntN(3))
		o := r.IntN(len(h.Hostname) - n + 1)
		q.Substr = h.Hostname[o : o+n]
	case "substr_broad":
		q.Substr = []string{"web", "prod", "kafka", "node", "jump", "wks", "mbp", "desktop", "-dr-", "stg"}[r.IntN(10)]
	case "ip_exact":
		q.IP = h.IPv4
	case "cidr":
		a := netip.MustParseAddr(h.IPv4)
		p, _ := a.Prefix(20 + r.IntN(9))
		q.CIDR, q.Sort = p.String(), SortIP
	case "site_status":
		q.SiteID, q.Status = h.SiteID, statuses[r.IntN(4)]
	case "os_ver_status":
		q.OSName, q.OSVersion, q.Status = h.OSName, h.OSVersion, statuses[r.IntN(4)]
	case "tag_and_tag":
		q.Tags = []string{f.rankTag(r, 0, 30), f.rankTag(r, 30, 500)}
	case "tag_not_tag_region":
		q.Tags, q.NotTags, q.Region = []string{f.rankTag(r, 0, 200)}, []string{f.rankTag(r, 0, 20)}, h.Region
		if q.Tags[0] == q.NotTags[0] {
			q.NotTags[0] = f.Tags[20]
		}
	case "substr_status_tag":
		q.Substr = []string{"web", "app", "kafka", "prod", "store", "dns", "cache", "edge", "proxy", h.SiteName}[r.IntN(10)]
		q.Status, q.Tags = statuses[r.IntN(4)], []string{f.rankTag(r, 0, 200)}
	case "last_seen_desc":
		q.Sort, q.Status = SortSeen, statuses[r.IntN(4)]
	case "deep_cursor":
		q.Status, q.AfterHost, q.AfterID, q.Limit = "up", h.Hostname, h.HostID, 100
	case "count_filter":
		q.Op, q.Limit, q.Sort = OpCount, 0, ""
		switch r.IntN(3) {
		case 0:
			q.OSName, q.Status, q.Region = h.OSName, statuses[r.IntN(4)], h.Region
		case 1:
			q.Tags, q.Status = []string{f.rankTag(r, 0, 300)}, "up"
		case 2:
			q.OSName, q.OSVersion = h.OSName, h.OSVersion
		}
	case "count_substr":
		q.Op, q.Limit, q.Sort = OpCount, 0, ""
		q.Substr = []string{"web", "kafka", "prod", "wks", "desk", h.SiteName, h.SiteName + "-web"}[r.IntN(7)]
	case "facets_filter":
		q.Op, q.Limit, q.Sort = OpFacets, 0, ""
		switch r.IntN(3) {
		case 0:
			q.Tags = []string{f.rankTag(r, 0, 300)}
		case 1:
			q.Region, q.Status = h.Region, "up"
		case 2:
			q.Substr = []string{"web", "kafka", "stg", "wks", h.SiteName}[r.IntN(5)]
		}
	case "rollup_site":
		q.Op, q.Limit, q.Sort = OpRollup, 0, ""
	}
	return q
}

// LikeEscape escapes a literal for LIKE, whose escape character is the backslash.
func LikeEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// CIDRRange gives the first and last IPv4 address of a prefix as integers.
func CIDRRange(s string) (lo, hi uint32) {
	p := netip.MustParsePrefix(s)
	lo = binary.BigEndian.Uint32(p.Masked().Addr().AsSlice())
	return lo, lo | uint32(1<<(32-p.Bits())-1)
}

// IPInt is an IPv4 address as an integer.
func IPInt(s string) uint32 {
	return binary.BigEndian.Uint32(netip.MustParseAddr(s).AsSlice())
}
