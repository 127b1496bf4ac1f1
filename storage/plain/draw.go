package plain

import (
	"fmt"
	"net/netip"
	"time"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// Pick draws one of a few values.
func Pick[T any](t *rapid.T, of ...T) T { return rapid.SampledFrom(of).Draw(t, "pick") }

func some[T any](t *rapid.T, most int, of ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, most, func(v T) string { return fmt.Sprint(v) }).Draw(t, "some")
}

// DrawID draws one of 160 ids.
func DrawID(t *rapid.T) model.HostID {
	var id model.HostID
	id[0], id[15] = byte(rapid.IntRange(0, 3).Draw(t, "id")), byte(rapid.IntRange(1, 40).Draw(t, "id"))
	return id
}

// DrawSiteID draws one of four sites.
func DrawSiteID(t *rapid.T) model.SiteID {
	return model.SiteID{15: byte(rapid.IntRange(1, 4).Draw(t, "site"))}
}

// DrawTime draws a time around Now, or none.
func DrawTime(t *rapid.T) model.Time {
	return Pick[model.Time](t, 0, Now-1000, Now-3_600_000, Now-7_200_000, Now-7_200_001, Now+1, Now-86_400_000)
}

var hostNames = []string{"web-01", "WEB-02", "db-prod-1", "web", "w", "db.x", "büro-1", "büro", "desktop-k3j", "ber01-web-prod-0001", "a-b-c", "aaaa", "aaab"}

// DrawBeat draws a beat.
func DrawBeat(t *rapid.T) model.HostBeat {
	return model.HostBeat{
		Status:   Pick(t, model.HostUp, model.HostUp, model.HostLate, model.HostDown, model.HostUnknown),
		StatusAt: DrawTime(t), LastSeen: DrawTime(t),
	}
}

// DrawHost draws a host. Names, words and numbers are few, so that hosts meet each other.
func DrawHost(t *rapid.T) model.Host {
	id := DrawID(t)
	h := model.Host{ID: id, Site: DrawSiteID(t), Agent: model.NodeID(id)}
	h.Hostname = Pick(t, hostNames...)
	h.FQDN = Pick(t, "", h.Hostname+".corp.example", h.Hostname+".x.example", "other.example", h.Hostname, "web-01.corp.example")
	h.IPv4 = some(t, 3, "10.0.0.1", "10.0.0.2", "10.2.3.4", "192.168.1.1", "10.20.0.1")
	h.IPv6 = some(t, 2, "fd20::1", "fd20:1::2", "::1", "2001:db8::ffff")
	h.MAC = some(t, 2, "52:54:00:00:00:01", "52:54:00:ff:00:02", "00:11:22:33:44:55")
	h.OS = Pick(t, model.OS{}, model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12"}, model.OS{ID: "debian", Name: "Debian GNU/Linux", Version: "9"},
		model.OS{ID: "rhel", Name: "Red Hat Enterprise Linux", Version: "9.4"}, model.OS{ID: "arch", Name: "Arch Linux"})
	h.Kernel = Pick(t, "", "6.1.0-9-amd64", "6.1.0-10-amd64", "5.15.0")
	h.Arch = Pick(t, "x86_64", "aarch64", "")
	h.AgentVersion = Pick(t, "", "2.4.1", "2.10.0", "2.4.1-rc1")
	h.Tags = some(t, 3, "pci", "lab", "Env:Prod", "env:prod", "dmz")
	h.Owner = Pick(t, "", "payments", "Ines")
	h.Serial = Pick(t, "", "VMW-1", "vmw-2", "XYZ")
	h.CPUs, h.MemoryMB = Pick(t, 0, 4, 64), Pick(t, 0, 1024, 16384)
	h.Simulated = rapid.Bool().Draw(t, "simulated")
	if rapid.Bool().Draw(t, "reboot known") {
		need := rapid.Bool().Draw(t, "reboot")
		h.RebootNeeded = &need
	}
	if rapid.Bool().Draw(t, "updates known") {
		n := Pick(t, 0, 3, 7)
		h.Updates = &n
	}
	if rapid.Bool().Draw(t, "compliance known") {
		n := Pick(t, 0, 79.9, 80, 100.0)
		h.Compliance = &n
	}
	h.BootedAt, h.FirstSeen, h.NextCertExpiry = DrawTime(t), DrawTime(t), DrawTime(t)
	h.PackagesAt, h.PackageN = DrawTime(t), Pick(t, 0, 10)
	h.ExposureAt = DrawTime(t)
	if h.ExposureAt != 0 {
		h.Exposure = model.SeverityCounts{Critical: Pick(t, 0, 0, 2), High: Pick(t, 0, 5), Low: Pick(t, 0, 1), Unknown: Pick(t, 0, 1), Uncertain: Pick(t, 0, 1)}
	}
	h.SetBeat(DrawBeat(t))
	return h
}

// DrawSite draws the row of a site.
func DrawSite(t *rapid.T) model.Site {
	return model.Site{
		ID: DrawSiteID(t), Name: Pick(t, "", "Berlin", "oslo", "berlin"), Region: Pick(t, "", "eu-west", "EU-north"),
		Country: Pick(t, "", "DE", "NO"), City: Pick(t, "", "Berlin", "New York"),
	}
}

func drawPattern(t *rapid.T, words ...string) query.Pattern {
	text := query.Fold(Pick(t, words...))
	switch Pick(t, query.ShapeExact, query.ShapeExact, query.ShapePrefix, query.ShapeSuffix, query.ShapeContains, query.ShapeGlob, query.ShapeAny) {
	case query.ShapePrefix:
		return query.Pattern{Shape: query.ShapePrefix, Text: text[:rapid.IntRange(min(1, len(text)), len(text)).Draw(t, "cut")]}
	case query.ShapeSuffix:
		return query.Pattern{Shape: query.ShapeSuffix, Text: text[rapid.IntRange(0, max(len(text)-1, 0)).Draw(t, "cut"):]}
	case query.ShapeContains:
		from := rapid.IntRange(0, max(len(text)-1, 0)).Draw(t, "from")
		return query.Pattern{Shape: query.ShapeContains, Text: text[from:rapid.IntRange(min(from+1, len(text)), len(text)).Draw(t, "to")]}
	case query.ShapeGlob:
		at := rapid.IntRange(0, len(text)).Draw(t, "star")
		return query.Pattern{Shape: query.ShapeGlob, Text: text[:at] + "*" + text[at:]}
	case query.ShapeAny:
		return query.Pattern{Shape: query.ShapeAny}
	}
	return query.Pattern{Shape: query.ShapeExact, Text: text}
}

func drawTerm(t *rapid.T) query.Term {
	info := Pick(t, query.Fields()...)
	f := info.Field
	if rapid.IntRange(0, 9).Draw(t, "any") == 0 {
		word := Pick(t, "web", "b", "e", "10.", "10.2", "10.2.3.4", "fd20", "fd20:", "::1", "corp", ".corp", "1.x", "b.x", "prod-1", "aa", "ü", DrawID(t).String(), "2001:db8::f")
		return query.Term{Field: query.FieldAny, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapeContains, Text: word}}
	}
	term := query.Term{Field: f, Op: query.OpIs}
	order := Pick(t, query.OpIs, query.OpLess, query.OpLessEqual, query.OpGreater, query.OpGreaterEqual)
	switch info.Kind {
	case query.KindText:
		term.Pattern = drawPattern(t, append([]string{"web-01.corp.example", "other.example", "web.x.example", "VMW-1", "01.corp", "vmw-2"}, hostNames...)...)
	case query.KindWord:
		term.Pattern = drawPattern(t, "x86_64", "Berlin", "oslo", "EU-north", "DE", "New York", "pci", "env:prod", "payments", "Ines", "critical", "high", "clean", "unmatched", "unknown", DrawSiteID(t).String())
	case query.KindVersion, query.KindOS:
		words := []string{"6.1.0-9-amd64", "2.4.1", "2.10.0", "5.15.0"}
		if info.Kind == query.KindOS {
			words = []string{"debian", "rhel", "linux", "red hat enterprise linux", "debian 12", "arch", "rhel9"}
		}
		term.Pattern = drawPattern(t, words...)
		if order != query.OpIs {
			term.Op, term.HasVersion = order, true
			term.Version = Pick(t, "9", "9.4", "12", "6.1.0-10-amd64", "2.4.1", "2.9")
		} else if info.Kind == query.KindOS && rapid.Bool().Draw(t, "version") {
			term.HasVersion, term.Version = true, Pick(t, "9", "9.4", "12")
		}
	case query.KindNumber:
		term.Op, term.Number = order, Pick(t, 0, 1, 2, 3, 7, 10, 79.9, 80, 100, 4, 1024)
		if f == query.FieldCVE {
			term.Part = Pick(t, "", "critical", "high", "unknown", "low")
		}
		term.Unknown = order == query.OpIs && rapid.Bool().Draw(t, "unknown")
	case query.KindBool:
		term.Number = Pick(t, 0.0, 1)
		term.Unknown = rapid.Bool().Draw(t, "unknown")
	case query.KindAge, query.KindUntil:
		term.Op = order
		if rapid.Bool().Draw(t, "absolute") {
			term.At = Pick(t, Now-7_200_000, Now-1000, Now)
		} else {
			term.Age = Pick[time.Duration](t, 7200e9, 3600e9, 1e9, 0)
		}
		term.Unknown = order == query.OpIs && rapid.Bool().Draw(t, "unknown")
	case query.KindAddress:
		if term.Unknown = rapid.IntRange(0, 5).Draw(t, "unknown") == 0; !term.Unknown {
			span := Pick(t, [2]string{"10.0.0.0", "10.255.255.255"}, [2]string{"10.0.0.1", "10.0.0.1"}, [2]string{"fd20::", "fd20:ffff::"}, [2]string{"::", "ffff::"}, [2]string{"0.0.0.0", "255.255.255.255"})
			term.Low, term.High = netip.MustParseAddr(span[0]), netip.MustParseAddr(span[1])
		}
	case query.KindMAC:
		if term.Unknown = rapid.IntRange(0, 5).Draw(t, "unknown") == 0; !term.Unknown {
			term.MAC = Pick(t, "52:54", "52:54:00:00:00:01", "00", "52:54:00")
		}
	case query.KindID:
		term.MAC = DrawID(t).String()
	case query.KindStatus:
		term.Status = Pick(t, model.HostUp, model.HostLate, model.HostDown, model.HostUnknown)
	}
	return term
}

// DrawExpr draws an expression of at most that depth.
func DrawExpr(t *rapid.T, depth int) query.Expr {
	if depth == 0 {
		return drawTerm(t)
	}
	parts := func() []query.Expr {
		var out []query.Expr
		for range rapid.IntRange(2, 4).Draw(t, "parts") {
			out = append(out, DrawExpr(t, depth-1))
		}
		return out
	}
	switch rapid.IntRange(0, 5).Draw(t, "expr") {
	case 0:
		return query.All{}
	case 1:
		return query.Not{X: DrawExpr(t, depth-1)}
	case 2:
		return query.Or(parts())
	case 3, 4:
		return query.And(parts())
	}
	return drawTerm(t)
}

// DrawSort draws an order.
func DrawSort(t *rapid.T) query.Sort {
	var sortable []query.Info
	for _, i := range query.Fields() {
		if i.Sortable {
			sortable = append(sortable, i)
		}
	}
	s := query.Sort{Field: Pick(t, sortable...).Field, Desc: rapid.Bool().Draw(t, "desc")}
	if s.Field == query.FieldCVE {
		s.Part = Pick(t, "", "critical", "high")
	}
	return s
}
