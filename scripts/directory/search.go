package main

import (
	"strings"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// text writes what q asks for in the language of the search box.
func text(q fleet.Query) string {
	var terms []string
	add := func(field, value string) { terms = append(terms, field+":"+value) }
	if q.Hostname != "" {
		add("hostname", query.Quote(q.Hostname))
	}
	if q.Prefix != "" {
		add("hostname", q.Prefix+"*") // names of the fleet have nothing that needs quotes
	}
	if q.Substr != "" {
		add("hostname", "*"+q.Substr+"*")
	}
	if q.IP != "" {
		add("ip", q.IP)
	}
	if q.CIDR != "" {
		add("ip", q.CIDR)
	}
	if q.SiteID != "" {
		add("site", q.SiteID)
	}
	switch id := fleet.SystemID(q.OSName); {
	case q.OSName == "":
	case q.OSVersion != "":
		add("os", query.Quote(id+" "+q.OSVersion))
	default:
		add("os", id)
		if id == "windows" { // it is a word of the other's name
			terms = append(terms, "-os:windows-server")
		}
	}
	if q.Status != "" {
		add("status", string(fleet.Status(q.Status)))
	}
	if q.Region != "" {
		add("region", query.Quote(q.Region))
	}
	for _, t := range q.Tags {
		add("tag", query.Quote(t))
	}
	for _, t := range q.NotTags {
		add("-tag", query.Quote(t))
	}
	return strings.Join(terms, " ")
}

// search is q as the store takes it: read from its text, as the server does with what people type.
func search(q fleet.Query, now model.Time) (query.Search, error) {
	where, err := query.Parse(text(q))
	if err != nil {
		return query.Search{}, err
	}
	s := query.Search{Where: where, Sort: order(q.Sort), Limit: q.Limit, Now: now}
	if q.AfterHost != "" {
		s.After = &query.Cursor{Sort: s.Sort, Known: true, Text: query.Fold(q.AfterHost), ID: hostID(q.AfterID)}
	}
	return s, nil
}

// order is a sort of the fleet's questions.
func order(sort string) query.Sort {
	switch sort {
	case fleet.SortSeen:
		return query.Sort{Field: query.FieldSeen, Desc: true} // the last heard first
	case fleet.SortIP:
		return query.Sort{Field: query.FieldIP}
	}
	return query.Sort{Field: query.FieldName}
}

// facetFields are the fields of facetNames.
var facetFields = []query.Field{query.FieldStatus, query.FieldOS, query.FieldSite, query.FieldRegion, query.FieldTag, query.FieldSeverity}
