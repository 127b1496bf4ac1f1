package search

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/plain"
)

// TestOutline: whatever a host is, its outline counts as it does where it says so, and the same row is never
// taken for another, whatever its beat.
func TestOutline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := New(1)
		rows := map[model.HostID]model.Host{}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			h := plain.DrawHost(t)
			if rapid.IntRange(0, 3).Draw(t, "odd") == 0 {
				h.Exposure.Uncertain = rapid.IntRange(0, 2).Draw(t, "uncertain")
				h.Exposure.Low = rapid.SampledFrom([]int{0, 65_535, 65_536, 1 << 24}).Draw(t, "low")
			}
			rows[h.ID] = h
			x.Apply([]Change{{ID: h.ID, Host: &h}})
			if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
				delete(rows, h.ID)
				x.Apply([]Change{{ID: h.ID, Gone: true}})
			}
		}
		for id, h := range rows {
			outline, exact, ok := x.Outline(id)
			var got, want model.SiteCounts
			got.Add(&outline, 1)
			want.Add(&h, 1)
			if !ok || outline.Site != h.Site || outline.Beat() != h.Beat() || exact && !got.SameSums(want) {
				t.Fatalf("the outline of %+v is %+v, %v, %v", h, outline, exact, ok)
			}
			if !exact && h.Exposure.Uncertain == 0 && h.Exposure.Low <= 65_535 && h.Compliance == nil && h.Updates == nil {
				t.Fatalf("the outline of %+v is not exact", h)
			}
			h.SetBeat(plain.DrawBeat(t))
			if x.Differs(&h) {
				t.Fatalf("the index takes %+v for another row", h)
			}
			h.Exposure.High++
			if !x.Differs(&h) {
				t.Fatalf("the index does not see another count in %+v", h)
			}
		}
		if _, _, ok := x.Outline(model.HostID{99}); ok || !x.Differs(&model.Host{ID: model.HostID{99}}) {
			t.Fatal("a host that is not there is known")
		}
	})
}
