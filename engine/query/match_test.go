package query

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

const now = model.Time(1_790_000_000_000) // 2026-09-21T14:13:20Z

var sites = []model.Site{
	{ID: model.SiteID{1}, Name: "Berlin", Region: "eu-central", Country: "DE", City: "Berlin"},
	{ID: model.SiteID{2}, Name: "berlin-2", Region: "EU-Central", Country: "DE", City: "Berlin"},
	{ID: model.SiteID{3}, Name: "new-york", Region: "us-east", Country: "US", City: "New York"},
	{ID: model.SiteID{4}, Name: "", Region: "", Country: "", City: ""},
	{ID: model.SiteID{5}, Name: "São Paulo", Region: "sa-east", Country: "BR", City: "SÃO PAULO"},
}

var env = Env{Now: now, Site: func(id model.SiteID) model.Site {
	for _, s := range sites {
		if s.ID == id {
			return s
		}
	}
	return model.Site{}
}}

func pick[T any](r *rand.Rand, xs ...T) T { return xs[r.IntN(len(xs))] }

// hostOf makes a host out of few values, so that every search finds some and leaves some, and any field may
// have none.
func hostOf(r *rand.Rand) *model.Host {
	h := &model.Host{ID: model.HostID{byte(r.IntN(256)), byte(r.IntN(256)), 7}}
	h.Site = pick(r, model.SiteID{}, model.SiteID{1}, model.SiteID{2}, model.SiteID{3}, model.SiteID{4}, model.SiteID{5}, model.SiteID{9})
	h.Hostname = pick(r, "web-01", "WEB-02", "db1", "mydb", "Ünïcode", "a", "10.2.3.4", "")
	h.FQDN = pick(r, "", "", h.Hostname+".example.org", "Other.Example.NET")
	h.IPv4 = pick(r, nil, []string{"10.2.3.4"}, []string{"10.2.3.40", "192.168.0.1"}, []string{"10.20.0.1"}, []string{"nonsense", "10.0.0.9"}, []string{"256.1.1.1"})
	h.IPv6 = pick(r, nil, nil, []string{"2001:db8::1"}, []string{"2001:0DB8:0::1"}, []string{"fd00::1%eth0"}, []string{"::ffff:10.2.3.4"})
	h.MAC = pick(r, nil, []string{"52:54:00:ab:cd:ef"}, []string{"00:00:00:00:00:01", "52:54:01:00:00:00"})
	h.OS = pick(r, model.OS{}, model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12"}, model.OS{ID: "debian", Name: "Debian GNU/Linux", Version: "11"},
		model.OS{ID: "rhel", Name: "Red Hat Enterprise Linux", Version: "9.4"}, model.OS{ID: "rhel", Name: "Red Hat Enterprise Linux", Version: "9"}, model.OS{ID: "rhel", Name: "Red Hat Enterprise Linux", Version: "8.10"},
		model.OS{ID: "rhel", Name: "Red Hat Enterprise Linux", Version: "90"}, model.OS{ID: "arch", Name: "Arch Linux"}, model.OS{ID: "debian", Name: "Debian GNU/Linux trixie/sid"}, model.OS{ID: "windows", Name: "Windows", Version: "11 24H2"}, model.OS{ID: "windows", Name: "Windows", Version: "11"},
		model.OS{ID: "windows-server", Name: "Windows Server", Version: "2022"}, model.OS{ID: "sles", Name: "SUSE Linux Enterprise Server", Version: "15-SP5"}, model.OS{ID: "SLES", Name: "SUSE", Version: "15-SP6"}, model.OS{Name: "Nameless"})
	h.Kernel = pick(r, "", "6.1.0-18-amd64", "5.15.0-91-generic", "5.4.0", "6.1", "10.0.20348.1")
	h.Arch = pick(r, "", "x86_64", "aarch64", "amd64", "AMD64")
	h.AgentVersion = pick(r, "", "2.4.1", "2.4", "2.10.0", "1.9.12")
	h.Tags = pick(r, nil, []string{"pci"}, []string{"PCI", "lab"}, []string{"two words", "a*b"}, []string{"env:prod", "pci"}, []string{`q"uo\te`}, []string{""}, []string{"pci", "PCI"})
	h.Owner = pick(r, "", "payments", "Payments", `CORP\alice`, "o'brien")
	h.Serial = pick(r, "", "VMware-42 1d", "0123")
	h.CPUs, h.MemoryMB = pick(r, 0, 1, 4, 64), pick(r, 0, 512, 4096, 16384)
	h.Simulated = pick(r, true, false)
	h.RebootNeeded = pick(r, nil, new(true), new(false))
	h.BootedAt = pick(r, 0, now-model.Time(90*day.Milliseconds()), now-3_600_000, now-1)
	h.FirstSeen = pick(r, 0, now-model.Time(day.Milliseconds()), now-60_000)
	h.LastSeen = pick(r, 0, now, now-7_200_000, now-7_200_001, now-7_199_999, now-300_000, now+5000, 1_788_220_800_000, 1_788_220_799_999)
	h.Status = pick(r, model.HostUp, model.HostLate, model.HostDown, model.HostUnknown, "", "odd")
	if r.IntN(3) > 0 {
		h.PackagesAt, h.PackageN = now-1, pick(r, 0, 1500, 2500)
	}
	if r.IntN(3) > 0 {
		h.ExposureAt = now - 1
		h.Exposure = model.SeverityCounts{Critical: pick(r, 0, 0, 1, 9), High: pick(r, 0, 3), Medium: pick(r, 0, 1), Low: pick(r, 0, 2), None: pick(r, 0, 1), Unknown: pick(r, 0, 1), Uncertain: pick(r, 0, 5)}
		h.Updates = new(pick(r, 0, 5, 7, 10, 11))
	}
	h.NextCertExpiry = pick(r, 0, now-1, now+model.Time(30*day.Milliseconds()), now+model.Time(29*day.Milliseconds()), now+model.Time(365*day.Milliseconds()))
	h.Compliance = pick(r, nil, new(0.0), new(79.9), new(80.0), new(99.96), new(100.0))
	return h
}

// plainly are searches and what they mean, written by hand.
var plainly = []struct {
	text string
	is   func(h *model.Host, s model.Site) bool
}{
	{"", func(h *model.Host, _ model.Site) bool { return true }},
	{"-*", func(h *model.Host, _ model.Site) bool { return false }},
	{"web", func(h *model.Host, _ model.Site) bool { return contains(h.Hostname, "web") || contains(h.FQDN, "web") }},
	{"example", func(h *model.Host, _ model.Site) bool { return contains(h.FQDN, "example") }},
	{"ÜNÏ", func(h *model.Host, _ model.Site) bool {
		return contains(h.Hostname, "ünï") || contains(h.FQDN, "ünï")
	}},
	{"10.2.3.4", func(h *model.Host, _ model.Site) bool {
		return addressIs(h, func(a netip.Addr) bool { return a.String() == "10.2.3.4" })
	}},
	{`"10.2.3.4"`, func(h *model.Host, _ model.Site) bool {
		return contains(h.Hostname, "10.2.3.4") || addressStarts(h, "10.2.3.4")
	}},
	{"10.2.", func(h *model.Host, _ model.Site) bool {
		return contains(h.Hostname, "10.2.") || addressStarts(h, "10.2.")
	}},
	{"2001:DB8:", func(h *model.Host, _ model.Site) bool { return addressStarts(h, "2001:db8:") }},
	{"07000000-0000-0000-0000-000000000000", func(h *model.Host, _ model.Site) bool {
		return h.ID.String() == "07000000-0000-0000-0000-000000000000"
	}},
	{"web*", func(h *model.Host, _ model.Site) bool { return starts(h.Hostname, "web") || starts(h.FQDN, "web") }},
	{"name:web-01", func(h *model.Host, _ model.Site) bool {
		return fold(h.Hostname) == "web-01" || fold(h.FQDN) == "web-01"
	}},
	{"name:*db", func(h *model.Host, _ model.Site) bool {
		return strings.HasSuffix(fold(h.Hostname), "db") || strings.HasSuffix(fold(h.FQDN), "db")
	}},
	{"name:w*0*1", func(h *model.Host, _ model.Site) bool { return h.Hostname == "web-01" }},
	{"name:*", func(h *model.Host, _ model.Site) bool { return h.Hostname != "" || h.FQDN != "" }},
	{"fqdn:*.example.*", func(h *model.Host, _ model.Site) bool { return contains(h.FQDN, ".example.") }},
	{"no:fqdn", func(h *model.Host, _ model.Site) bool { return h.FQDN == "" }},
	{"ip:10.2.0.0/16", func(h *model.Host, _ model.Site) bool {
		return addressIs(h, func(a netip.Addr) bool { return a.Is4() && a.As4()[0] == 10 && a.As4()[1] == 2 })
	}},
	{"ip:10.2.3.4-10.20.0.1", func(h *model.Host, _ model.Site) bool {
		return addressIs(h, func(a netip.Addr) bool {
			return a.Is4() && !a.Less(netip.MustParseAddr("10.2.3.4")) && !netip.MustParseAddr("10.20.0.1").Less(a)
		})
	}},
	{"ip:2001:db8::/32", func(h *model.Host, _ model.Site) bool { return addressStarts(h, "2001:db8:") }},
	{"ip:::/0", func(h *model.Host, _ model.Site) bool { return addressIs(h, netip.Addr.Is6) }},
	{"ip:none", func(h *model.Host, _ model.Site) bool { return !addressIs(h, netip.Addr.IsValid) }},
	{"mac:52:54:00", func(h *model.Host, _ model.Site) bool {
		return slices.ContainsFunc(h.MAC, func(m string) bool { return starts(m, "52:54:00") })
	}},
	{"has:mac", func(h *model.Host, _ model.Site) bool { return len(h.MAC) > 0 }},
	{"status:up", func(h *model.Host, _ model.Site) bool { return h.Status == "up" }},
	{"status:unknown", func(h *model.Host, _ model.Site) bool {
		return h.Status == "unknown" || h.Status == "" || h.Status == "odd"
	}},
	{"-status:up,late", func(h *model.Host, _ model.Site) bool { return h.Status != "up" && h.Status != "late" }},
	{"seen:>2h", func(h *model.Host, _ model.Site) bool { return h.LastSeen != 0 && h.LastSeen < now-7_200_000 }},
	{"seen:>=2h", func(h *model.Host, _ model.Site) bool { return h.LastSeen != 0 && h.LastSeen <= now-7_200_000 }},
	{"seen:<5m", func(h *model.Host, _ model.Site) bool { return h.LastSeen > now-300_000 }},
	{"seen:<=5m", func(h *model.Host, _ model.Site) bool { return h.LastSeen >= now-300_000 }},
	{"seen:5m..2h", func(h *model.Host, _ model.Site) bool {
		return h.LastSeen >= now-7_200_000 && h.LastSeen <= now-300_000
	}},
	{"seen:2026-09-01", func(h *model.Host, _ model.Site) bool {
		return h.LastSeen != 0 && h.LastSeen.Std().Format(time.DateOnly) == "2026-09-01"
	}},
	{"seen:>2026-08-31", func(h *model.Host, _ model.Site) bool { return h.LastSeen.String() >= "2026-09" }},
	{"seen:<2026-09", func(h *model.Host, _ model.Site) bool { return h.LastSeen != 0 && h.LastSeen.String() < "2026-09" }},
	{"seen:never", func(h *model.Host, _ model.Site) bool { return h.LastSeen == 0 }},
	{"-seen:>2h", func(h *model.Host, _ model.Site) bool { return h.LastSeen == 0 || h.LastSeen >= now-7_200_000 }},
	{"uptime:>=90d", func(h *model.Host, _ model.Site) bool {
		return h.BootedAt != 0 && h.BootedAt <= now-model.Time(90*24*3600*1000)
	}},
	{"first_seen:<1h", func(h *model.Host, _ model.Site) bool { return h.FirstSeen > now-3_600_000 }},
	{"cert:<30d", func(h *model.Host, _ model.Site) bool {
		return h.NextCertExpiry != 0 && h.NextCertExpiry < now+30*24*3600*1000
	}},
	{"cert:expired", func(h *model.Host, _ model.Site) bool { return h.NextCertExpiry != 0 && h.NextCertExpiry < now }},
	{"cert:>=30d", func(h *model.Host, _ model.Site) bool { return h.NextCertExpiry >= now+30*24*3600*1000 }},
	{"cert:never", func(h *model.Host, _ model.Site) bool { return h.NextCertExpiry == 0 }},
	{"os:debian", func(h *model.Host, _ model.Site) bool { return h.OS.ID == "debian" }},
	{"os:linux", func(h *model.Host, _ model.Site) bool { return strings.Contains(h.OS.Name, "Linux") }},
	{"os:bookworm", func(h *model.Host, _ model.Site) bool { return strings.Contains(h.OS.Name, "bookworm") }},
	{"os:debian>=12", func(h *model.Host, _ model.Site) bool { return h.OS.ID == "debian" && h.OS.Version == "12" }},
	{"os:debian<12", func(h *model.Host, _ model.Site) bool { return h.OS.ID == "debian" && h.OS.Version == "11" }},
	{"os:rhel:9", func(h *model.Host, _ model.Site) bool {
		return h.OS.ID == "rhel" && (h.OS.Version == "9" || h.OS.Version == "9.4")
	}},
	{"os:rhel9", func(h *model.Host, _ model.Site) bool {
		return h.OS.ID == "rhel" && (h.OS.Version == "9" || h.OS.Version == "9.4")
	}},
	{`os:"rhel 9"`, func(h *model.Host, _ model.Site) bool { return h.OS.ID == "rhel" && h.OS.Version == "9" }},
	{"os:rhel>=8.9", func(h *model.Host, _ model.Site) bool { return h.OS.ID == "rhel" }},
	{"os:rhel>9", func(h *model.Host, _ model.Site) bool {
		return h.OS.Version == "9.4" || h.OS.Version == "90"
	}},
	{"os:sles>15-SP5", func(h *model.Host, _ model.Site) bool { return h.OS.Version == "15-SP6" }},
	{"os:windows:11", func(h *model.Host, _ model.Site) bool { return h.OS.ID == "windows" }},
	{"os:windows", func(h *model.Host, _ model.Site) bool { return strings.HasPrefix(h.OS.ID, "windows") }},
	{`os:"windows server 2022"`, func(h *model.Host, _ model.Site) bool { return h.OS.ID == "windows-server" }},
	{`os:"windows"*`, func(h *model.Host, _ model.Site) bool { return strings.HasPrefix(h.OS.ID, "windows") }},
	{"has:os", func(h *model.Host, _ model.Site) bool { return h.OS.ID != "" }},
	{"kernel:>=5.15", func(h *model.Host, _ model.Site) bool { return h.Kernel != "" && h.Kernel != "5.4.0" }},
	{"kernel:6.1*", func(h *model.Host, _ model.Site) bool { return starts(h.Kernel, "6.1") }},
	{"agent:<2.10", func(h *model.Host, _ model.Site) bool { return h.AgentVersion != "" && h.AgentVersion != "2.10.0" }},
	{"arch:amd64", func(h *model.Host, _ model.Site) bool { return h.Arch == "x86_64" || fold(h.Arch) == "amd64" }},
	{"site:berlin", func(_ *model.Host, s model.Site) bool { return s.Name == "Berlin" }},
	{"site:01000000-0000-0000-0000-000000000000", func(h *model.Host, _ model.Site) bool { return h.Site == model.SiteID{1} }},
	{"site:04000000-0000-0000-0000-000000000000", func(h *model.Host, _ model.Site) bool { return h.Site == model.SiteID{4} }},
	{"site:09000000*", func(h *model.Host, _ model.Site) bool { return h.Site == model.SiteID{9} }},
	{"site:01000000-0000-0000-0000-000000000000 or site:05000000-0000-0000-0000-000000000000*", func(h *model.Host, _ model.Site) bool { return h.Site == model.SiteID{1} }},
	{"-site:*", func(h *model.Host, _ model.Site) bool { return h.Site.IsZero() }},
	{"region:eu-*", func(_ *model.Host, s model.Site) bool { return starts(s.Region, "eu-") }},
	{"country:de", func(_ *model.Host, s model.Site) bool { return s.Country == "DE" }},
	{`city:"são paulo"`, func(_ *model.Host, s model.Site) bool { return s.City == "SÃO PAULO" }},
	{"tag:pci", func(h *model.Host, _ model.Site) bool { return slices.Contains(folds(h.Tags), "pci") }},
	{"tag:pci -tag:lab", func(h *model.Host, _ model.Site) bool {
		return slices.Contains(folds(h.Tags), "pci") && !slices.Contains(h.Tags, "lab")
	}},
	{`tag:"a\*b"`, func(h *model.Host, _ model.Site) bool { return slices.Contains(h.Tags, "a*b") }},
	{"-tag:*", func(h *model.Host, _ model.Site) bool { return strings.Join(h.Tags, "") == "" }},
	{"owner:payments", func(h *model.Host, _ model.Site) bool { return fold(h.Owner) == "payments" }},
	{"serial:vmware*", func(h *model.Host, _ model.Site) bool { return starts(h.Serial, "vmware") }},
	{"severity:unmatched", func(h *model.Host, _ model.Site) bool { return h.ExposureAt == 0 }},
	{"severity:>=high", func(h *model.Host, _ model.Site) bool { return h.Exposure.Critical+h.Exposure.High > 0 }},
	{"severity:clean", func(h *model.Host, _ model.Site) bool {
		return h.ExposureAt != 0 && h.Exposure == model.SeverityCounts{}
	}},
	{"cve:critical>0", func(h *model.Host, _ model.Site) bool { return h.ExposureAt != 0 && h.Exposure.Critical > 0 }},
	{"cve:0", func(h *model.Host, _ model.Site) bool { return h.ExposureAt != 0 && h.Exposure.Total() == 0 }},
	{"-cve:0", func(h *model.Host, _ model.Site) bool { return h.ExposureAt == 0 || h.Exposure.Total() != 0 }},
	{"cve:unknown>0", func(h *model.Host, _ model.Site) bool { return h.ExposureAt != 0 && h.Exposure.Unknown > 0 }},
	{"updates:>5", func(h *model.Host, _ model.Site) bool { return h.Updates != nil && *h.Updates > 5 }},
	{"updates:5..10", func(h *model.Host, _ model.Site) bool { return h.Updates != nil && *h.Updates >= 5 && *h.Updates <= 10 }},
	{"-updates:>5", func(h *model.Host, _ model.Site) bool { return h.Updates == nil || *h.Updates <= 5 }},
	{"updates:unknown", func(h *model.Host, _ model.Site) bool { return h.Updates == nil }},
	{"reboot:yes", func(h *model.Host, _ model.Site) bool { return h.RebootNeeded != nil && *h.RebootNeeded }},
	{"reboot:no", func(h *model.Host, _ model.Site) bool { return h.RebootNeeded != nil && !*h.RebootNeeded }},
	{"reboot:unknown", func(h *model.Host, _ model.Site) bool { return h.RebootNeeded == nil }},
	{"compliance:<80", func(h *model.Host, _ model.Site) bool { return h.Compliance != nil && *h.Compliance < 80 }},
	{"compliance:100", func(h *model.Host, _ model.Site) bool {
		return h.Compliance != nil && math.Round(*h.Compliance*10) == 1000
	}},
	{"packages:>2000", func(h *model.Host, _ model.Site) bool { return h.PackagesAt != 0 && h.PackageN > 2000 }},
	{"packages:0", func(h *model.Host, _ model.Site) bool { return h.PackagesAt != 0 && h.PackageN == 0 }},
	{"cpus:<64", func(h *model.Host, _ model.Site) bool { return h.CPUs > 0 && h.CPUs < 64 }},
	{"cpus:unknown", func(h *model.Host, _ model.Site) bool { return h.CPUs == 0 }},
	{"memory:>=4g", func(h *model.Host, _ model.Site) bool { return h.MemoryMB >= 4096 }},
	{"simulated:yes", func(h *model.Host, _ model.Site) bool { return h.Simulated }},
	{"id:07000000-0000-0000-0000-000000000000", func(h *model.Host, _ model.Site) bool {
		return h.ID.String() == "07000000-0000-0000-0000-000000000000"
	}},
	{"(web or db) status:up,down -tag:lab", func(h *model.Host, _ model.Site) bool {
		name := fold(h.Hostname + "\n" + h.FQDN)
		return (strings.Contains(name, "web") || strings.Contains(name, "db")) && (h.Status == "up" || h.Status == "down") && !slices.Contains(h.Tags, "lab")
	}},
}

func contains(s, part string) bool { return strings.Contains(strings.ToLower(s), part) }
func starts(s, part string) bool   { return strings.HasPrefix(strings.ToLower(s), part) }

func fold(s string) string { return strings.ToLower(s) }

func folds(s []string) (out []string) {
	for _, x := range s {
		out = append(out, fold(x))
	}
	return out
}

func addressIs(h *model.Host, is func(netip.Addr) bool) bool {
	for _, s := range slices.Concat(h.IPv4, h.IPv6) {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && is(a.Unmap()) {
			return true
		}
	}
	return false
}

func addressStarts(h *model.Host, part string) bool {
	return addressIs(h, func(a netip.Addr) bool { return strings.HasPrefix(a.String(), part) })
}

func TestMatch(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	hosts := make([]*model.Host, 3000)
	for i := range hosts {
		hosts[i] = hostOf(r)
	}
	hosts[0].ID = model.HostID{7}
	for _, c := range plainly {
		x, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		n := 0
		for _, h := range hosts {
			want := c.is(h, env.site(h.Site))
			if want {
				n++
			}
			if got := Match(x, h, env); got != want {
				t.Errorf("seed %d: %q and %+v: %v, want %v", seed, c.text, h, got, want)
				break
			}
		}
		if n == 0 && c.text != "-*" || n == len(hosts) && c.text != "" {
			t.Errorf("seed %d: %q finds %d of %d: it shows nothing", seed, c.text, n, len(hosts))
		}
	}
}

// What a facet counts is what a click on it finds.
func TestCountedValuesFindTheirHosts(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 2))
	hosts := make([]*model.Host, 300)
	for i := range hosts {
		hosts[i] = hostOf(r)
	}
	for _, i := range Fields() {
		if !i.Counted {
			continue
		}
		of := map[string][]*model.Host{}
		var none []*model.Host
		for _, h := range hosts {
			had := false
			EachValue(i.Field, h, env, func(v string) {
				had = true
				of[Fold(v)] = append(of[Fold(v)], h)
			})
			if !had {
				none = append(none, h)
			}
		}
		find := func(text string) (found []*model.Host) {
			x, err := Parse(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			for _, h := range hosts {
				if Match(x, h, env) {
					found = append(found, h)
				}
			}
			return found
		}
		for v, want := range of {
			for _, text := range []string{i.Name + ":" + Quote(v), i.Name + ":" + quoted(v), i.Name + ":" + quoted(strings.ToUpper(v))} {
				if text != i.Name+":"+Quote(v) || !(i.Field == FieldArch && isAlike(v)) {
					if got := find(text); !slices.Equal(got, want) {
						t.Errorf("seed %d: %s finds %d, counted are %d", seed, text, len(got), len(want))
					}
				}
			}
		}
		if len(of) < 2 {
			t.Errorf("%s has %d values", i.Name, len(of))
		}
		if i.Field != FieldStatus && i.Field != FieldReboot && i.Field != FieldSimulated && i.Field != FieldSeverity {
			if got := find("-" + i.Name + ":*"); !slices.Equal(got, none) {
				t.Errorf("seed %d: %d hosts have no %s, -%s:* finds %d", seed, len(none), i.Name, i.Name, len(got))
			}
		}
	}
}

func TestMatchMakesNoGarbage(t *testing.T) {
	h := hostOf(rand.New(rand.NewPCG(1, 1)))
	h.Hostname, h.FQDN, h.OS = "WEB-01.Very-Long-Name-Of-A-Host", "web-01.example.org", model.OS{ID: "sles", Name: "SUSE Linux Enterprise Server 15", Version: "15-SP5"}
	h.Tags, h.IPv4, h.IPv6, h.Site = []string{"PCI", "prod"}, []string{"10.2.3.4"}, []string{"2001:db8::1"}, sites[0].ID
	for _, text := range []string{
		"web", "10.3.", "2001:db9::1", "name:*x*y*", "name:web*", "os:sles>=15-SP6", "os:sles:14", `os:"sles 12"`, "tag:lab", "ip:10.3.0.0/16", "mac:00:11", "seen:>2h", "cve:critical>99",
		"status:down", "site:munich", "region:us", "severity:critical", "agent:<1", "updates:5..10", "-(web or db)", "cert:<1d", "07000000-0000-0000-0000-000000000000",
	} {
		x, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(50, func() { Match(x, h, env) }); n > 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	rising := []string{"", "2", "9", "10", "12", "12.1", "12.2", "12.10", "15", "15-SP5", "15-SP6", "22.04", "2022", "alpha", "Beta", "beta2", "beta10"}
	for i, a := range rising {
		for j, b := range rising {
			if got, want := CompareVersions(a, b), cmp.Compare(i, j); got != want {
				t.Errorf("%q and %q: %d, want %d", a, b, got, want)
			}
		}
	}
	for _, same := range [][2]string{{"1.01", "1.1"}, {"15-SP5", "15-sp5"}, {"00", "0"}} {
		if CompareVersions(same[0], same[1]) != 0 {
			t.Errorf("%v", same)
		}
	}
}

func TestInLine(t *testing.T) {
	for _, c := range []struct {
		v, line string
		want    bool
	}{
		{"9", "9", true},
		{"9.4", "9", true},
		{"9-SP1", "9", true},
		{"90", "9", false},
		{"9.40", "9.4", false},
		{"9.4.1", "9.4", true},
		{"15-SP5", "15-sp5", true},
		{"15-SP50", "15-sp5", false},
		{"beta", "be", false},
		{"beta2", "beta", true},
		{"22.04", "22.4", true},
		{"22.04", "22", true},
		{"", "9", false},
		{"9", "", false},
		{"9", "9.4", false},
		{"É1", "é", true},
	} {
		if got := inLine(c.v, c.line); got != c.want {
			t.Errorf("%q of the line of %q: %v", c.v, c.line, got)
		}
	}
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern string
		fits    string
		not     string
	}{
		{"web", "web WEB", "web1 awe _"},
		{"web*", "web web1 WEB1", "awe aweb _"},
		{"*web", "web aweb", "weba _"},
		{"*web*", "web aweb aweba", "wb _"},
		{"w*b*1", "wb1 web-01 WxB1b1", "wb wb12 1wb1 _"},
		{"*a*b", "ab xaxb abab", "ba aba _"},
		{"a*", "a A", "_"},
		{"*", "a", "_"},
		{"a*a", "aa aba", "a _"},
		{"é*", "É É1", "e _"},
	} {
		x, err := Parse("name:" + c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		p := x.(Term).Pattern
		for _, list := range []struct {
			words string
			want  bool
		}{{c.fits, true}, {c.not, false}} {
			for word := range strings.FieldsSeq(list.words) {
				word = strings.Trim(word, "_")
				if p.Match(Fold(word)) != list.want || p.foldMatch(word) != list.want {
					t.Errorf("%s and %q: not %v", c.pattern, word, list.want)
				}
			}
		}
	}
	for _, s := range []string{"", "abc", "ABC", "ÄÖÜ", "K", "İstanbul", "Ⱥ", "ǅ", "a\u0301"} {
		if f := Fold(s); Fold(f) != f {
			t.Errorf("folding %q twice is something else", s)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	x, _ := Parse("status:down os:debian>=12 tag:pci -tag:lab ip:10.2.0.0/16 name:*db* (region:eu or region:uk) seen:>2h cve:critical>0")
	h := hostOf(rand.New(rand.NewPCG(1, 1)))
	for b.Loop() {
		Match(x, h, env)
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("status:down os:debian>=12 tag:pci -tag:lab ip:10.2.0.0/16 name:*db* site:berlin (region:eu or region:uk) seen:>2h cve:critical>0"); err != nil {
			b.Fatal(err)
		}
	}
}
