package simulate

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// noHistory is what a simulated site says where it is asked what opened and closed.
const noHistory = "simulated: keeps no history of findings"

// exposed answers a question for a page of a host's findings, the most severe first.
func (l *siteLog) exposed(ctx context.Context, params map[string]string) (any, error) {
	d, err := l.host(ctx, params)
	if err != nil {
		return nil, err
	}
	from, bad1 := strconv.Atoi(cmp.Or(params[model.ParamCursor], "0"))
	limit, bad2 := strconv.Atoi(cmp.Or(params[model.ParamLimit], "500"))
	if bad1 != nil || bad2 != nil || from < 0 || limit < 1 || limit > 5000 {
		return nil, fault.New(fault.Invalid, "read findings", "a cursor or a number of rows cannot be read; begin anew without them")
	}
	found := slices.Clone(d.Findings)
	slices.SortStableFunc(found, func(a, b model.Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	out := model.HostExposed{Answered: model.Answered{Host: d.Host.ID, At: d.At, AsOf: d.Host.ExposureAt, Digest: d.Host.PackagesDigest, Total: len(found)}, Open: len(found)}
	from = min(from, len(found))
	end := min(from+limit, len(found))
	out.Findings = make([]model.Standing, 0, end-from)
	for _, f := range found[from:end] {
		out.Findings = append(out.Findings, model.Standing{Finding: f})
	}
	if end < len(found) {
		out.Next = strconv.Itoa(end)
	}
	if d.Host.PackagesDigest == "" {
		out.Lacks = "nothing is known of the packages of such a system"
	}
	return out, nil
}

// exposedWhere answers with the hosts that have a vulnerability.
func (l *siteLog) exposedWhere(ctx context.Context, params map[string]string) (any, error) {
	const op = "look for a vulnerability"
	q, err := model.ReadFleetQuestion(params)
	if err == nil && q.Name == "" {
		err = fault.New(fault.Invalid, "", "the identifier of the vulnerability is missing")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	out := model.ExposedWhere{FleetAnswer: model.FleetAnswer{At: model.TimeOf(l.now())}, Rows: []model.ExposedAt{}}
	found := map[*image][]model.Finding{}
	pick := func(i *image) bool {
		out.Hosts++
		if i == nil {
			out.Lacks++
			return false
		}
		list, known := found[i]
		if !known {
			for _, f := range i.found {
				if strings.EqualFold(f.Vulnerability, q.Name) {
					list = append(list, f)
				}
			}
			found[i] = list
		}
		return len(list) > 0
	}
	trim := func() {
		slices.SortFunc(out.Rows, func(a, b model.ExposedAt) int { return strings.Compare(a.Place(), b.Place()) })
		if len(out.Rows) > q.Limit {
			clear(out.Rows[q.Limit:])
			out.Rows, out.More = out.Rows[:q.Limit], true
		}
	}
	err = l.everyHost(ctx, q.Query, pick, func(h *model.Host, i *image) error {
		if q.Query != "" && !pick(i) {
			return nil
		}
		for _, f := range found[i] {
			row := model.ExposedAt{FleetRow: model.FleetRow{Host: h.ID, Hostname: h.Hostname, AsOf: h.PackagesAt}, Standing: model.Standing{Finding: f}}
			if out.Total++; row.Place() > q.After {
				out.Rows = append(out.Rows, row)
			}
		}
		if len(out.Rows) > 4*q.Limit {
			trim()
		}
		return nil
	})
	trim()
	return out, fault.Wrap(op, err)
}

// exposureDiff says that there is no history here.
func (l *siteLog) exposureDiff(ctx context.Context, params map[string]string) (any, error) {
	const op = "compare findings"
	q, err := model.ReadFleetQuestion(params)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	out := model.ExposureDiff{FleetAnswer: model.FleetAnswer{At: model.TimeOf(l.now()), Note: noHistory}, Rows: []model.ExposureChange{}}
	err = l.everyHost(ctx, q.Query, func(*image) bool { out.Hosts++; return false }, func(*model.Host, *image) error { out.Hosts++; return nil })
	out.Lacks = out.Hosts
	return out, fault.Wrap(op, err)
}
