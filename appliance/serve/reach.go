package serve

import (
	"context"
	"sync"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// Reach keeps the directory's word on which sites can be reached the same as that of the links. Every site
// begins as one that cannot be, which the store is opened with (index.Options.Vouched).
type Reach struct {
	linked func(model.NodeID) bool // whether the member's link is open now
	set    func(site model.SiteID, up bool)

	mu sync.Mutex // held while set is told, so that the last word is the newest
	up map[model.SiteID]bool
}

// NewReach makes a Reach that asks linked about links and tells set of the sites that came or went.
func NewReach(linked func(model.NodeID) bool, set func(site model.SiteID, up bool)) *Reach {
	return &Reach{linked: linked, set: set, up: map[model.SiteID]bool{}}
}

// Look tells what has become of a site's link. It is to be called whenever that may have changed, and is
// cheap where it has not.
func (r *Reach) Look(id model.NodeID) {
	site := model.SiteID(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	up := r.linked(id)
	if up != r.up[site] {
		r.up[site] = up
		r.set(site, up)
	}
}

// Check reads the whole store for the API.
func (r Rows) Check(ctx context.Context) (schema.StorageReport, error) {
	report, err := r.Store.Check(ctx)
	return schema.StorageReport{
		OK: report.OK(), Rows: report.Rows, Entries: report.Entries, FaultN: report.FaultN, Faults: report.Faults,
	}, err
}
