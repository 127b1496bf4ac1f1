package site

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/sync/uplink"
)

// The bounds of a page: rows by default, and at most; and about how many bytes of them.
const (
	pageRows    = 500
	maxPageRows = 5000
	pageText    = 256 << 10 // of output
	maxPageText = 1 << 20
	maxPageSize = 4 << 20
)

// drill answers the questions about single hosts, the same by the link and by the API here: everything in
// the detail tier, a page at a time. A cursor names the body that it is of, so that the pages of one answer belong
// together whatever the host reports meanwhile.
type drill struct{ *site }

// answers are the questions about hosts, and about all of them, that this site answers, by route. Nothing else is
// answered.
func (d drill) answers() map[string]uplink.Answer {
	return map[string]uplink.Answer{
		model.RouteHostDetail:       d.answerHostDetail,
		model.RouteHostPackages:     d.packages,
		model.RouteHostCertificates: d.certificates,
		model.RouteHostFacts:        d.facts,
		model.RouteHostOutput:       d.output,
		model.RouteHostHistory:      d.history,

		model.RouteCertificatesExpiring: d.certificatesExpiring,
		model.RoutePackagesWhere:        d.packagesWhere,
		model.RouteHostExposure:         d.exposed,
		model.RouteExposureCVE:          d.exposedWhere,
		model.RouteExposureDiff:         d.exposureDiff,
		model.RouteSiteAudit:            d.auditPage,
		model.RouteSiteEvidence:         d.evidence,
	}
}

// answer is what the API of this site asks.
func (d drill) answer(ctx context.Context, route string, params map[string]string) (any, error) {
	fn, ok := d.answers()[route]
	if !ok {
		return nil, fault.New(fault.NotFound, "answer", "this site does not answer %q", fault.Clip(route, 64))
	}
	if d.detail == nil {
		return nil, d.damaged
	}
	return fn(ctx, params)
}

// detailOptions are how the detail tier is opened.
func (s *site) detailOptions() detail.Options {
	r := s.Detail.Retention
	return detail.Options{
		Log: s.log, Now: s.clock.Now, Compare: countChanges,
		Retention: detail.Retention{
			Inventory: r.Inventory.Std(), OSFacts: r.OSFacts.Std(), Output: r.Output.Std(), Audit: r.Audit.Std(), Retired: r.Retired.Std(),
		},
		Exists: func(id model.HostID) (bool, error) {
			v := s.rows.Store.View()
			defer v.Close()
			_, ok, err := v.Host(id)
			return ok, err
		},
	}
}

// ordered reports whether a command was sent to a host.
func (s *site) ordered(c model.CommandID, h model.HostID) (bool, error) {
	v := s.rows.Store.View()
	defer v.Close()
	_, ok, err := v.Task(c, h)
	return ok, err
}

// countChanges counts what differs between two bodies of a state, for its history.
func countChanges(kind detail.Kind, from, to []byte) (detail.Counts, error) {
	var c detail.Counts
	switch kind {
	case detail.Packages:
		var a, b model.Inventory
		if err := both(from, to, &a, &b); err != nil {
			return c, err
		}
		d := inventory.DiffPackages(a, b)
		c = detail.Counts{Added: len(d.Added), Removed: len(d.Removed), Changed: len(d.Changed)}
	case detail.Certificates:
		var a, b []model.Certificate
		if err := both(from, to, &a, &b); err != nil {
			return c, err
		}
		d := inventory.DiffCertificates(a, b)
		c = detail.Counts{Added: len(d.Added), Removed: len(d.Removed), Changed: len(d.Changed)}
	case detail.OSFacts:
		var a, b model.OSFacts
		if err := both(from, to, &a, &b); err != nil {
			return c, err
		}
		c.Changed = len(inventory.DiffFacts(a, b))
	}
	return c, nil
}

func both(from, to []byte, a, b any) error {
	if err := model.Decode(from, a); err != nil {
		return err
	}
	return model.Decode(to, b)
}

// page is one question: which host, from where, and how much.
type page struct {
	model.Answered
	digest string // that the cursor names; empty: the newest
	from   int
	limit  int
}

// ask reads what every question about a host says, and refuses hosts that are not of this site.
func (d drill) ask(op string, params map[string]string, usual, most int) (page, error) {
	p := page{limit: usual}
	id, err := model.ParseHostID(params[model.ParamHost])
	if err != nil {
		return p, fault.New(fault.Invalid, op, "%w", err)
	}
	v := d.rows.Store.View()
	_, ok, err := v.Host(id)
	_ = v.Close()
	if err != nil {
		return p, err
	}
	if !ok {
		return p, fault.New(fault.NotFound, op, "this site has no host %s", id)
	}
	p.Host, p.At = id, model.TimeOf(d.clock.Now())
	if text := params[model.ParamLimit]; text != "" {
		if p.limit, err = strconv.Atoi(text); err != nil || p.limit < 1 || p.limit > most {
			return p, fault.New(fault.Invalid, op, "%q is no number of rows: want 1 to %d", fault.Clip(text, 24), most)
		}
	}
	if text := params[model.ParamCursor]; text != "" {
		digest, from, ok := strings.Cut(text, ".")
		p.digest = digest
		if p.from, err = strconv.Atoi(from); err != nil || !ok || p.from < 0 || len(digest) != 64 {
			return p, fault.New(fault.Invalid, op, "%q is no cursor; take the one that the page before gave, or leave it out to begin anew", fault.Clip(text, 80))
		}
	}
	return p, nil
}

// next sets the cursor behind n rows.
func (p *page) next(n int) {
	if p.from+n < p.Total {
		p.Next = p.Digest + "." + strconv.Itoa(p.from+n)
	}
}

// body reads the body of a state that the page is of; false: the host has reported none.
func (d drill) body(op string, p *page, kind detail.Kind, to any) (bool, error) {
	body, asOf, sum, ok, err := d.detail.Get(p.Host, kind)
	if err != nil {
		return false, err
	}
	if p.digest != "" && p.digest != sum { // another came since the first page
		if ok, err = d.detail.Has(p.Host, kind, p.digest); err == nil && ok {
			body, ok, err = d.detail.Body(p.digest)
		}
		if err != nil {
			return false, err
		}
		if !ok {
			return false, fault.New(fault.NotFound, op, "what the cursor is of is no longer kept; begin anew without it")
		}
		sum, asOf = p.digest, 0
	}
	if !ok {
		p.Lacks = "the host has not reported this yet; dispatch " + model.CommandInventoryRefresh + " to it, or update its agent if that is old"
		return false, nil
	}
	p.Digest, p.AsOf = sum, asOf
	if err := model.Decode(body, to); err != nil {
		return false, fault.New(fault.Corrupt, op, "what is stored of host %s: %w; dispatch %s to it", p.Host, err, model.CommandInventoryRefresh)
	}
	return true, nil
}

func (d drill) packages(_ context.Context, params map[string]string) (any, error) {
	const op = "read packages"
	p, err := d.ask(op, params, pageRows, maxPageRows)
	if err != nil {
		return nil, err
	}
	var inv model.Inventory
	if _, err := d.body(op, &p, detail.Packages, &inv); err != nil {
		return nil, err
	}
	rows := cut(&p, inv.Packages, func(x model.Package) int {
		return 64 + len(x.Name) + len(x.Version) + len(x.Source) + len(x.SourceVersion)
	})
	return model.HostPackages{Answered: p.Answered, OS: inv.OS, Packages: rows}, nil
}

func (d drill) certificates(_ context.Context, params map[string]string) (any, error) {
	const op = "read certificates"
	p, err := d.ask(op, params, pageRows, maxPageRows)
	if err != nil {
		return nil, err
	}
	var list []model.Certificate
	if _, err := d.body(op, &p, detail.Certificates, &list); err != nil {
		return nil, err
	}
	rows := cut(&p, list, certificateSize)
	return model.HostCertificates{Answered: p.Answered, Certificates: rows}, nil
}

// certificateSize is about how many bytes of JSON a certificate has.
func certificateSize(x model.Certificate) int {
	n := 300 + len(x.Path) + len(x.Subject) + len(x.Issuer)
	for _, name := range x.Names {
		n += 3 + len(name)
	}
	return n
}

// cut returns the page's part of the list, at least one row and not much more than maxPageSize bytes.
func cut[T any](p *page, list []T, size func(T) int) []T {
	p.Total = len(list)
	list = list[min(p.from, len(list)):]
	n, bytes := 0, 0
	for n < len(list) && n < p.limit && (n == 0 || bytes+size(list[n]) <= maxPageSize) {
		bytes += size(list[n])
		n++
	}
	p.next(n)
	return append(make([]T, 0, n), list[:n]...)
}

func (d drill) facts(_ context.Context, params map[string]string) (any, error) {
	const op = "read facts"
	p, err := d.ask(op, params, 1, 1)
	if err != nil {
		return nil, err
	}
	var f model.OSFacts
	if _, err := d.body(op, &p, detail.OSFacts, &f); err != nil {
		return nil, err
	}
	return model.HostFacts{Answered: p.Answered, Facts: f}, nil
}

// output returns what a command printed: from the detail tier, or from the task's row where that has all of it.
func (d drill) output(_ context.Context, params map[string]string) (any, error) {
	const op = "read output"
	p, err := d.ask(op, params, pageText, maxPageText)
	if err != nil {
		return nil, err
	}
	id, err := model.ParseCommandID(params[model.ParamCommand])
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	v := d.rows.Store.View()
	task, ok, err := v.Task(id, p.Host)
	_ = v.Close()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, op, "this site did not send command %s to host %s", id, p.Host)
	}
	text, size := task.Output, int64(len(task.Output))
	p.AsOf = task.History[len(task.History)-1].At
	body, version, ok, err := d.detail.Event(p.Host, detail.Output, id)
	switch {
	case err != nil:
		return nil, err
	case ok:
		text, p.AsOf, p.Digest = string(body), version.AsOf, version.Digest
		size = max(task.OutputSize, int64(len(body)))
	case task.OutputSize > 0:
		size = task.OutputSize
		p.Lacks = "only the first " + strconv.Itoa(len(text)) + " bytes are left; the rest was kept for " + d.Detail.Retention.Output.String()
	}
	p.Total, p.Digest = len(text), cmp.Or(p.Digest, strings.Repeat("0", 64))
	from := min(p.from, len(text))
	for from > 0 && from < len(text) && !utf8.RuneStart(text[from]) {
		from--
	}
	end := min(from+p.limit, len(text))
	for end < len(text) && end > from && !utf8.RuneStart(text[end]) {
		end--
	}
	if end == from && end < len(text) { // a limit below one character
		_, n := utf8.DecodeRuneInString(text[from:])
		end = from + n
	}
	p.from = from
	p.next(end - from)
	if !ok {
		p.Digest = ""
	}
	return model.HostOutput{Answered: p.Answered, Command: id, Offset: from, Text: text[from:end], Size: size}, nil
}
