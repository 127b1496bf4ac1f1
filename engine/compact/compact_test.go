package compact

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// full is a row that has everything.
func full(n int) model.Host {
	id := model.HostID{1, 15: byte(n)}
	h := model.Host{
		ID: id, Site: model.SiteID{1, 2, 3}, Agent: model.NodeID(id), Status: model.HostUp, StatusAt: 1_700_000_000_000,
		Facts: model.Facts{
			Hostname: fmt.Sprintf("web-%05d", n), FQDN: fmt.Sprintf("web-%05d.branch.example.org", n),
			IPv4: []string{fmt.Sprintf("10.0.%d.%d", n>>8&255, n&255)}, MAC: []string{"02:00:00:00:00:01"},
			OS:     model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12", Codename: "bookworm"},
			Kernel: "6.1.0-18-amd64", Arch: "x86_64", BootedAt: 1_700_000_000_000, AgentVersion: "0.1.0",
		},
		FactsAt: 1_700_000_000_000, LastSeen: 1_700_000_000_000, PackageN: 412,
		PackagesDigest: fmt.Sprintf("%064x", n%97), PackagesAt: 1_700_000_000_000,
	}
	yes, seven, pct := true, 7, 97.5
	h.IPv6 = []string{fmt.Sprintf("2001:db8::%x", n+1)}
	h.Tags, h.Owner, h.CPUs, h.MemoryMB, h.Serial = []string{"pci", "web", "ring-2"}, "team-storage", 8, 32768, fmt.Sprintf("VMW%08d", n)
	h.RebootNeeded, h.Updates, h.Compliance = &yes, &seven, &pct
	h.Exposure, h.ExposureAt = model.SeverityCounts{Critical: 1, High: 12, Medium: 40, Low: 3}, 1_700_000_000_000
	h.FirstSeen, h.CertificatesDigest, h.CertificateN = 1_690_000_000_000, fmt.Sprintf("%064x", n), 3
	h.CertificatesAt, h.NextCertExpiry = 1_700_000_000_000, 1_720_000_000_000
	return h
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kind requires an error of that kind whose text holds every one of parts.
func kind(t testing.TB, err error, k fault.Kind, parts ...string) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("got %v (kind %v); want kind %v", err, fault.KindOf(err), k)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Fatalf("%q does not say %q", err, p)
		}
	}
}

// texts are what lists of hosts hold, and what only looks like it.
var texts = rapid.OneOf(
	rapid.String(),
	rapid.SampledFrom([]string{
		"", "10.0.0.1", "255.255.255.255", "0.0.0.0", "256.0.0.1", "010.0.0.1", "1.2.3", "1.2.3.4.5", "1..2.3", ".1.2.3", "1.2.3.", "1.2.3.4 ",
		"2001:db8::1", "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "::", "::1", "::ffff:10.0.0.9", "fe80::1%eth0", "1:2:3:4:5:6:7:8", "::g",
		"02:00:00:00:00:01", "02:00:00:00:00:0A", "02-00-00-00-00-01", "02:00:00:00:00:01:", "02:00:00:00:00:0",
		strings.Repeat("ab", 32), strings.Repeat("AB", 32), strings.Repeat("a", 63), strings.Repeat("g", 64), "\x00", "é<\"&>\u2028",
	}),
	rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("%x", rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
	}),
)

func anyHost(t *rapid.T) model.Host {
	str := func(what string) string { return texts.Draw(t, what) }
	list := func(what string) []string {
		return rapid.OneOf(rapid.Just[[]string](nil), rapid.Just([]string{}), rapid.SliceOfN(texts, 1, 20)).Draw(t, what)
	}
	num := rapid.OneOf(rapid.IntRange(-2, 300), rapid.Int())
	at := rapid.Map(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 253_402_300_799_999), rapid.Int64()), func(n int64) model.Time { return model.Time(n) })
	id := rapid.Map(rapid.OneOf(rapid.Just([]byte(make([]byte, 16))), rapid.SliceOfN(rapid.Byte(), 16, 16)), func(b []byte) [16]byte { return [16]byte(b) })
	h := model.Host{ID: id.Draw(t, "id"), Site: id.Draw(t, "site"), Agent: id.Draw(t, "agent")}
	if rapid.Bool().Draw(t, "own agent") {
		h.Agent = model.NodeID(h.ID)
	}
	h.Hostname, h.FQDN = str("hostname"), str("fqdn")
	if rapid.Bool().Draw(t, "extends") {
		h.FQDN = h.Hostname + h.FQDN
	}
	h.IPv4, h.IPv6, h.MAC, h.Tags = list("ipv4"), list("ipv6"), list("mac"), list("tags")
	h.OS = model.OS{ID: str("os"), Name: str("os name"), Version: str("version"), Codename: str("codename")}
	h.Kernel, h.Arch, h.AgentVersion, h.Owner, h.Serial = str("kernel"), str("arch"), str("agent version"), str("owner"), str("serial")
	h.PackagesDigest, h.CertificatesDigest = str("packages"), str("certificates")
	for _, p := range []*model.Time{&h.FactsAt, &h.BootedAt, &h.FirstSeen, &h.PackagesAt, &h.CertificatesAt, &h.NextCertExpiry, &h.ExposureAt} {
		*p = at.Draw(t, "time")
	}
	h.PackageN, h.CertificateN, h.CPUs, h.MemoryMB = num.Draw(t, "packages"), num.Draw(t, "certificates"), num.Draw(t, "cpus"), num.Draw(t, "memory")
	h.Simulated = rapid.Bool().Draw(t, "simulated")
	h.RebootNeeded = rapid.Ptr(rapid.Bool(), true).Draw(t, "reboot")
	h.Updates = rapid.Ptr(num, true).Draw(t, "updates")
	h.Compliance = rapid.Ptr(rapid.OneOf(rapid.SampledFrom([]float64{0, 0.1, 97.5, 100, -1, 33.333, math.Copysign(0, -1), 1e300}),
		rapid.Map(rapid.IntRange(0, 1000), func(n int) float64 { return float64(n) / 10 })), true).Draw(t, "compliance")
	if rapid.Bool().Draw(t, "exposed") {
		e := &h.Exposure
		for _, n := range []*int{&e.Critical, &e.High, &e.Medium, &e.Low, &e.None, &e.Unknown, &e.Uncertain} {
			*n = num.Draw(t, "findings")
		}
	}
	return h
}

// TestHostsReadBack: every host reads back as it was, but for its beat; equal hosts give equal bytes; and
// no shorter or longer row is taken for one.
func TestHostsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHost(t)
		b, err := AppendHost(nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		var got model.Host
		if err := ReadHost(b, h.ID, &got); err != nil {
			t.Fatal(err)
		}
		if want, have := fmt.Sprintf("%#v", plainHost(h)), fmt.Sprintf("%#v", plainHost(got)); want != have {
			t.Fatalf("went in %s\ncame out %s", want, have)
		}
		again, err := AppendHost([]byte("x"), &got)
		if err != nil || !bytes.Equal(again[1:], b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if err := ReadHost(b[:cut], h.ID, &got); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("a row cut at %d of %d gives %v", cut, len(b), err)
		}
		if err := ReadHost(append(b, 0), h.ID, &got); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("a row with a byte behind it gives %v", err)
		}
	})
}

// plainHost is a host whose pointers print as their values.
func plainHost(h model.Host) (x struct {
	H      model.Host
	Values []any
},
) {
	x.H = h
	if h.RebootNeeded != nil {
		x.Values = append(x.Values, "reboot", *h.RebootNeeded)
	}
	if h.Updates != nil {
		x.Values = append(x.Values, "updates", *h.Updates)
	}
	if h.Compliance != nil {
		x.Values = append(x.Values, "compliance", math.Float64bits(*h.Compliance))
	}
	x.H.RebootNeeded, x.H.Updates, x.H.Compliance = nil, nil, nil
	return x
}

func TestHostRefusals(t *testing.T) {
	for what, spoil := range map[string]func(*model.Host){
		"name":   func(h *model.Host) { h.Hostname = "a\xff" },
		"tag":    func(h *model.Host) { h.Tags = []string{"ok", "\xc3"} },
		"digest": func(h *model.Host) { h.PackagesDigest = "\x80" },
		"status": func(h *model.Host) { h.Status = "\x80" },
	} {
		h := full(1)
		spoil(&h)
		_, err := AppendHost(nil, &h)
		t.Log(what)
		kind(t, err, fault.Invalid, "not UTF-8")
	}
	for _, x := range []float64{math.NaN(), math.Inf(1)} {
		h := full(1)
		h.Compliance = &x
		_, err := AppendHost(nil, &h)
		kind(t, err, fault.Invalid, "no number")
	}
	h := full(1)
	h.Owner = strings.Repeat("x", MaxHost)
	_, err := AppendHost(nil, &h)
	kind(t, err, fault.TooLarge, "the limit is")

	h = full(1)
	b, err := AppendHost(nil, &h)
	ok(t, err)
	newer := bytes.Clone(b)
	newer[1] = hostLayout + 1
	kind(t, ReadHost(newer, h.ID, &h), fault.Version, "start the version")
	flag := bytes.Clone(b)
	flag[2] |= 0x80 // of a later layout
	kind(t, ReadHost(flag, h.ID, &h), fault.Corrupt)
	kind(t, ReadHost(nil, h.ID, &h), fault.Corrupt)
	kind(t, ReadHost([]byte{1, '{', '}'}, h.ID, &h), fault.Corrupt)
}

func TestHostIsSmall(t *testing.T) {
	h := full(42)
	b, err := AppendHost(nil, &h)
	ok(t, err)
	old, err := model.Encode(h)
	ok(t, err)
	if t.Logf("%d bytes; as JSON %d", len(b), len(old)); len(b) > 320 || len(b)*3 > len(old) {
		t.Errorf("a full row takes %d bytes, its JSON %d", len(b), len(old))
	}
	var got model.Host
	if n := testing.AllocsPerRun(100, func() { ok(t, ReadHost(b, h.ID, &got)) }); n > 3 {
		t.Errorf("reading a row allocates %v times", n)
	}
}

func TestBeatsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Map(rapid.OneOf(rapid.Int64Range(0, 253_402_300_799_999), rapid.Int64()), func(n int64) model.Time { return model.Time(n) })
		want := model.HostBeat{
			Status:   rapid.SampledFrom([]model.HostStatus{model.HostUp, model.HostDown, model.HostLate, model.HostUnknown, "", "upside down"}).Draw(t, "status"),
			StatusAt: at.Draw(t, "at"), LastSeen: at.Draw(t, "seen"),
		}
		b := AppendBeat(nil, want)
		if got, err := ReadBeat(b); err != nil || got != want {
			t.Fatalf("%+v became %+v, %v", want, got, err)
		}
	})
	b := AppendBeat(nil, model.HostBeat{Status: model.HostUp, StatusAt: 1_700_000_000_000, LastSeen: 1_700_000_000_001})
	if len(b) != beatLength {
		t.Errorf("a beat takes %d bytes", len(b))
	}
}

// FuzzHost: no stored bytes make the reader panic or expand without bound, and what it reads it writes
// again to something that it reads as the same.
func FuzzHost(f *testing.F) {
	for _, h := range []model.Host{{}, {Facts: model.Facts{Hostname: "a", IPv4: []string{}}}, full(2)} {
		b, err := AppendHost(nil, &h)
		ok(f, err)
		f.Add(b)
	}
	f.Add([]byte{})
	f.Add([]byte{FormHost, hostLayout + 1})
	f.Add(append([]byte{FormHost, hostLayout, 0, 0, 0, 0}, bytes.Repeat([]byte{0xFF}, 40)...))
	f.Fuzz(func(t *testing.T, v []byte) {
		if _, err := ReadBeat(v); err != nil {
			kind(t, err, fault.Corrupt)
		}
		var h, again model.Host
		if err := ReadHost(v, model.HostID{1}, &h); err != nil {
			if !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Version) {
				t.Fatal(err)
			}
			return
		}
		if n := len(h.Hostname) + len(h.PackagesDigest) + len(strings.Join(h.IPv6, "")); n > 8*len(v)+100 {
			t.Fatalf("%d bytes became %d", len(v), n)
		}
		b, err := AppendHost(nil, &h)
		if err != nil {
			if utf8.Valid(v) {
				kind(t, err, fault.Invalid, "no number")
			}
			return
		}
		ok(t, ReadHost(b, h.ID, &again))
		if fmt.Sprintf("%#v", plainHost(h)) != fmt.Sprintf("%#v", plainHost(again)) {
			t.Fatalf("%+v became %+v", h, again)
		}
	})
}

func BenchmarkHost(b *testing.B) {
	h := full(42)
	row, err := AppendHost(nil, &h)
	ok(b, err)
	b.Run("encode", func(b *testing.B) {
		buf := make([]byte, 0, 1024)
		b.ReportAllocs()
		for b.Loop() {
			_, err = AppendHost(buf, &h)
		}
		ok(b, err)
	})
	b.Run("decode", func(b *testing.B) {
		var got model.Host
		b.ReportAllocs()
		for b.Loop() {
			err = ReadHost(row, h.ID, &got)
		}
		ok(b, err)
	})
}
