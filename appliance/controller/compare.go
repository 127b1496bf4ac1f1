package controller

import (
	"context"
	"strconv"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/compare"
)

// comparer holds the rows of the sites whose links are here against what the sites hold.
func (k *controller) comparer(ctx context.Context) *compare.Comparer {
	return compare.New(compare.Config{
		Linked: func() (linked []model.NodeID) {
			for _, id := range k.sites.Known() {
				if l, _ := k.sites.Live(id); l.Up {
					linked = append(linked, id)
				}
			}
			return linked
		},
		Ask: k.sites.Ask,
		EachHost: func(fn func(model.Host) error) error {
			v := k.rows.Store.View()
			defer v.Close()
			return v.EachHost(fn)
		},
		Host: func(id model.HostID) (model.Host, bool, error) {
			v := k.rows.Store.View()
			defer v.Close()
			return v.Host(id)
		},
		Mended: func(site model.NodeID, sent, gone int) {
			note := model.Note{
				Stamp: model.Stamp{Actor: "system", At: model.TimeOf(time.Now())}, Action: "site.compare", Object: site.String(), OK: true,
				Detail: map[string]string{"sent_again": strconv.Itoa(sent), "gone": strconv.Itoa(gone)},
			}
			if err := k.group.Load().Propose(ctx, note); err != nil {
				k.log.Warn("a repair is not in the audit record", "site", site, "err", err)
			}
		},
		Now: time.Now, Log: k.log,
	})
}
