package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// exposureRoutes is the operations on what vulnerabilities mean for the hosts.
func (s *Server) exposureRoutes() {
	op(s, http.MethodGet, "/exposure", "list-exposure", "The exposure roll-up of each site", s.listExposure)
	op(s, http.MethodGet, "/exposure/diff", "exposure-diff", "What opened and closed between two times; a controller asks its sites", s.exposureDiff)
	op(s, http.MethodGet, "/exposure/cve/{identifier}", "exposure-cve", "The hosts that have a vulnerability; a controller asks its sites", s.exposedWhere)
	op(s, http.MethodGet, "/hosts/{host}/exposure", "get-host-exposure", "A page of the findings of a host, asked of its site", s.hostExposure)
	op(s, http.MethodGet, "/exposure/acceptances", "list-acceptances", "Risks that somebody accepted", s.listAcceptances)
	op(s, http.MethodPost, "/exposure/acceptances", "accept-risk", "Accept the risk of a vulnerability on some hosts until a day", s.acceptRisk)
	op(s, http.MethodDelete, "/exposure/acceptances/{id}", "revoke-acceptance", "Take an acceptance back", s.revokeAcceptance)
}

func (s *Server) hostExposure(ctx context.Context, in *drillInput) (*out[schema.HostExposure], error) {
	d, top, err := drilled(ctx, s, in.Host, model.RouteHostExposure, in.params(), func(d *model.HostExposed) *model.Answered { return &d.Answered })
	if err != nil {
		return nil, err
	}
	return &out[schema.HostExposure]{Body: schema.HostExposure{Answered: top, Open: d.Open, Findings: each(d.Findings, standingRow)}}, nil
}

func standingRow(x model.Standing) schema.Standing {
	row := schema.Standing{Finding: findingRow(x.Finding), KnownExploited: !x.Known.IsZero(), KnownSince: at(x.Known)}
	if x.Probability > 0 {
		row.EPSS = &x.Probability
	}
	if a := x.Accepted; a != nil {
		row.Accepted = &schema.AcceptedBy{ID: a.ID, By: a.By, Reason: a.Reason, Until: a.Until.Std()}
	}
	return row
}

func findingRow(f model.Finding) schema.Finding {
	return schema.Finding{
		Vulnerability: f.Vulnerability, Source: f.Advisory.Source, Advisory: f.Advisory.ID, Package: f.Package, SourcePackage: f.Source,
		Version: f.Version, Fixed: f.Fixed, Severity: f.Severity.String(), Verdict: string(f.Verdict), Reason: f.Reason,
	}
}

type exposedInput struct {
	GatherInput
	Identifier string `path:"identifier" maxLength:"256" doc:"a CVE, or another id or alias"`
}

func (s *Server) exposedWhere(ctx context.Context, in *exposedInput) (*out[schema.ExposedWhere], error) {
	id := strings.TrimSpace(in.Identifier)
	if id == "" {
		return nil, parameter("identifier", "it is empty: give a CVE, or another id or alias")
	}
	v, done := s.c.Store.View()
	c, unknown := s.canonical(v, id)
	done()
	if unknown == nil {
		id = c.ID
	} else if !fault.Is(unknown, fault.NotFound) || strings.HasPrefix(id, "sha256:") {
		return nil, unknown
	}
	g := survey[model.ExposedAt, *model.ExposedAt]{
		s: s, route: model.RouteExposureCVE, q: model.FleetQuestion{Name: id},
		read: func(raw []byte) (sheet[model.ExposedAt], error) {
			var a model.ExposedWhere
			err := model.Decode(raw, &a)
			return sheet[model.ExposedAt]{a.FleetAnswer, 0, a.Rows}, err
		},
		local: func(v any) (sheet[model.ExposedAt], bool) {
			a, ok := v.(model.ExposedWhere)
			return sheet[model.ExposedAt]{a.FleetAnswer, 0, a.Rows}, ok
		},
	}
	rows, top, err := g.run(ctx, &in.GatherInput)
	if err != nil {
		return nil, err
	}
	if unknown != nil && len(rows) == 0 && in.Cursor == "" { // a site may know what this server does not
		return nil, unknown
	}
	body := schema.ExposedWhere{Gathered: top, Vulnerability: id, Hosts: make([]schema.ExposedAt, 0, len(rows))}
	for _, r := range rows {
		body.Hosts = append(body.Hosts, schema.ExposedAt{FleetRow: rowOf(r.site, r.row.FleetRow), Standing: standingRow(r.row.Standing)})
	}
	return &out[schema.ExposedWhere]{Body: body}, nil
}

type exposureDiffInput struct {
	GatherInput
	Host string `query:"host" maxLength:"255" doc:"only this host: id, or a host name that only one host has"`
	From string `query:"from" required:"true" maxLength:"40" doc:"a time as RFC 3339 has it, or how long ago, as 7d"`
	To   string `query:"to" maxLength:"40" doc:"the same; absent: now"`
}

func (s *Server) exposureDiff(ctx context.Context, in *exposureDiffInput) (*out[schema.ExposureDiff], error) {
	from, err := s.moment("from", in.From, -1)
	if err != nil {
		return nil, err
	}
	q := model.FleetQuestion{From: from}
	if in.To != "" {
		if q.Until, err = s.moment("to", in.To, -1); err != nil {
			return nil, err
		}
	}
	if until := q.Until; !until.IsZero() && until <= from || until.IsZero() && s.now() <= from {
		return nil, parameter("from", "it is not before the end of the span")
	}
	if in.Host != "" {
		host, err := s.findHost(ctx, in.Host)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(in.Q) != "" {
			in.Q = "(" + in.Q + ") "
		}
		in.Q += "id:" + host.ID.String()
	}
	g := survey[model.ExposureChange, *model.ExposureChange]{
		s: s, route: model.RouteExposureDiff, q: q,
		read: func(raw []byte) (sheet[model.ExposureChange], error) {
			var a model.ExposureDiff
			err := model.Decode(raw, &a)
			return sheet[model.ExposureChange]{a.FleetAnswer, 0, a.Rows}, err
		},
		local: func(v any) (sheet[model.ExposureChange], bool) {
			a, ok := v.(model.ExposureDiff)
			return sheet[model.ExposureChange]{a.FleetAnswer, 0, a.Rows}, ok
		},
	}
	rows, top, err := g.run(ctx, &in.GatherInput)
	if err != nil {
		return nil, err
	}
	body := schema.ExposureDiff{Gathered: top, From: from.Std(), To: at(q.Until), Changes: make([]schema.ExposureChange, 0, len(rows))}
	for _, r := range rows {
		c := schema.ExposureChange{
			FleetRow: rowOf(r.site, r.row.FleetRow), At: r.row.At.Std(), Change: "closed", Why: string(r.row.Reason),
			From: r.row.From, To: r.row.To, Finding: findingRow(r.row.Finding),
		}
		if r.row.Opened {
			c.Change = "opened"
		}
		body.Changes = append(body.Changes, c)
	}
	return &out[schema.ExposureDiff]{Body: body}, nil
}

// moment reads a time, or a span from now: into the past where sign is -1, ahead where it is 1.
func (s *Server) moment(name, text string, sign time.Duration) (model.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return model.TimeOf(t), nil
	}
	d, err := query.ParseAge(text)
	if err != nil || d > maxWithin {
		return 0, parameter(name, quoted(fault.Clip(text, 48))+" is neither a time such as 2026-11-22T10:00:00Z nor a span such as 7d")
	}
	return model.TimeOf(s.c.Now().Add(sign * d)), nil
}
