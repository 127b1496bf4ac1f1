package query

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func randOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 3)) }

func sorts() (out []Sort) {
	for _, i := range Fields() {
		if !i.Sortable {
			continue
		}
		out = append(out, Sort{Field: i.Field}, Sort{Field: i.Field, Desc: true})
		if i.Field == FieldCVE {
			for _, p := range parts {
				out = append(out, Sort{Field: i.Field, Part: p}, Sort{Field: i.Field, Part: p, Desc: true})
			}
		}
	}
	return out
}

// A sort is an order: total, the same from both sides, hosts without a value last in both directions, and
// falling is rising turned round but for those.
func TestOrders(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := randOf(seed)
	hosts := make([]*model.Host, 200)
	for i := range hosts {
		hosts[i] = hostOf(r)
		hosts[i].ID[15] = byte(i)
	}
	for _, s := range sorts() {
		slices.SortFunc(hosts, func(a, b *model.Host) int { return CursorOf(s, a, env).Compare(CursorOf(s, b, env)) })
		none, knows := false, 0
		for i, h := range hosts {
			c := CursorOf(s, h, env)
			if c.Known {
				knows++
			}
			if c.Known && none {
				t.Errorf("seed %d: %s: a host without a value is before one that has one", seed, s)
			}
			none = !c.Known
			for j := range hosts {
				if Less(s, h, hosts[j], env) != (i < j) {
					t.Fatalf("seed %d: %s: hosts %d and %d are out of order", seed, s, i, j)
				}
			}
		}
		if knows < 50 {
			t.Errorf("%s: %d hosts have a value", s, knows)
		}
		rising, falling := s, s
		rising.Desc, falling.Desc = false, true
		known := slices.DeleteFunc(slices.Clone(hosts), func(h *model.Host) bool { return !CursorOf(s, h, env).Known })
		for i := 1; i < len(known); i++ {
			if Less(rising, known[i-1], known[i], env) != Less(falling, known[i], known[i-1], env) {
				t.Fatalf("seed %d: %s: falling is not rising turned round", seed, s)
			}
		}
	}
}

func TestOrderOfValues(t *testing.T) {
	host := func(set func(*model.Host)) *model.Host {
		h := &model.Host{}
		set(h)
		return h
	}
	for _, c := range []struct {
		sort  string
		hosts []*model.Host // rising
	}{
		{"os", []*model.Host{
			host(func(h *model.Host) { h.OS = model.OS{ID: "debian"} }), host(func(h *model.Host) { h.OS = model.OS{ID: "Debian", Version: "9"} }),
			host(func(h *model.Host) { h.OS = model.OS{ID: "debian", Version: "12"} }), host(func(h *model.Host) { h.OS = model.OS{ID: "debian-live", Version: "1"} }), host(func(h *model.Host) {}),
		}},
		{"status", []*model.Host{
			host(func(h *model.Host) { h.Status = "up" }), host(func(h *model.Host) { h.Status = "late" }), host(func(h *model.Host) { h.Status = "down" }), host(func(h *model.Host) {}),
		}},
		{"severity", []*model.Host{
			host(func(h *model.Host) {}), host(func(h *model.Host) { h.ExposureAt = 1 }), host(func(h *model.Host) { h.ExposureAt, h.Exposure.None = 1, 1 }), host(func(h *model.Host) { h.ExposureAt, h.Exposure.Unknown = 1, 1 }),
			host(func(h *model.Host) { h.ExposureAt, h.Exposure.Low = 1, 1 }), host(func(h *model.Host) { h.ExposureAt, h.Exposure.Critical = 1, 1 }),
		}},
		{"agent", []*model.Host{
			host(func(h *model.Host) { h.AgentVersion = "2.4" }), host(func(h *model.Host) { h.AgentVersion = "2.4.1" }), host(func(h *model.Host) { h.AgentVersion = "2.10" }), host(func(h *model.Host) {}),
		}},
		{"ip", []*model.Host{
			host(func(h *model.Host) { h.IPv4 = []string{"9.0.0.1"} }), host(func(h *model.Host) { h.IPv4 = []string{"bad", "10.0.0.1"} }), host(func(h *model.Host) { h.IPv4 = []string{"200.0.0.1"} }), host(func(h *model.Host) { h.IPv6 = []string{"::1"} }),
		}},
		{"seen", []*model.Host{host(func(h *model.Host) { h.LastSeen = 5 }), host(func(h *model.Host) { h.LastSeen = 50 }), host(func(h *model.Host) {})}},
		{"-seen", []*model.Host{host(func(h *model.Host) { h.LastSeen = 50 }), host(func(h *model.Host) { h.LastSeen = 5 }), host(func(h *model.Host) {})}},
		{"compliance", []*model.Host{host(func(h *model.Host) { h.Compliance = new(0.0) }), host(func(h *model.Host) { h.Compliance = new(99.9) }), host(func(h *model.Host) {})}},
		{"name", []*model.Host{
			host(func(h *model.Host) { h.Hostname = "Alpha" }), host(func(h *model.Host) { h.Hostname = "beta" }), host(func(h *model.Host) { h.Hostname = strings.Repeat("c", 600) }), host(func(h *model.Host) {}),
		}},
	} {
		s, err := ParseSort(c.sort)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.hosts {
			for j := range c.hosts {
				if Less(s, c.hosts[i], c.hosts[j], env) != (i < j) {
					t.Errorf("%s: hosts %d and %d", c.sort, i, j)
				}
			}
		}
	}
}

func TestParseSort(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "name"},
		{"name", "name"},
		{"-seen", "-seen"},
		{" Last-Seen ", "seen"},
		{"+os", "os"},
		{"cve:critical", "cve:critical"},
		{"-cve:critical", "-cve:critical"},
		{"cve.high", "cve:high"},
		{"cve_critical", "cve:critical"},
		{"seen desc", "-seen"},
		{"seen:desc", "-seen"},
		{"seen asc", "seen"},
		{"-seen desc", "seen"},
		{"first_seen", "first_seen"},
		{"cve:critical desc", "-cve:critical"},
	} {
		s, err := ParseSort(c.in)
		if err != nil || s.String() != c.want {
			t.Errorf("%q: %v, %v; want %s", c.in, s, err, c.want)
		}
	}
	if s, err := ParseSort(""); s != (Sort{}) || err != nil {
		t.Errorf("the empty text is %+v, %v", s, err)
	}
	for _, c := range []struct{ in, want string }{
		{"tag", "cannot be sorted by tag"},
		{"mac", "cannot be sorted"},
		{"nmae", "did you mean name?"},
		{"name:critical", "no part"},
		{"cve:bad", "no part"},
		{"cve:", "no part"},
		{"-", "no field"},
		{"--name", "no field"},
		{strings.Repeat("x", 1<<20), "no field"},
		{"a\x1b[31m", "no field"},
	} {
		_, err := ParseSort(c.in)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 400 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%.40q: %.200v", c.in, err)
		}
	}
	for _, s := range sorts() {
		if got, err := ParseSort(s.String()); err != nil || got != s {
			t.Errorf("%s reads as %v, %v", s, got, err)
		}
	}
}

func TestCursor(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := randOf(seed)
	for range 300 {
		h := hostOf(r)
		for _, s := range sorts() {
			c := CursorOf(s, h, env)
			text := c.String()
			got, err := ParseCursor(text)
			if err != nil || got != c {
				t.Fatalf("seed %d: %+v is %s, which is %+v, %v", seed, c, text, got, err)
			}
			if len(text) > maxCursorLength {
				t.Fatalf("%d bytes", len(text))
			}
		}
	}
	c := CursorOf(Sort{Field: FieldCVE, Part: "high", Desc: true}, hostOf(r), env)
	if err := c.For(Sort{Field: FieldCVE, Part: "high", Desc: true}); err != nil {
		t.Error(err)
	}
	for _, s := range []Sort{{}, {Field: FieldCVE, Part: "high"}, {Field: FieldCVE, Desc: true}} {
		if err := c.For(s); !fault.Is(err, fault.Invalid) {
			t.Errorf("a cursor of %s passes for one of %s: %v", c.Sort, s, err)
		}
	}
	if err := CursorOf(Sort{}, hostOf(r), env).For(Sort{Field: FieldName}); err != nil {
		t.Error(err)
	}
}

func TestCursorRefusesWhatIsNone(t *testing.T) {
	h := hostOf(randOf(4))
	h.Hostname = "web-01"
	good := CursorOf(Sort{}, h, env).String()
	for i := range good {
		for _, b := range []byte("Aa0_") {
			bad := []byte(good)
			if bad[i] == b {
				continue
			}
			bad[i] = b
			if c, err := ParseCursor(string(bad)); err == nil {
				t.Fatalf("%s with byte %d changed is %+v", good, i, c)
			}
		}
		if _, err := ParseCursor(good[:i]); err == nil {
			t.Errorf("%d bytes of it pass", i)
		}
	}
	for _, bad := range []string{"", "x", good + "A", good + "=", " " + good, strings.Repeat("A", 1<<20), "!!!"} {
		if _, err := ParseCursor(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	// The same number in more bytes, with the right sum: one place has one text.
	raw, _ := base64.RawURLEncoding.DecodeString(CursorOf(Sort{}, h, env).String())
	raw = append([]byte{raw[0], raw[1], raw[2], raw[3], raw[4] | 0x80, 0}, raw[5:len(raw)-4]...)
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	if c, err := ParseCursor(base64.RawURLEncoding.EncodeToString(raw)); err == nil {
		t.Errorf("a number in more bytes than it needs passes: %+v", c)
	}
	raw = append([]byte{cursorVersion + 1}, raw[1:len(raw)-4]...)
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	if _, err := ParseCursor(base64.RawURLEncoding.EncodeToString(raw)); !fault.Is(err, fault.Version) {
		t.Errorf("a cursor of a newer version: %v", err)
	}
	long := Cursor{Known: true, Text: strings.Repeat("x", MaxCursorText+9)}
	if c, err := ParseCursor(long.String()); err != nil || len(c.Text) != MaxCursorText {
		t.Errorf("%d, %v", len(c.Text), err)
	}
}

// The form of version 1, for ever: a page that was begun before an upgrade goes on after it.
func TestCursorOfVersion1(t *testing.T) {
	id := model.HostID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for _, c := range []struct {
		text string
		want Cursor
	}{
		{"AQEAAgAGd2ViLTAxAQIDBAUGBwgJCgsMDQ4PEC4zwGk", Cursor{Sort: Sort{Field: FieldName}, Known: true, Text: "web-01", ID: id}},
		{"ARMCAw0AAQIDBAUGBwgJCgsMDQ4PEPA_sUU", Cursor{Sort: Sort{Field: FieldCVE, Part: "high", Desc: true}, Known: true, Number: -7, ID: id}},
		{"AQYAAgAJZGViaWFuADEyAQIDBAUGBwgJCgsMDQ4PEMfm2Ew", Cursor{Sort: Sort{Field: FieldOS}, Known: true, Text: "debian\x0012", ID: id}},
		{"AQoAAQAAAQIDBAUGBwgJCgsMDQ4PEEwiltc", Cursor{Sort: Sort{Field: FieldSeen, Desc: true}, ID: id}},
	} {
		if got, err := ParseCursor(c.text); err != nil || got != c.want || c.want.String() != c.text {
			t.Errorf("%s is %+v, %v; want %+v, which is %s", c.text, got, err, c.want, c.want)
		}
	}
}

func FuzzCursor(f *testing.F) {
	r := randOf(5)
	for _, s := range sorts() {
		f.Add(CursorOf(s, hostOf(r), env).String())
	}
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 60)))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCursor(text)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.Version {
				t.Fatal(err)
			}
			return
		}
		if c.String() != text || !c.Sort.sortable() || len(c.Text) > MaxCursorText {
			t.Fatalf("%q is %+v, which is written %q", text, c, c.String())
		}
	})
}
