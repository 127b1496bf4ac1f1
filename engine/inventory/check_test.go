package inventory

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const now model.Time = 1_700_000_000_000

func full() model.Facts {
	return model.Facts{
		Hostname: "Zürich-01", FQDN: "zrh01.example.net", IPv4: []string{"10.0.0.1", "192.0.2.9"}, IPv6: []string{"2001:db8::1"},
		MAC: []string{"52:54:00:ab:cd:ef", "00:11:22:33:44:55:66:77"}, OS: model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12", Codename: "bookworm"},
		Kernel: "6.1.0-18-amd64", Arch: "x86_64", AgentVersion: "1.2.3", Tags: []string{"env:prod", "größe:XL"}, Owner: "Team Ω", CPUs: 64, MemoryMB: 524_288,
		Serial: "CZC1234567", RebootNeeded: new(true), BootedAt: now,
	}
}

func TestCheckFacts(t *testing.T) {
	f := full()
	if err := CheckFacts(&f); err != nil {
		t.Fatal(err)
	}
	if err := CheckFacts(&model.Facts{}); err != nil {
		t.Errorf("no facts at all: %v", err)
	}
	many := func(n int, s string) []string { return strings.Split(strings.Repeat(s+" ", n-1)+s, " ") }
	x := func(n int) string { return strings.Repeat("x", n) }
	for name, tc := range map[string]struct {
		change func(*model.Facts)
		kind   fault.Kind
	}{
		"host name at the bound":   {func(f *model.Facts) { f.Hostname = x(255) }, fault.Other},
		"host name beyond":         {func(f *model.Facts) { f.Hostname = x(256) }, fault.TooLarge},
		"host name of a megabyte":  {func(f *model.Facts) { f.Hostname = x(1 << 20) }, fault.TooLarge},
		"host name no UTF-8":       {func(f *model.Facts) { f.Hostname = "a\xff" }, fault.Invalid},
		"half a character":         {func(f *model.Facts) { f.Hostname = "Z\xc3" }, fault.Invalid},
		"host name with an escape": {func(f *model.Facts) { f.Hostname = "a\x1b[0m" }, fault.Invalid},
		"host name with a C1 code": {func(f *model.Facts) { f.Hostname = "a\u0085" }, fault.Invalid},
		"FQDN beyond":              {func(f *model.Facts) { f.FQDN = x(256) }, fault.TooLarge},
		"kernel at the bound":      {func(f *model.Facts) { f.Kernel = x(256) }, fault.Other},
		"kernel beyond":            {func(f *model.Facts) { f.Kernel = x(257) }, fault.TooLarge},
		"architecture beyond":      {func(f *model.Facts) { f.Arch = x(257) }, fault.TooLarge},
		"agent version beyond":     {func(f *model.Facts) { f.AgentVersion = x(257) }, fault.TooLarge},
		"owner beyond":             {func(f *model.Facts) { f.Owner = x(257) }, fault.TooLarge},
		"owner with a newline":     {func(f *model.Facts) { f.Owner = "a\nb" }, fault.Invalid},
		"serial beyond":            {func(f *model.Facts) { f.Serial = x(257) }, fault.TooLarge},
		"OS id beyond":             {func(f *model.Facts) { f.OS.ID = x(257) }, fault.TooLarge},
		"OS name beyond":           {func(f *model.Facts) { f.OS.Name = x(257) }, fault.TooLarge},
		"OS version beyond":        {func(f *model.Facts) { f.OS.Version = x(257) }, fault.TooLarge},
		"OS codename beyond":       {func(f *model.Facts) { f.OS.Codename = x(257) }, fault.TooLarge},
		"64 tags":                  {func(f *model.Facts) { f.Tags = many(64, "t") }, fault.Other},
		"65 tags":                  {func(f *model.Facts) { f.Tags = many(65, "t") }, fault.TooLarge},
		"tag at the bound":         {func(f *model.Facts) { f.Tags = []string{x(128)} }, fault.Other},
		"tag beyond":               {func(f *model.Facts) { f.Tags = []string{x(129)} }, fault.TooLarge},
		"empty tag":                {func(f *model.Facts) { f.Tags = []string{""} }, fault.Invalid},
		"tag no UTF-8":             {func(f *model.Facts) { f.Tags = []string{"\xc0\xaf"} }, fault.Invalid},
		"16 IPv4":                  {func(f *model.Facts) { f.IPv4 = many(16, "10.0.0.1") }, fault.Other},
		"17 IPv4":                  {func(f *model.Facts) { f.IPv4 = many(17, "10.0.0.1") }, fault.TooLarge},
		"IPv4 beyond 255":          {func(f *model.Facts) { f.IPv4 = []string{"10.0.0.256"} }, fault.Invalid},
		"IPv4 with a port":         {func(f *model.Facts) { f.IPv4 = []string{"10.0.0.1:22"} }, fault.Invalid},
		"IPv4 that is IPv6":        {func(f *model.Facts) { f.IPv4 = []string{"::1"} }, fault.Invalid},
		"17 IPv6":                  {func(f *model.Facts) { f.IPv6 = many(17, "::1") }, fault.TooLarge},
		"IPv6 that is IPv4":        {func(f *model.Facts) { f.IPv6 = []string{"10.0.0.1"} }, fault.Invalid},
		"IPv6 with a zone":         {func(f *model.Facts) { f.IPv6 = []string{"fe80::1%eth0"} }, fault.Invalid},
		"17 MAC":                   {func(f *model.Facts) { f.MAC = many(17, "52:54:00:ab:cd:ef") }, fault.TooLarge},
		"MAC of InfiniBand":        {func(f *model.Facts) { f.MAC = []string{strings.TrimSuffix(strings.Repeat("ab:", 20), ":")} }, fault.Other},
		"MAC in capitals":          {func(f *model.Facts) { f.MAC = []string{"52:54:00:AB:CD:EF"} }, fault.Invalid},
		"MAC with dashes":          {func(f *model.Facts) { f.MAC = []string{"52-54-00-ab-cd-ef"} }, fault.Invalid},
		"MAC cut short":            {func(f *model.Facts) { f.MAC = []string{"52:54:00:ab:cd"} }, fault.Invalid},
		"processors below zero":    {func(f *model.Facts) { f.CPUs = -1 }, fault.Invalid},
		"memory beyond":            {func(f *model.Facts) { f.MemoryMB = MaxMemoryMB + 1 }, fault.Invalid},
	} {
		f := full()
		tc.change(&f)
		err := CheckFacts(&f)
		if tc.kind == fault.Other && err != nil || tc.kind != fault.Other && !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (len(err.Error()) > 200 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < 0x20 || r == utf8.RuneError })) {
			t.Errorf("%s: the text of the refusal is %q", name, err)
		}
	}
}

func TestClean(t *testing.T) {
	const hour, day = model.Time(3_600_000), model.Time(86_400_000)
	row := func() model.Host {
		return model.Host{
			ID: model.HostID{1}, Facts: full(), Status: model.HostUp, StatusAt: now, LastSeen: now, FactsAt: now, FirstSeen: now, PackageN: 400,
			PackagesDigest: "d", PackagesAt: now, CertificateN: 2, CertificatesDigest: "c", CertificatesAt: now, NextCertExpiry: now + 300*day,
			Exposure: model.SeverityCounts{High: 2}, ExposureAt: now, Updates: new(3), Compliance: new(99.9),
		}
	}
	if got, err := Clean(row(), now); err != nil || !reflect.DeepEqual(got, row()) {
		t.Errorf("a good row became %+v, %v", got, err)
	}
	if got, err := Clean(model.Host{ID: model.HostID{1}}, now); err != nil || got.Status != model.HostUnknown {
		t.Errorf("an empty row became %+v, %v", got, err)
	}
	for name, tc := range map[string]struct {
		change func(*model.Host)
		kind   fault.Kind
	}{
		"a bad fact":              {func(h *model.Host) { h.Hostname = strings.Repeat("x", 1<<20) }, fault.TooLarge},
		"a status nobody knows":   {func(h *model.Host) { h.Status = "asleep" }, fault.Invalid},
		"packages below zero":     {func(h *model.Host) { h.PackageN = -1 }, fault.Invalid},
		"certificates beyond":     {func(h *model.Host) { h.CertificateN = MaxCount + 1 }, fault.Invalid},
		"vulnerabilities beyond":  {func(h *model.Host) { h.Exposure.Critical = 1 << 62 }, fault.Invalid},
		"uncertain below zero":    {func(h *model.Host) { h.Exposure.Uncertain = -1 }, fault.Invalid},
		"updates below zero":      {func(h *model.Host) { h.Updates = new(-1) }, fault.Invalid},
		"more than compliant":     {func(h *model.Host) { h.Compliance = new(100.1) }, fault.Invalid},
		"less than not at all":    {func(h *model.Host) { h.Compliance = new(-0.1) }, fault.Invalid},
		"compliance is no number": {func(h *model.Host) { h.Compliance = new(nan()) }, fault.Invalid},
		"a long digest":           {func(h *model.Host) { h.PackagesDigest = strings.Repeat("d", 129) }, fault.TooLarge},
		"a digest of nothing":     {func(h *model.Host) { h.CertificatesDigest = "\x00" }, fault.Invalid},
	} {
		h := row()
		tc.change(&h)
		if _, err := Clean(h, now); !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Clocks.
	h := row()
	h.LastSeen, h.StatusAt = now+1, now+400*day
	h.FactsAt, h.PackagesAt, h.BootedAt = now+23*hour, now+25*hour, now+100*day
	got, err := Clean(h, now)
	if err != nil || got.LastSeen != now || got.StatusAt != now || got.FactsAt != now+23*hour || got.PackagesAt != now || got.BootedAt != now || got.NextCertExpiry != h.NextCertExpiry {
		t.Errorf("of a clock that is ahead: %+v, %v", got, err)
	}
}

func nan() float64 { var zero float64; return zero / zero }

func TestCheckBeat(t *testing.T) {
	const hour = model.Time(3_600_000)
	for name, tc := range map[string]struct {
		in, want model.HostBeat
		ok       bool
	}{
		"as it is":      {model.HostBeat{Status: model.HostLate, StatusAt: now - hour, LastSeen: now - 2*hour}, model.HostBeat{Status: model.HostLate, StatusAt: now - hour, LastSeen: now - 2*hour}, true},
		"never seen":    {model.HostBeat{Status: model.HostDown}, model.HostBeat{Status: model.HostDown}, true},
		"an hour ahead": {model.HostBeat{Status: model.HostUp, StatusAt: now + hour, LastSeen: now + hour}, model.HostBeat{Status: model.HostUp, StatusAt: now, LastSeen: now}, true},
		"a day ahead":   {model.HostBeat{Status: model.HostUp, StatusAt: now, LastSeen: now + 25*hour}, model.HostBeat{}, false},
		"no status":     {model.HostBeat{StatusAt: now}, model.HostBeat{}, false},
	} {
		got, err := CheckBeat(tc.in, now)
		if tc.ok && (err != nil || got != tc.want) || !tc.ok && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What is read by hand is what the long way reads.
func FuzzDecodeBeat(f *testing.F) {
	for _, b := range []model.HostBeat{
		{}, {Status: model.HostUp}, {Status: model.HostDown, StatusAt: now}, {Status: model.HostLate, LastSeen: now + 1}, {Status: model.HostUnknown, StatusAt: now, LastSeen: now},
	} {
		j, err := model.Encode(b)
		if err != nil {
			f.Fatal(err)
		}
		if got, ok := canonicalBeat(j); b.Status != "" && (!ok || got != b) {
			f.Errorf("%s is not read by hand: %+v, %v", j, got, ok)
		}
		f.Add(j)
		f.Add(j[:len(j)-1])
	}
	for _, s := range []string{
		`{"status":"up","status_at":"2025-01-15T10:30:00.000Z","last_seen":"2025-01-15T10:30:00.000Z"} `, `{"status":"up","last_seen":"","status_at":""}`,
		`{"status":"\u0075p"}`, `{"status":"up","status":"down"}`, `{"status":"up","status_at":"2025-01-15T10:30:00+01:0"}`, `{"status":"up","status_at":"9999-12-31T23:59:59.999Z"}`,
		`{"status":"up","status_at":"0000-01-01T00:00:00.000Z"}`, "{\"status\":\"up\",\"status_at\":\"2025-01-15T10:30:00.00\xffZ\"}", `{"status":"up","more":[1,2]}`, `null`, ``, `[]`,
		`{"status":"up","status_at":"2025-02-30T10:30:00.000Z"}`, `{"status":"up","status_at":"2025-01-15T10:30:00,000Z"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		var want model.HostBeat
		long := model.Decode(p, &want)
		got, err := DecodeBeat(p)
		if (err == nil) != (long == nil) || err == nil && got != want {
			t.Fatalf("%q is %+v, %v; the long way %+v, %v", p, got, err, want, long)
		}
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatalf("%q: kind %s", p, fault.KindOf(err))
		}
	})
}

// A row that a site sent is refused or clean: nothing in it is then out of bounds, and it can be stored.
func FuzzClean(f *testing.F) {
	h := model.Host{ID: model.HostID{1}, Facts: full(), Status: model.HostLate, LastSeen: now, Updates: new(3), Compliance: new(50.5), Exposure: model.SeverityCounts{Low: 1}}
	j, err := model.Encode(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(j)
	for _, s := range []string{
		`{}`, `{"hostname":"a\u0000"}`, `{"hostname":"\ud800"}`, `{"status":"asleep"}`, `{"last_seen":"9999-12-31T23:59:59Z"}`, `{"compliance":1e308}`, `{"cpus":-9223372036854775808}`,
		`{"exposure":{"critical":9223372036854775807}}`, `{"ipv4":["::ffff:10.0.0.1"]}`, `{"ipv6":["::ffff:10.0.0.1"]}`, `{"mac":["::::::::::::::::"]}`, `{"tags":[""]}`, `{"updates":null,"os":{}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		var h model.Host
		if model.Decode(p, &h) != nil {
			return
		}
		got, err := Clean(h, now)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
				t.Fatalf("kind %s: %v", k, err)
			}
			return
		}
		again, err := Clean(got, now)
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%q is not clean after it was cleaned: %+v, %v", p, again, err)
		}
		if got.LastSeen > now || got.StatusAt > now || len(got.Hostname) > MaxHostname || !knownStatus(got.Status) {
			t.Fatalf("%+v", got)
		}
		if _, err := model.Encode(got); err != nil {
			t.Fatal(err)
		}
	})
}
