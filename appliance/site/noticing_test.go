package site

import (
	"context"
	"errors"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

type proposes func(...model.Change) error

func (p proposes) Propose(_ context.Context, changes ...model.Change) error { return p(changes...) }

// TestWhatMayTakeTheControllersPlaceBack is said to whoever follows the controller, also where it is not known whether it is in.
func TestWhatMayTakeTheControllersPlaceBack(t *testing.T) {
	broken := errors.New("broken")
	for _, x := range []struct {
		c    model.Change
		want int
	}{
		{model.Commit{Imported: &model.Imported{Forced: true}}, 1},
		{model.Commit{Kind: model.RunPull}, 0},
		{model.PutPartner{}, 1},
		{model.Note{}, 0},
	} {
		for _, err := range []error{nil, broken} {
			n, proposed := 0, 0
			p := noticing{proposes(func(all ...model.Change) error { proposed += len(all); return err }), func() { n++ }}
			if got := p.Propose(t.Context(), model.Note{}, x.c); got != err || n != x.want || proposed != 2 {
				t.Errorf("%T: %v, said %d times, want %d", x.c, got, n, x.want)
			}
		}
	}
}
