package wire

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func TestPartsRefuse(t *testing.T) {
	it := model.Item{Seq: 9, Kind: model.ItemPackages, Key: "k", Payload: []byte(`"` + strings.Repeat("x", 1000) + `"`)}
	raw, b, err := Begin(3, it)
	if err != nil {
		t.Fatal(err)
	}
	run, err := b.Whole(raw)
	if err != nil || !reflect.DeepEqual(run, Items{Epoch: 3, Through: 9, Items: []model.Item{it}}) {
		t.Fatalf("got %+v, %v", run, err)
	}
	with := func(change func(*Part)) []byte {
		p := Part{Begun: b, Bytes: raw[:100]}
		change(&p)
		return p.encode()
	}
	for _, c := range []struct {
		name string
		in   []byte
		want fault.Kind
	}{
		{"nothing", nil, fault.Corrupt},
		{"no bytes", with(func(p *Part) { p.Bytes = nil }), fault.Corrupt},
		{"no epoch", with(func(p *Part) { p.Epoch = 0 }), fault.Corrupt},
		{"no number", with(func(p *Part) { p.Seq = 0 }), fault.Corrupt},
		{"an epoch of 33 bits", append([]byte{0, 0, 0, 1}, with(func(*Part) {})[4:]...), fault.Corrupt},
		{"too large an item", with(func(p *Part) { p.Size = MaxFrame + 1 }), fault.TooLarge},
		{"beyond the item", with(func(p *Part) { p.Have = p.Size - 99 }), fault.Corrupt},
		{"behind the item", with(func(p *Part) { p.Have = p.Size + 1 }), fault.Corrupt},
		{"too large a part", with(func(p *Part) { p.Size, p.Bytes = MaxFrame, bytes.Repeat([]byte{1}, MaxPart+1) }), fault.TooLarge},
		{"a size of 64 bits", append(append(with(func(*Part) {})[:16:16], 0xff, 0, 0, 0, 0, 0, 0, 1), with(func(*Part) {})[24:]...), fault.TooLarge},
	} {
		if p, err := DecodePart(c.in); !fault.Is(err, c.want) {
			t.Errorf("%s: got %+v, %v; want kind %v", c.name, p, err, c.want)
		}
	}
	other := bytes.Replace(raw, []byte("xx"), []byte("xy"), 1)
	if _, err := b.Whole(other); !fault.Is(err, fault.Corrupt) {
		t.Errorf("other bytes of that size: %v", err)
	}
	wrong, c, err := Begin(3, it)
	if err != nil {
		t.Fatal(err)
	}
	c.Seq = 10
	if _, err := c.Whole(wrong); !fault.Is(err, fault.Corrupt) {
		t.Errorf("under another number: %v", err)
	}
}

func TestFaultSaysWhenToTryAgain(t *testing.T) {
	for _, c := range []struct{ said, heard time.Duration }{
		{0, 0},
		{300 * time.Millisecond, 0},
		{1200 * time.Millisecond, time.Second},
		{90 * time.Second, 90 * time.Second},
		{1000 * time.Hour, maxRetry},
	} {
		f := FaultOf(fault.Later(fault.New(fault.Busy, "", "later"), c.said))
		if d, _ := fault.RetryAfter(f.Err()); d != c.heard {
			t.Errorf("said %v, heard %v, want %v", c.said, d, c.heard)
		}
	}
	for seconds, want := range map[int64]time.Duration{-5: 0, 1 << 62: maxRetry} {
		if d, _ := fault.RetryAfter(Fault{Kind: "busy", Text: "x", RetryAfter: seconds}.Err()); d != want {
			t.Errorf("%d seconds were heard as %v", seconds, d)
		}
	}
}
