package site

import (
	"context"
	"strconv"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/detail"
)

// histories are the kinds that have a history.
var histories = map[string]detail.Kind{
	model.HistoryPackages: detail.Packages, model.HistoryCertificates: detail.Certificates, model.HistoryFacts: detail.OSFacts,
}

// history returns versions of what a host had, or what differs between two of them.
func (d drill) history(_ context.Context, params map[string]string) (any, error) {
	const op = "read history"
	cursor := params[model.ParamCursor]
	plain := map[string]string{model.ParamHost: params[model.ParamHost], model.ParamLimit: params[model.ParamLimit]}
	p, err := d.ask(op, plain, 100, detail.MaxVersions)
	if err != nil {
		return nil, err
	}
	name := params[model.ParamKind]
	kind, ok := histories[name]
	if !ok {
		return nil, fault.New(fault.Invalid, op, "there is no history of %q: want %s, %s or %s", fault.Clip(name, 24),
			model.HistoryPackages, model.HistoryCertificates, model.HistoryFacts)
	}
	if params[model.ParamFrom] != "" || params[model.ParamTo] != "" {
		return d.diff(op, p, kind, name, params[model.ParamFrom], params[model.ParamTo])
	}
	var before uint64
	if cursor != "" {
		if before, err = strconv.ParseUint(cursor, 10, 64); err != nil || before == 0 {
			return nil, fault.New(fault.Invalid, op, "%q is no cursor; take the one that the page before gave, or leave it out to begin anew", fault.Clip(cursor, 80))
		}
	}
	list, err := d.detail.History(p.Host, kind, before, p.limit+1)
	if err != nil {
		return nil, err
	}
	out := model.HostHistory{Answered: p.Answered, Kind: name, Versions: []model.Version{}}
	for i, v := range list {
		if i == p.limit {
			out.Next = strconv.FormatUint(list[i-1].N, 10)
			break
		}
		row := version(v)
		row.Current = before == 0 && i == 0
		out.Versions = append(out.Versions, row)
	}
	if before == 0 && len(list) == 0 {
		out.Lacks = "the host has not reported this yet"
	}
	return out, nil
}

func version(v detail.Version) model.Version {
	row := model.Version{N: v.N, At: v.At, AsOf: v.AsOf, Digest: v.Digest, Size: v.Size}
	if v.Counted {
		row.Added, row.Removed, row.Changed = &v.Counts.Added, &v.Counts.Removed, &v.Counts.Changed
	}
	return row
}

// diff says what turns one version into another.
func (d drill) diff(op string, p page, kind detail.Kind, name, from, to string) (any, error) {
	out := model.HostDiff{Answered: p.Answered, Kind: name}
	a, err := d.version(op, p.Host, kind, from, &out.From)
	if err != nil {
		return nil, err
	}
	b, err := d.version(op, p.Host, kind, to, &out.To)
	if err != nil {
		return nil, err
	}
	switch kind {
	case detail.Packages:
		var x, y model.Inventory
		if err = both(a, b, &x, &y); err == nil {
			diff := inventory.DiffPackages(x, y)
			for i := range diff.Changed {
				c := &diff.Changed[i]
				c.Change = direction(y.OS, c)
			}
			out.Packages = &diff
		}
	case detail.Certificates:
		var x, y []model.Certificate
		if err = both(a, b, &x, &y); err == nil {
			diff := inventory.DiffCertificates(x, y)
			out.Certificates = &diff
		}
	default:
		var x, y model.OSFacts
		if err = both(a, b, &x, &y); err == nil {
			out.Sections = inventory.DiffFacts(x, y)
		}
	}
	if err != nil {
		return nil, fault.New(fault.Corrupt, op, "what is stored of host %s: %w", p.Host, err)
	}
	return out, nil
}

// direction says which way a package went, by the version order of its ecosystem, or of its manager where it has none.
func direction(os model.OS, c *model.PackageChange) model.VersionChange {
	order := exposure.OrderOf(os, model.Package{Manager: c.Manager, Name: c.Name, Ecosystem: c.Ecosystem})
	n, known := exposure.Compare(order, c.From, c.To)
	switch {
	case known && n < 0:
		return model.PackageUpgraded
	case known && n > 0:
		return model.PackageDowngraded
	}
	return model.PackageChanged
}

// version reads one version by its number.
func (d drill) version(op string, host model.HostID, kind detail.Kind, text string, to *model.Version) ([]byte, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%q is no number of a version; two are wanted, as the history shows them", fault.Clip(text, 24))
	}
	v, ok, err := d.detail.Version(host, kind, n)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, op, "host %s has no version %d, or it is no longer kept", host, n)
	}
	*to = version(v)
	body, ok, err := d.detail.Body(v.Digest)
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "", "the body %s is missing", v.Digest)
	}
	if fault.Is(err, fault.Corrupt) {
		err = fault.New(fault.Corrupt, op, "version %d of host %s cannot be read (%w); take another version", n, host, err)
	}
	return body, err
}
