package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/recalc"
	"github.com/skerryhq/skerry/ui/schema"
)

// The bounds of what is told of the findings that an import would open and close.
const (
	previewHosts = 200
	previewNames = 20
)

// previewFindings says what the advisories of a view that is thrown away would change about the findings of this site. It is the work of the
// matching itself, on all inventories.
func (s *Server) previewFindings(ctx context.Context, v View) (*schema.FindingsPreview, error) {
	rows, ok := v.(recalc.View)
	if !ok {
		return nil, nil // rows that hold no findings
	}
	p, err := recalc.PreviewOf(ctx, rows, s.c.Now())
	if err != nil {
		return nil, err
	}
	out := &schema.FindingsPreview{Inventories: p.Inventories, HostN: len(p.Hosts), Hosts: []schema.HostPreview{}}
	for _, h := range p.Hosts {
		out.Appear += len(h.Appear)
		out.Disappear += len(h.Disappear)
	}
	slices.SortStableFunc(p.Hosts, func(a, b recalc.HostPreview) int {
		return cmp.Or(cmp.Compare(len(b.Appear)+len(b.Disappear), len(a.Appear)+len(a.Disappear)), strings.Compare(a.Hostname, b.Hostname))
	})
	for _, h := range p.Hosts[:min(previewHosts, len(p.Hosts))] {
		out.Hosts = append(out.Hosts, schema.HostPreview{
			HostID: h.ID.String(), Hostname: h.Hostname, AppearN: len(h.Appear), GoneN: len(h.Disappear),
			Appear: slices.Clone(h.Appear[:min(previewNames, len(h.Appear))]), Disappear: slices.Clone(h.Disappear[:min(previewNames, len(h.Disappear))]),
		})
	}
	return out, nil
}
