package node

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// A run that is taken in is waited for, whatever else is proposed with it.
func TestTakesLong(t *testing.T) {
	for _, tc := range []struct {
		want    bool
		changes []model.Change
	}{
		{false, nil},
		{false, []model.Change{model.Note{}, model.Stage{}, model.Abandon{}}},
		{true, []model.Change{model.Commit{}}},
		{true, []model.Change{model.Note{}, &model.Commit{}}},
	} {
		if got := takesLong(tc.changes); got != tc.want {
			t.Errorf("%T: %v", tc.changes, got)
		}
	}
}
