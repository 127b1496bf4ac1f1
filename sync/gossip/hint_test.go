package gossip

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/hashicorp/memberlist"

	"github.com/skerryhq/skerry/engine/fault"
)

func memberNode(id string, meta []byte) *memberlist.Node {
	return &memberlist.Node{Name: id, Addr: fakeIP(id), Port: fakePort, Meta: meta}
}

// The bytes of version 1, which every later version reads.
func TestHintBytes(t *testing.T) {
	h := Hint{ID: "n1", Name: "hq", Address: "hq:1", URL: "https://x/", Software: "s", EntryVersion: 300, Ready: true, Disk: "ok", Links: 2}
	b, err := appendHint(nil, h)
	if want := "0101ac0202" + "026871" + "0468713a31" + "0173" + "026f6b" + "0a68747470733a2f2f782f"; err != nil || hex.EncodeToString(b) != want {
		t.Errorf("it is %x, %v; want %s", b, err, want)
	}
	if got, err := readHint("n1", b); err != nil || got != h {
		t.Errorf("read as %+v, %v", got, err)
	}
	if got, err := readHint("n1", append(b, 1, 2, 3)); err != nil || got != h {
		t.Errorf("with what a later version adds: %+v, %v", got, err)
	}
}

// Everything that can be said fits, and what is cut is cut between characters.
func TestHintBounds(t *testing.T) {
	long := strings.Repeat("ö", 300)
	h := Hint{ID: "n1", Name: long, Address: strings.Repeat("a", 258) + ":1", URL: "https://" + long, Software: long, Disk: long, EntryVersion: 1<<32 - 1, Links: 1 << 40}
	b, err := appendHint(nil, h)
	if err != nil || len(b) > memberlist.MetaMaxSize {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	got, err := readHint("n1", b)
	if err != nil || got.Address != h.Address || got.URL != "https://"+h.Address || got.Name != long[:64] || got.Software != long[:48] || got.Disk != long[:24] || got.Links != 1<<30 {
		t.Errorf("read as %+v, %v", got, err)
	}
	h.Address += "0"
	if _, err := appendHint(nil, h); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a long address: %v", err)
	}
	h = Hint{ID: "n1", Address: "a:1", Name: "\xff\x1b[2J", Links: -4}
	if b, err = appendHint(nil, h); err != nil {
		t.Fatal(err)
	}
	if got, err := readHint("n1", b); err != nil || strings.Contains(got.Name, "\x1b") || strings.Contains(got.Name, "\xff") || got.Links != 0 {
		t.Errorf("read as %+v, %v", got, err)
	}
}

var badHints = map[string][]byte{
	"nothing":        {},
	"one byte":       {1},
	"version 0":      {0, 0, 0, 0, 0, 0, 0, 0, 0},
	"version 2":      {2, 0, 0, 0, 0, 0, 0, 0, 0},
	"no number":      {1, 0, 0xff},
	"a large number": {1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
	"many links":     {1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f},
	"no address":     {1, 0, 0, 0, 0, 0, 0, 0, 0},
	"a long name":    append([]byte{1, 0, 0, 0, 65}, strings.Repeat("a", 100)...),
	"a cut name":     {1, 0, 0, 0, 5, 'a'},
	"no UTF-8":       {1, 0, 0, 0, 1, 0xff, 3, 'a', ':', '1', 0, 0, 0},
	"no port":        {1, 0, 0, 0, 0, 1, 'a', 0, 0, 0},
}

func TestBadHints(t *testing.T) {
	for name, b := range badHints {
		want := fault.Corrupt
		if name == "version 2" {
			want = fault.Version
		}
		if h, err := readHint("n1", b); !fault.Is(err, want) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	good, err := appendHint(nil, Hint{Address: "a:1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "a b", "a/b", "at=x", "\x1b", strings.Repeat("a", 65)} {
		if _, err := readHint(id, good); !fault.Is(err, fault.Corrupt) {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

// FuzzHint reads any bytes as a hint: what is accepted can be said again, and means the same.
func FuzzHint(f *testing.F) {
	for _, h := range []Hint{
		{Address: "a:1"},
		{Name: "hq", Address: "[2001:db8::1]:8443", URL: "https://hq.example/", Software: "skerry 0.2.0", EntryVersion: 3, Ready: true, Disk: "ok", Links: 7},
	} {
		b, err := appendHint(nil, h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, b := range badHints {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHint("n1", b)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version {
				t.Fatalf("kind %s: %v", k, err)
			}
			return
		}
		again, err := appendHint(nil, h)
		if err != nil || len(again) > maxHint {
			t.Fatalf("%+v cannot be said again: %d bytes, %v", h, len(again), err)
		}
		if back, err := readHint("n1", again); err != nil || back != h && len(again) < 300 {
			t.Fatalf("%+v came back as %+v, %v", h, back, err)
		}
	})
}
