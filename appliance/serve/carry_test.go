package serve

import (
	"context"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/link"
)

// TestEveryLinkCounts: whatever the root does with a link, its door knows of it while it lasts, and of its end.
func TestEveryLinkCounts(t *testing.T) {
	var d Door
	for n, err := range []error{nil, fault.New(fault.TooLarge, "", "more than a bound")} {
		during := -1
		d.carry(t.Context(), nil, &model.Member{}, func(context.Context, *link.Session, *model.Member) error {
			during = d.heap.links
			return err
		})
		if during != 1 || d.heap.links != 0 {
			t.Errorf("link %d: %d while it lasted, %d after it", n, during, d.heap.links)
		}
	}
	if n := d.Refused()[refusedTooLarge]; n != 1 {
		t.Errorf("%d links ended because too much came, want 1", n)
	}
}
