package wire

import (
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func TestFetchRefuses(t *testing.T) {
	good := Fetched{To: model.Cursor{At: 1, Seq: 9}, Size: 100, Offset: 100}
	for _, c := range []struct {
		name   string
		change func(*Fetched)
		want   fault.Kind
	}{
		{"good", func(*Fetched) {}, 0},
		{"nothing", func(f *Fetched) { f.Size, f.Offset = 0, 0 }, fault.TooLarge},
		{"a size below zero", func(f *Fetched) { f.Size = -1 }, fault.TooLarge},
		{"too large", func(f *Fetched) { f.Size = MaxFetched + 1 }, fault.TooLarge},
		{"beyond the end", func(f *Fetched) { f.Offset = 101 }, fault.Corrupt},
		{"before the beginning", func(f *Fetched) { f.Offset = -1 }, fault.Corrupt},
		{"an empty range", func(f *Fetched) { f.From = f.To }, fault.Corrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := good
			c.change(&f)
			raw, err := model.Encode(f)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = Decode[Fetched](raw); (err == nil) != (c.want == 0) || err != nil && fault.KindOf(err) != c.want {
				t.Errorf("fetched: %v", err)
			}
			if raw, err = model.Encode(Fetch{Part: &f}); err != nil {
				t.Fatal(err)
			}
			if _, err = Decode[Fetch](raw); (err == nil) != (c.want == 0) || err != nil && fault.KindOf(err) != c.want {
				t.Errorf("fetch: %v", err)
			}
		})
	}
}
