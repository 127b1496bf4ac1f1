package site

import (
	"context"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/api"
)

// noticing proposes what the interface does, and says of what may take the place of the controller's advisories back that it happened:
// an older bundle that was forced, or a wider policy.
type noticing struct {
	api.Proposer
	moved func()
}

// Propose implements api.Proposer.
func (n noticing) Propose(ctx context.Context, changes ...model.Change) error {
	err := n.Proposer.Propose(ctx, changes...)
	for _, c := range changes {
		switch c := c.(type) {
		case model.Commit:
			if c.Imported != nil {
				n.moved()
			}
		case model.PutPartner:
			n.moved()
		}
	}
	return err
}
