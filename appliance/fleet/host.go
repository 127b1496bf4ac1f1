package fleet

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sort"
	"strings"
	"time"
)

var (
	roles    = []string{"web", "app", "db", "cache", "lb", "mq", "k8s-node", "k8s-cp", "es", "kafka", "jump", "dns", "ntp", "mail", "ci", "build", "store", "bkp", "mon", "log", "proxy", "vpn", "ad", "file", "print", "pos", "kiosk", "plc", "hmi", "edge"}
	envs     = []string{"prod", "prod", "prod", "prod", "stg", "dev", "qa", "dr"}
	statuses = []string{"up", "degraded", "down", "unknown"}
	agents   = []string{"2.4.1", "2.4.0", "2.3.7", "2.3.6", "2.2.9", "2.1.4", "1.9.12"}
	first    = []string{"james", "mary", "wei", "fatima", "luca", "olga", "raj", "ana", "kenji", "nina", "omar", "ines", "paul", "ruth", "sven", "tara", "ugo", "vera", "will", "yuki"}
	lastn    = []string{"smith", "garcia", "chen", "mueller", "rossi", "ivanov", "patel", "silva", "tanaka", "kim", "haddad", "novak", "jones", "brown", "larsson", "dubois", "ferrari", "kowalski", "okafor", "nguyen"}
)

// Host is one host as every store of a comparison is given it; Model turns it into a directory row.
type Host struct {
	HostID      string   `json:"host_id"`
	SiteID      string   `json:"site_id"`
	Hostname    string   `json:"hostname"`
	FQDN        string   `json:"fqdn"`
	IPv4        string   `json:"ipv4"`
	IPv6        string   `json:"ipv6"`
	OSName      string   `json:"os_name"`
	OSVersion   string   `json:"os_version"`
	Kernel      string   `json:"kernel"`
	Arch        string   `json:"arch"`
	Status      string   `json:"status"`
	Compliance  float64  `json:"compliance_pct"`
	CVECritical int      `json:"cve_critical"`
	CVEHigh     int      `json:"cve_high"`
	Updates     int      `json:"updates_pending"`
	Reboot      bool     `json:"reboot_required"`
	CPUs        int      `json:"cpu_count"`
	MemMB       int      `json:"memory_mb"`
	Region      string   `json:"region"`
	Country     string   `json:"country"`
	City        string   `json:"city"`
	Lat         float64  `json:"lat"`
	Lng         float64  `json:"lng"`
	Tags        []string `json:"tags"`
	Agent       string   `json:"agent_version"`
	LastSeen    int64    `json:"last_seen"`  // Unix milliseconds
	FirstSeen   int64    `json:"first_seen"` // Unix milliseconds
	ModTime     int64    `json:"mtime"`      // Unix milliseconds; when the site last changed the row
	Seq         uint64   `json:"seq"`        // of the batch that last changed the row
	MAC         string   `json:"mac"`
	Serial      string   `json:"serial"`
	Owner       string   `json:"owner"`
	SiteName    string   `json:"site_name"`
}

// Site is one site and the network that its hosts are in.
type Site struct {
	Idx     int     `json:"idx"`
	ID      string  `json:"site_id"`
	Code    string  `json:"code"`
	Kind    string  `json:"kind"`
	Region  string  `json:"region"`
	Country string  `json:"country"`
	City    string  `json:"city"`
	Lat     float64 `json:"lat"`
	Lng     float64 `json:"lng"`
	Hosts   int     `json:"hosts"`
	Net     string  `json:"net"`
	net4    netip.Prefix
	outage  bool // nothing is known of its hosts
}

// Host makes host n of site s, both from 0. It is a pure function of (Seed, s, n); n may exceed the number
// of hosts that the site started with.
func (f *Fleet) Host(s, n int) Host {
	st := &f.Sites[s]
	r := rng(f.Seed^uint64(s)<<32^0x9e3779b97f4a7c15, uint64(n))
	h := Host{HostID: uuidFrom(r), SiteID: st.ID, SiteName: st.Code, Region: st.Region, Country: st.Country, City: st.City, Lat: st.Lat, Lng: st.Lng}
	client := (st.Kind == "branch" && r.IntN(10) < 7) || (st.Kind == "plant" && r.IntN(10) < 4) || (st.Kind == "dc" && r.IntN(10) < 1)
	o, v := pickOS(r, client)
	h.OSName, h.OSVersion = o.name, v.ver
	h.Kernel = fmt.Sprintf(v.kernel, 20+r.IntN(160))
	h.Arch = "x86_64"
	if (o.name == "macOS" && r.IntN(10) < 8) || (o.name == "Amazon Linux" && r.IntN(10) < 4) || r.IntN(30) == 0 {
		h.Arch = "aarch64"
		h.Kernel = strings.ReplaceAll(strings.ReplaceAll(h.Kernel, "x86_64", "aarch64"), "amd64", "arm64")
	}
	// The address follows from the number: it skips .0, .1 and what ends each block of 256.
	base := binary.BigEndian.Uint32(st.net4.Addr().AsSlice())
	off := uint32(n/250)*256 + uint32(n%250) + 2
	var a4 [4]byte
	binary.BigEndian.PutUint32(a4[:], base+off)
	h.IPv4 = netip.AddrFrom4(a4).String()
	var a6 [16]byte
	a6[0], a6[1] = 0xfd, 0x20
	binary.BigEndian.PutUint16(a6[4:], uint16(st.Idx))
	binary.BigEndian.PutUint16(a6[6:], uint16(n/250))
	binary.BigEndian.PutUint64(a6[8:], r.Uint64())
	h.IPv6 = netip.AddrFrom16(a6).String()
	role := roles[r.IntN(len(roles))]
	env := envs[r.IntN(len(envs))]
	fn, ln := first[r.IntN(len(first))], lastn[r.IntN(len(lastn))]
	switch {
	case o.name == "Windows" && r.IntN(3) > 0:
		h.Hostname = fmt.Sprintf("desktop-%s", strings.ToLower(rand36(r, 7)))
	case o.name == "Windows":
		h.Hostname = fmt.Sprintf("%s-wks-%s%s-%03d", st.Code, fn[:1], ln, r.IntN(1000))
	case o.name == "macOS":
		h.Hostname = fmt.Sprintf("%s-mbp-%s%d", ln, fn, r.IntN(100))
	case st.Kind == "cloud" && r.IntN(2) == 0:
		h.Hostname = fmt.Sprintf("ip-%d-%d-%d-%d", a4[0], a4[1], a4[2], a4[3])
	case r.IntN(8) == 0:
		h.Hostname = fmt.Sprintf("%s%s%04d", role, env[:1], n%10000)
	default:
		h.Hostname = fmt.Sprintf("%s-%s-%s-%04d", st.Code, role, env, n%10000)
	}
	h.FQDN = fmt.Sprintf("%s.%s.%s.corp.example.net", h.Hostname, st.Code, strings.ToLower(st.Country))
	h.Owner = fmt.Sprintf("%s.%s@example.net", fn, ln)
	h.MAC = fmt.Sprintf("52:54:%02x:%02x:%02x:%02x", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256))
	h.Serial = rand36(r, 12)
	h.CPUs = 1 << r.IntN(7)
	h.MemMB = 1024 << r.IntN(9)
	h.Agent = agents[int(math.Min(float64(len(agents)-1), r.ExpFloat64()*1.3))]
	nt := 0
	for range 8 {
		if r.IntN(100) < 52 {
			nt++
		}
	}
	seen := map[string]bool{}
	h.Tags = []string{}
	for len(h.Tags) < nt {
		t := f.tag(r)
		if !seen[t] {
			seen[t] = true
			h.Tags = append(h.Tags, t)
		}
	}
	sort.Strings(h.Tags)
	x := r.IntN(1000)
	switch {
	case st.outage || x >= 980:
		h.Status = "unknown"
	case x < 905:
		h.Status = "up"
	case x < 945:
		h.Status = "degraded"
	default:
		h.Status = "down"
	}
	var ago time.Duration
	switch h.Status {
	case "up", "degraded":
		ago = time.Duration(r.IntN(300_000)) * time.Millisecond
	case "down":
		ago = time.Duration((0.1 + r.ExpFloat64()*36) * float64(time.Hour))
	default:
		ago = time.Duration((1 + r.ExpFloat64()*400) * float64(time.Hour))
	}
	h.LastSeen = T0.Add(-ago).UnixMilli()
	h.FirstSeen = T0.Add(-time.Duration(500+r.ExpFloat64()*6000) * time.Hour).UnixMilli()
	h.ModTime = h.LastSeen + int64(r.IntN(4000))
	h.Compliance = round(math.Max(0, 100-r.ExpFloat64()*9), 1)
	if r.IntN(4) == 0 {
		h.CVECritical = int(r.ExpFloat64() * 2.5)
	}
	if r.IntN(2) == 0 {
		h.CVEHigh = int(r.ExpFloat64() * 9)
	}
	h.Updates = int(r.ExpFloat64() * 14)
	h.Reboot = r.IntN(9) == 0
	h.Seq = uint64(n + 1)
	return h
}

const alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func rand36(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alnum[r.IntN(len(alnum))]
	}
	return string(b)
}
