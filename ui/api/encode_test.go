package api

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// plain is what encoding/json makes of v, as every other answer of this server is made.
func plain(t interface{ Fatal(...any) }, v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// text draws what may stand in a row: whatever a machine calls itself.
var text = rapid.OneOf(
	rapid.StringMatching(`[a-z0-9.-]{0,20}`), rapid.String(), rapid.Just("<&>\u2028\u2029\x7f\\\"\b\f\n\r\t\x00"),
	rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
)

func drawTime(t *rapid.T, name string) model.Time {
	return model.Time(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 253_402_300_799_999)).Draw(t, name))
}

func maybe[T any](t *rapid.T, name string, of *rapid.Generator[T]) *T {
	return rapid.Ptr(of, true).Draw(t, name)
}

func drawHost(t *rapid.T) model.Host {
	n := rapid.OneOf(rapid.Just(0), rapid.IntRange(-5, 1<<40))
	list := rapid.SliceOfN(text, 0, 3)
	h := model.Host{
		Status: rapid.SampledFrom([]model.HostStatus{"", model.HostUp, model.HostLate, model.HostDown, model.HostUnknown}).Draw(t, "status"),
		Facts: model.Facts{
			Hostname: text.Draw(t, "hostname"), FQDN: text.Draw(t, "fqdn"), IPv4: list.Draw(t, "ipv4"), IPv6: list.Draw(t, "ipv6"), MAC: list.Draw(t, "mac"),
			OS:     model.OS{ID: text.Draw(t, "os"), Name: text.Draw(t, "osname"), Version: text.Draw(t, "osversion"), Codename: text.Draw(t, "codename")},
			Kernel: text.Draw(t, "kernel"), Arch: text.Draw(t, "arch"), BootedAt: drawTime(t, "booted"), RebootNeeded: maybe(t, "reboot", rapid.Bool()),
			AgentVersion: text.Draw(t, "agent"), Tags: list.Draw(t, "tags"), Owner: text.Draw(t, "owner"), CPUs: n.Draw(t, "cpus"),
			MemoryMB: n.Draw(t, "memory"), Serial: text.Draw(t, "serial"), Simulated: rapid.Bool().Draw(t, "simulated"),
		},
		FactsAt: drawTime(t, "facts"), FirstSeen: drawTime(t, "first"), StatusAt: drawTime(t, "statusat"), LastSeen: drawTime(t, "seen"),
		PackageN: n.Draw(t, "packages"), PackagesAt: drawTime(t, "packagesat"), CertificateN: n.Draw(t, "certs"),
		CertificatesAt: drawTime(t, "certsat"), NextCertExpiry: drawTime(t, "expiry"), ExposureAt: drawTime(t, "exposureat"),
		Exposure: model.SeverityCounts{
			Critical: n.Draw(t, "c"), High: n.Draw(t, "h"), Medium: n.Draw(t, "m"), Low: n.Draw(t, "l"), None: n.Draw(t, "n"), Unknown: n.Draw(t, "u"), Uncertain: n.Draw(t, "x"),
		},
		Updates: maybe(t, "updates", rapid.Int()), Compliance: maybe(t, "compliance", rapid.Float64()),
	}
	copy(h.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	copy(h.Site[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "site"))
	return h
}

// TestAPageIsWrittenAsItsTypeSays: for any rows at all the bytes are those that encoding/json writes for
// schema.Hosts.
func TestAPageIsWrittenAsItsTypeSays(t *testing.T) {
	s := newServer(t)
	rapid.Check(t, func(t *rapid.T) {
		var hosts []model.Host
		by := map[model.SiteID]*place{}
		for range rapid.IntRange(0, 3).Draw(t, "hosts") {
			h := drawHost(t)
			site := model.Site{
				ID: h.Site, Name: text.Draw(t, "name"), Region: text.Draw(t, "region"), Country: text.Draw(t, "country"), City: text.Draw(t, "city"),
				Lat: maybe(t, "lat", rapid.Float64()), Lng: maybe(t, "lng", rapid.Float64Range(-180, 180)),
			}
			by[h.Site] = &place{Site: site, json: placeJSON(site)}
			hosts = append(hosts, h)
		}
		page := schema.Hosts{
			Hosts: []schema.Host{}, Total: rapid.Int().Draw(t, "total"), Next: text.Draw(t, "next"), TookUS: rapid.Int64().Draw(t, "took"),
			AsOf:  time.UnixMilli(rapid.Int64Range(0, 253_402_300_799_999).Draw(t, "asof")).UTC(),
			Query: text.Draw(t, "query"), Sort: text.Draw(t, "sort"),
		}
		var facets []query.Facet
		for range rapid.IntRange(0, 2).Draw(t, "facets") {
			f := query.Facet{
				Field:    rapid.SampledFrom([]query.Field{query.FieldStatus, query.FieldTag}).Draw(t, "field"),
				Distinct: rapid.Int().Draw(t, "distinct"), None: rapid.Int().Draw(t, "none"),
			}
			row := schema.Facet{Field: f.Field.String(), Distinct: f.Distinct, None: f.None, Values: []schema.FacetValue{}}
			for range rapid.IntRange(0, 3).Draw(t, "values") {
				v := query.Count{Value: text.Draw(t, "value"), N: rapid.Int().Draw(t, "n")}
				f.Values, row.Values = append(f.Values, v), append(row.Values, schema.FacetValue(v))
			}
			facets, page.Facets = append(facets, f), append(page.Facets, row)
		}
		for range rapid.IntRange(0, 2).Draw(t, "notes") {
			page.Notes = append(page.Notes, schema.Note{
				Message: text.Draw(t, "message"), Pos: rapid.Int().Draw(t, "pos"), End: rapid.Int().Draw(t, "end"),
				Suggestions: rapid.SliceOfN(text, 0, 3).Draw(t, "suggestions"),
			})
		}
		why := reasons{s: s}
		for i := range hosts {
			p := placeOf(by, hosts[i].Site)
			page.Hosts = append(page.Hosts, hostRow(hosts[i], p.Site, why.of(hosts[i].Status, p)))
		}
		got := appendPage(s.appendHosts([]byte(`{"hosts":[`), rowsOf(hosts, by)), &page, facets)
		if want := plain(t, page); !bytes.Equal(got, want) {
			t.Fatalf("written:\n%s\nby its type:\n%s", got, want)
		}
	})
}

// rowsOf is a page of hosts whose rows were written without their beats, as a store keeps them.
func rowsOf(hosts []model.Host, by map[model.SiteID]*place) *pageRows {
	var p pageRows
	for _, h := range hosts {
		beat := h.Beat()
		h.SetBeat(model.HostBeat{})
		p.Hosts = append(p.Hosts, query.WrittenHost{Text: writeRow(nil, &h), Beat: beat})
		p.places = append(p.places, placeOf(by, h.Site))
	}
	return &p
}

func FuzzAppendText(f *testing.F) {
	f.Add("web-01")
	f.Add("\u2028\xff\x00\"\\\ufffd\x7f")
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := appendText(nil, s), bytes.TrimRight(plain(t, s), "\n"); !bytes.Equal(got, want) {
			t.Errorf("%q is written %s, want %s", s, got, want)
		}
	})
}

func TestInstantsAreWrittenAsTheStandardLibraryDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := new(dates)
		for range rapid.IntRange(1, 4).Draw(t, "instants") { // what it remembers of one must not show in the next
			checkInstant(t, d)
		}
	})
}

func checkInstant(t *rapid.T, d *dates) {
	at := model.Time(rapid.OneOf(
		rapid.Int64Range(1, int64(lastInstant)),
		rapid.SampledFrom([]int64{1, 86_399_999, 86_400_000, 951_782_399_999, 951_782_400_000, 4_107_542_400_000, int64(lastInstant), int64(lastInstant) + 1, -1}),
	).Draw(t, "at"))
	if got, want := string(d.appendInstant(nil, at)), at.Std().Format(time.RFC3339Nano); got != want {
		t.Fatalf("%d: %s, want %s", at, got, want)
	}
}

func TestNumbersAreWrittenAsTheStandardLibraryDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.OneOf(
			rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 0.05, 0.1, 99.99999999999999, 100, 1e5, 99_999.95, 1e21, 1e-7}),
			rapid.Map(rapid.IntRange(-2_000_000, 2_000_000), func(n int) float64 { return float64(n) / 10 }),
			rapid.Map(rapid.IntRange(-2_000_000, 2_000_000), func(n int) float64 { return math.Nextafter(float64(n)/10, 0) }),
		).Draw(t, "f")
		if got, want := appendFloat(nil, f), bytes.TrimSpace(plain(t, f)); !bytes.Equal(got, want) {
			t.Fatalf("%x: %s, want %s", f, got, want)
		}
	})
}

// TestOddTextsAnywhere: what has to be escaped is seen at every place of texts of every length.
func TestOddTextsAnywhere(t *testing.T) {
	for n := range 40 {
		whole := strings.Repeat("a~ !#[]", 6)[:n]
		if !plainText(whole) {
			t.Errorf("%q is plain", whole)
		}
		for at := range n {
			for c := range 256 {
				odd := c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf
				if s := whole[:at] + string([]byte{byte(c)}) + whole[at+1:]; plainText(s) == odd {
					t.Fatalf("%q: %v", s, odd)
				}
			}
		}
	}
}
