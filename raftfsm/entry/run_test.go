package entry

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// fullHost has every field set.
func fullHost() model.Host {
	var h model.Host
	n := 0
	fill(reflect.ValueOf(&h).Elem(), &n)
	h.Status = model.HostLate
	return h
}

func hostItem(t testing.TB, h model.Host) model.Item {
	t.Helper()
	b, err := model.Encode(h)
	if err != nil {
		t.Fatal(err)
	}
	return model.Item{Kind: model.ItemHost, Key: h.ID.String(), AsOf: h.FactsAt, Payload: b}
}

// sampleRun has every kind of item and every form of payload.
func sampleRun(t testing.TB) model.Received {
	h := fullHost()
	bare := model.Host{ID: model.HostID{9}, Status: model.HostUnknown}
	other := hostItem(t, h)
	other.Key = model.HostID{8}.String() // not that of its row: stays JSON
	r := model.Received{
		Stamp: model.Stamp{Actor: "site:x", At: 1_700_000_000_500}, Origin: model.NodeID{7}, Epoch: 3,
		Items: []model.Item{
			hostItem(t, h), hostItem(t, bare), other,
			{Kind: model.ItemStatus, Key: h.ID.String(), AsOf: 1_700_000_000_000, Payload: jsontext.Value(`{"status":"down","status_at":"2025-01-15T10:30:00.000Z"}`)},
			{Kind: model.ItemStatus, Key: h.ID.String(), Payload: jsontext.Value(`{"later":1,"status":"asleep","last_seen":"2025-01-15T10:29:58Z"}`)},
			{Kind: model.ItemStatus, Key: "no id", Payload: jsontext.Value(`{"status":"up"}`)},
			{Kind: model.ItemStatus, Key: strings.ToUpper(model.HostID{0xab}.String()), Payload: jsontext.Value(`[ 1 , 2 ]`)},
			{Kind: model.ItemHostGone, Key: h.ID.String(), AsOf: 1_700_000_000_900},
			{Kind: model.ItemJudged, Key: "judged", AsOf: 1_700_000_000_000},
			{Kind: model.ItemExposure, Key: "exposure", Payload: jsontext.Value(`{"at":"2025-01-15T10:30:00.000Z"}`)},
			{Kind: model.ItemMove, Key: "a/b/c", Payload: jsontext.Value(`{}`)},
			{Kind: model.ItemCommandHeld, Key: model.CommandID{4}.String()},
			{Kind: "of a later version", Key: "é", Payload: jsontext.Value(`"text"`)},
			{Kind: "", Key: ""},
		},
	}
	for i := range r.Items {
		r.Items[i].Seq = model.Seq(1000*i + 7)
	}
	return r
}

func roundTrip(t rapid.TB, r model.Received) model.Received {
	t.Helper()
	b, err := Encode([]model.Change{r})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return got[0].(model.Received)
}

// same requires that what comes out of the log says what engine/apply would have read from the JSON that
// went in.
func same(t rapid.TB, in, out model.Received) {
	t.Helper()
	if in.Stamp != out.Stamp || in.Origin != out.Origin || in.Epoch != out.Epoch || len(in.Items) != len(out.Items) {
		t.Fatalf("%+v became %+v", in, out)
	}
	for i := range in.Items {
		was, now := in.Items[i], out.Items[i]
		if was.Seq != now.Seq || was.Kind != now.Kind || was.Key != now.Key || was.AsOf != now.AsOf {
			t.Fatalf("item %d: %+v became %+v", i, was, now)
		}
		switch {
		case now.Host != nil:
			var h model.Host
			if err := model.Decode(was.Payload, &h); err != nil || !reflect.DeepEqual(h, *now.Host) || now.Beat != nil || now.Payload != nil || now.Kind != model.ItemHost {
				t.Fatalf("item %d: %s (%v) became %+v", i, was.Payload, err, *now.Host)
			}
		case now.Beat != nil:
			beat, err := inventory.DecodeBeat(was.Payload)
			if err != nil || beat != *now.Beat || now.Payload != nil || now.Kind != model.ItemStatus {
				t.Fatalf("item %d: %s (%v) became %+v", i, was.Payload, err, *now.Beat)
			}
		default:
			want := was.Payload.Clone()
			if want != nil {
				if err := want.Compact(); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(want, now.Payload) || (want == nil) != (now.Payload == nil) {
				t.Fatalf("item %d: %s became %s", i, was.Payload, now.Payload)
			}
		}
	}
}

func TestRuns(t *testing.T) {
	in := sampleRun(t)
	out := roundTrip(t, in)
	same(t, in, out)
	var forms strings.Builder
	for _, item := range out.Items {
		switch {
		case item.Host != nil:
			forms.WriteString("H")
		case item.Beat != nil:
			forms.WriteString("B")
		case item.Payload != nil:
			forms.WriteString("J")
		default:
			forms.WriteString("-")
		}
	}
	if want := "HHJBBBJ--JJ-J-"; forms.String() != want {
		t.Errorf("the payloads are %s, want %s", forms.String(), want)
	}
	// Values go in as they came out.
	again := roundTrip(t, out)
	if !reflect.DeepEqual(out, again) {
		t.Errorf("%+v became %+v", out, again)
	}
	same(t, model.Received{}, roundTrip(t, model.Received{}))
}

// TestRunsOfAnything: whatever JSON a payload is, what comes out says the same.
func TestRunsOfAnything(t *testing.T) {
	whole, err := model.Encode(fullHost())
	if err != nil {
		t.Fatal(err)
	}
	times := rapid.SampledFrom([]model.Time{0, 1, 1_700_000_000_000, 1_700_000_000_123, lastTime})
	rapid.Check(t, func(t *rapid.T) {
		r := model.Received{Stamp: model.Stamp{Actor: rapid.String().Draw(t, "actor"), At: times.Draw(t, "at")}, Origin: model.NodeID{1}, Epoch: model.Epoch(rapid.Uint32().Draw(t, "epoch"))}
		for range rapid.IntRange(0, 20).Draw(t, "items") {
			id := model.HostID{1, 15: byte(rapid.IntRange(0, 5).Draw(t, "host"))}
			item := model.Item{
				Seq: model.Seq(rapid.Uint64().Draw(t, "seq")), AsOf: times.Draw(t, "as of"),
				Kind: rapid.SampledFrom([]model.ItemKind{model.ItemHost, model.ItemStatus, model.ItemHostGone, model.ItemExposure, "x"}).Draw(t, "kind"),
				Key:  rapid.SampledFrom([]string{id.String(), strings.ToUpper(id.String()), "", "é"}).Draw(t, "key"),
			}
			switch rapid.IntRange(0, 4).Draw(t, "payload") {
			case 0:
			case 1:
				b, err := model.Encode(model.HostBeat{Status: model.HostStatus(rapid.SampledFrom([]string{"up", "down", "", "odd"}).Draw(t, "status")), StatusAt: times.Draw(t, "judged"), LastSeen: times.Draw(t, "seen")})
				if err != nil {
					t.Fatal(err)
				}
				item.Payload = b
			case 2: // a row, or one with something exchanged in it
				text := strings.Replace(string(whole), fullHost().ID.String(), id.String(), 1)
				from := rapid.SampledFrom([]string{"", `"hostname"`, `s`, `true`, `[`, `2023`, `:7`, `:5.5`, `late`}).Draw(t, "from")
				to := rapid.SampledFrom([]string{"", `"hostname"`, ` "more":1,"hostname"`, `é`, `false`, `null`, `9999`, `:-7`, `:1e300`, `0001`, `[[`}).Draw(t, "to")
				if item.Payload = jsontext.Value(strings.Replace(text, from, to, 1)); !item.Payload.IsValid() {
					item.Payload = jsontext.Value(text)
				}
			case 3:
				item.Payload = jsontext.Value(fmt.Sprintf(`{"id":%q,"hostname":%q,"tags":[],"ipv4":null,"compliance":%g}`, id, "h", float64(rapid.IntRange(-1, 1001).Draw(t, "c"))/10))
			default:
				item.Payload = jsontext.Value(rapid.SampledFrom([]string{`null`, ` { } `, `[]`, `1`, `"x"`, `{"status":1}`}).Draw(t, "odd"))
			}
			r.Items = append(r.Items, item)
		}
		same(t, r, roundTrip(t, r))
	})
}

func TestRunRefusals(t *testing.T) {
	whole := fullHost()
	for name, spoil := range map[string]func(*model.Received){
		"a payload that is no JSON": func(r *model.Received) { r.Items[9].Payload = jsontext.Value(`{`) },
		"an empty payload":          func(r *model.Received) { r.Items[9].Payload = jsontext.Value{} },
		"a key that is not UTF-8":   func(r *model.Received) { r.Items[5].Key = "\xff" },
		"a kind that is not UTF-8":  func(r *model.Received) { r.Items[5].Kind = "\xff" },
		"an actor that is not":      func(r *model.Received) { r.Actor = "\xff" },
		"a time before 1970":        func(r *model.Received) { r.At = -1 },
		"a time behind all":         func(r *model.Received) { r.Items[3].AsOf = lastTime + 1 },
		"a host of another key":     func(r *model.Received) { r.Items[1].Host, r.Items[1].Payload = &whole, nil },
		"a host of an odd time":     func(r *model.Received) { h := whole; h.FirstSeen = -5; r.Items[0].Host = &h },
		"a host that is no status":  func(r *model.Received) { r.Items[4].Payload, r.Items[4].Host = nil, &whole },
	} {
		r := sampleRun(t)
		spoil(&r)
		if _, err := Encode([]model.Change{r}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRunCut: no part of a run is taken for one, and neither is one with something behind it.
func TestRunCut(t *testing.T) {
	whole, err := appendRun(nil, new(sampleRun(t)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeRun(whole); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		if c, err := decodeRun(whole[:i]); err == nil {
			t.Fatalf("the first %d of %d bytes are %+v", i, len(whole), c)
		}
	}
	if _, err := decodeRun(append(whole, 0)); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a byte behind: %v", err)
	}
	later := append([]byte{runForm}, make([]byte, 16+2)...)
	later = append(later, 0, 1, 31, 0, 0, 0)
	if _, err := decodeRun(later); !fault.Is(err, fault.Version) {
		t.Errorf("a kind of a later version: %v", err)
	}
}

// BenchmarkRun writes and reads a run of 500 statuses, and of 500 whole rows.
func BenchmarkRun(b *testing.B) {
	for name, one := range map[string]func(i int) model.Item{
		"statuses": func(i int) model.Item {
			return model.Item{
				Kind: model.ItemStatus, Key: model.HostID{1, 14: byte(i >> 8), 15: byte(i)}.String(), AsOf: 1_700_000_000_000,
				Payload: jsontext.Value(`{"status":"up","status_at":"2023-11-14T22:13:20.000Z","last_seen":"2023-11-14T22:13:18.123Z"}`),
			}
		},
		"hosts": func(i int) model.Item {
			h := fullHost()
			h.ID = model.HostID{1, 14: byte(i >> 8), 15: byte(i)}
			return hostItem(b, h)
		},
	} {
		const run = 500
		r := model.Received{Stamp: model.Stamp{Actor: "site:x", At: 1_700_000_000_500}}
		for i := range run {
			item := one(i)
			item.Seq = model.Seq(i + 1)
			r.Items = append(r.Items, item)
		}
		e, err := Encode([]model.Change{r})
		if err != nil {
			b.Fatal(err)
		}
		b.Run("encode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Encode([]model.Change{r})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/run, "ns/item")
			b.ReportMetric(float64(len(e))/run, "bytes/item")
		})
		b.Run("decode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Decode(e)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/run, "ns/item")
		})
	}
}
