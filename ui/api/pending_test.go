package api

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// pendingStore answers that some hosts are to be matched again.
type pendingStore struct {
	*rowStore
	n int
}

type pendingRows struct {
	View
	n int
}

func (v pendingRows) PendingHosts() (int, error) { return v.n, nil }

func (s *pendingStore) View() (View, func()) {
	v, done := s.rowStore.View()
	return pendingRows{v, s.n}, done
}

// A site says in its roll-up how many of its hosts are not matched with its newest advisories, also before the first roll-up; a controller
// does not know that of its sites.
func TestRollUpSaysHowManyHostsArePending(t *testing.T) {
	for _, c := range []struct {
		role   model.Role
		rolled bool
		n      int
		rows   int
		says   int // -1: nothing
	}{
		{model.RoleSite, true, 2, 1, 2},
		{model.RoleSite, true, 0, 1, 0},
		{model.RoleSite, false, 2, 1, 2},
		{model.RoleSite, false, 0, 0, -1},
		{model.RoleController, true, 2, 0, -1},
	} {
		store := &pendingStore{n: c.n}
		r := newRowRig(t, c.role, model.NodeID(berlin), "berlin", func(conf *Config) {
			store.rowStore = conf.Store.(*rowStore)
			conf.Store = store
		})
		if c.rolled && c.role == model.RoleSite {
			change := model.Rollup{Stamp: model.Stamp{Actor: "system", At: model.TimeOf(noon)}, Exposure: model.Exposure{Site: berlin, At: model.TimeOf(noon), AdvisoryN: 3}}
			if err := r.rows.Propose(t.Context(), change); err != nil {
				t.Fatal(err)
			}
		}
		list := read[[]schema.Exposure](r.rig, r.do("GET", "/api/v1/exposure", nil), 200)
		if len(list) != c.rows {
			t.Errorf("%+v: %+v", c, list)
			continue
		}
		if c.rows > 0 && (list[0].PendingHosts == nil || *list[0].PendingHosts != c.says || list[0].Site != "berlin" || (list[0].AsOf != nil) != c.rolled) {
			t.Errorf("%+v: %+v", c, list[0])
		}
	}
}
