package api

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestSlipsAreRemarked: where a value in a search is nobody's, the answer says so and what may have been meant.
func TestSlipsAreRemarked(t *testing.T) {
	r := newRig(t)
	r.fleet()
	bergen := model.SiteID(model.NodeID{15: 77})
	r.mem.sites[bergen] = model.Site{ID: bergen, Name: "bergen", Region: "eu-north"} // enrolled, without a host so far
	for q, want := range map[string]string{
		"":                        "[]",
		"site:berlin":             "[]",
		"site:bergen":             "[]", // there is one, only without hosts
		"region:eu-north":         "[]",
		"site:" + berlin.String(): "[]",
		"status:down site:oslo":   "[]", // both are somebody's
		"site:belrin":             "[no host and no site has site:belrin -> berlin]",
		"region:eu-wset":          "[no host and no site has region:eu-wset -> eu-west]",
		"site:nowhere":            "[no host and no site has site:nowhere]",
		"tag:pcii":                "[no host has tag:pcii -> pci]",
		"os:rehl>=9":              "[no host has os:rehl -> rhel>=9]",
		"site:berlin -tag:wbe":    "[no host has tag:wbe -> web]",
		"site:berlin -tag:lab":    "[]", // excluding what nobody has is no slip
		"site:berlin,olso":        "[no host and no site has site:olso -> oslo]",
		"tag:aaaa tag:eeee tag:iiii tag:oooo site:olso": "[no host has tag:aaaa no host has tag:eeee no host has tag:iiii]",
		"name:nobody or tag:wbe or site:oslo":           "[no host has tag:wbe -> web]",
	} {
		page := r.hosts("limit=1&q=" + url.QueryEscape(q))
		if got := remarks(page.Notes); got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
		for _, n := range page.Notes {
			if n.Pos < 0 || n.End > len(q) || n.Pos >= n.End {
				t.Errorf("%s: it is about [%d, %d)", q, n.Pos, n.End)
			}
		}
		facets := read[schema.Facets](r, r.do("GET", "/api/v1/hosts/facets?q="+url.QueryEscape(q), nil), 200)
		group := read[schema.Grouped](r, r.do("GET", "/api/v1/hosts/group?by=os,site&q="+url.QueryEscape(q), nil), 200)
		if remarks(facets.Notes) != want || remarks(group.Notes) != want {
			t.Errorf("%s: beside facets %s, beside groups %s, want %s", q, remarks(facets.Notes), remarks(group.Notes), want)
		}
	}
}

func remarks(notes []schema.Note) string {
	all := []string{}
	for _, n := range notes {
		text := n.Message
		for i, s := range n.Suggestions {
			text += []string{" -> ", ", "}[min(i, 1)] + s
		}
		all = append(all, text)
	}
	return fmt.Sprint(all)
}

// TestSavedSearchSaysHowItIsRead: what was typed is kept, and its one form stands beside it.
func TestSavedSearchSaysHowItIsRead(t *testing.T) {
	r := newRig(t)
	saved := read[schema.SavedSearch](r, r.do("PUT", "/api/v1/searches/x", schema.SearchPut{Query: "STATUS = Down  and not tag:lab"}), 201)
	if saved.Query != "STATUS = Down  and not tag:lab" || saved.Reading != "status:down -tag:lab" {
		t.Errorf("%+v", saved)
	}
	if all := read[[]schema.SavedSearch](r, r.do("GET", "/api/v1/searches", nil), 200); len(all) != 1 || all[0].Reading != saved.Reading {
		t.Errorf("%+v", all)
	}
}

func TestSavingOverASearchIsToBeMeant(t *testing.T) {
	r := newRig(t)
	read[schema.SavedSearch](r, r.do("PUT", "/api/v1/searches/x?new=true", schema.SearchPut{Query: "web"}), 201)
	r.refused(r.do("PUT", "/api/v1/searches/x?new=true", schema.SearchPut{Query: "db"}), 409, fault.Exists, `a search is saved as "x" already: web;`)
	if got := read[schema.SavedSearch](r, r.do("PUT", "/api/v1/searches/x", schema.SearchPut{Query: "db"}), 200); got.Query != "db" {
		t.Errorf("%+v", got)
	}
}

// TestWrongParametersAreNamed: also those that are refused before an operation sees them, so that a program can
// tell a wrong question from an answer that is no.
func TestWrongParametersAreNamed(t *testing.T) {
	r := newRig(t)
	r.fleet()
	for _, c := range []struct{ method, path, location, message string }{
		{"GET", "/api/v1/sites/all/trend?window=year", "query.window", "want one of"},
		{"GET", "/api/v1/hosts/group?by=os,site&top=0", "query.top", "at least 1"},
		{"GET", "/api/v1/hosts/facets?top=0", "query.top", "from 1 to 1000"},
		{"GET", "/api/v1/searches/Bad%20Name", "path.name", "want 1 to 64 of"},
		{"GET", "/api/v1/hosts/export?columns=nmae", "query.columns", "did you mean name?"},
		{"GET", "/api/v1/hosts?sort=critical", "query.sort", "did you mean cve:critical?"},
	} {
		p := read[schema.Problem](r, r.do(c.method, c.path, nil), 422)
		if len(p.Errors) == 0 || p.Errors[0].Location != c.location || !strings.Contains(p.Errors[0].Message, c.message) {
			t.Errorf("%s: %+v", c.path, p)
		}
	}
}
