package api

import (
	"context"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// alertOrder is the order of what somebody has to look at; within a severity the newest is first.
var alertOrder = []model.AlertSeverity{model.AlertCritical, model.AlertWarning, model.AlertInfo}

// alertSteps bounds how often one page asks on, where a part of it was short.
const alertSteps = 8

// alertPage reads a page of alerts that begins after the next of another. What is not resolved comes by severity, read one
// after the other, for sites keep their alerts by time; all else comes by time alone.
func (s *Server) alertPage(ctx context.Context, name string, f model.AlertFilter, after string) (site model.Site, page model.AlertPage, next string, err error) {
	kind := -1 // by time
	if f.Severity == "" && f.Open() {
		kind = 0
	}
	if after != "" {
		id := after
		if kind == 0 {
			severity, rest, ok := strings.Cut(after, ".")
			if kind, id = slices.Index(alertOrder, model.AlertSeverity(severity)), rest; !ok || kind < 0 {
				return site, page, "", parameter("after", "it is not the next of a page")
			}
		}
		if id != "" {
			if f.After, err = model.ParseAlertID(id); err != nil {
				return site, page, "", parameter("after", "it is not the next of a page")
			}
		}
	}
	if kind < 0 {
		if site, page, err = s.alertsOf(ctx, name, f); err == nil && !page.Next.IsZero() {
			next = page.Next.String()
		}
		return site, page, next, err
	}
	var all []model.Alert
	for range alertSteps {
		f.Severity = alertOrder[kind]
		part := model.AlertPage{}
		if site, part, err = s.alertsOf(ctx, name, f); err != nil {
			return site, page, "", err
		}
		if page.At.IsZero() {
			page = part
		}
		all = append(all, part.Alerts...)
		f.Limit, f.After = f.Limit-len(part.Alerts), part.Next
		next = string(f.Severity) + "."
		if !f.After.IsZero() {
			next += f.After.String()
		} else if kind++; kind == len(alertOrder) {
			next = ""
			break
		} else {
			next = string(alertOrder[kind]) + "."
		}
		if f.Limit <= 0 {
			break
		}
	}
	page.Alerts = all
	return site, page, next, nil
}
