package apply_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func (w *world) search(name string) (s model.SavedSearch, ok bool) {
	s = look(w, func(v *index.View) (model.SavedSearch, error) {
		s, found, err := v.Search(name)
		ok = found
		return s, err
	})
	return s, ok
}

func TestSavedSearches(t *testing.T) {
	for _, role := range []model.Role{model.RoleController, model.RoleSite} {
		w := newWorld(t, role, groupID)
		put := model.PutSearch{Stamp: w.stamp(), Search: model.SavedSearch{
			Name: "down-in-eu", Query: "status:down region:eu", Sort: "-seen", Columns: []string{"name", "site"}, Account: "mallory", At: 1,
		}}
		w.must(put)
		got, ok := w.search("down-in-eu")
		if !ok || got.Query != put.Search.Query || got.Sort != "-seen" || len(got.Columns) != 2 || got.Account != "ann" || got.At != put.At {
			t.Errorf("%+v, %v", got, ok)
		}
		if e := w.audit(); e.Action != "search.add" || e.Object != "down-in-eu" || !e.OK {
			t.Errorf("audited as %+v", e)
		}
		put.Search.Query = ""
		put.Stamp = w.stamp()
		w.must(put)
		if got, _ := w.search("down-in-eu"); got.Query != "" || w.audit().Action != "search.change" {
			t.Errorf("replaced by %+v, %+v", got, w.audit())
		}
		for name, bad := range map[string]model.SavedSearch{
			"no name":      {},
			"a long name":  {Name: strings.Repeat("a", 65)},
			"a large name": {Name: "Down"},
			"a path":       {Name: "a/b"},
			"no column":    {Name: "a", Columns: []string{""}},
			"long column":  {Name: "a", Columns: []string{strings.Repeat("c", 65)}},
		} {
			if _, err := w.do(model.PutSearch{Stamp: w.stamp(), Search: bad}); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.refused(fault.TooLarge, model.PutSearch{Stamp: w.stamp(), Search: model.SavedSearch{Name: "a", Query: strings.Repeat("x", 4097)}})
		w.refused(fault.TooLarge, model.PutSearch{Stamp: w.stamp(), Search: model.SavedSearch{Name: "a", Columns: make([]string, 65)}})
		w.refused(fault.TooLarge, model.PutSearch{Stamp: w.stamp(), Search: model.SavedSearch{Name: "a", Sort: strings.Repeat("x", 65)}})
		drop := model.DropSearch{Stamp: w.stamp(), Name: "down-in-eu"}
		w.must(drop)
		before := w.audit()
		if _, ok := w.search("down-in-eu"); ok || before.Action != "search.remove" {
			t.Errorf("after it was dropped: %v, %+v", ok, before)
		}
		w.must(drop) // asked twice
		if w.audit().Seq != before.Seq {
			t.Error("dropping what is not there was recorded")
		}
	}
}

// TestSearchesAreBounded: a thousand names, also where many come in one entry.
func TestSearchesAreBounded(t *testing.T) {
	w := newWorld(t, model.RoleSite, groupID)
	put := func(n int, query string) model.PutSearch {
		return model.PutSearch{Stamp: w.stamp(), Search: model.SavedSearch{Name: "s" + strconv.Itoa(n), Query: query}}
	}
	for n := range 999 {
		w.must(put(n, ""))
	}
	if _, err := w.do(put(999, ""), put(1000, "")); !fault.Is(err, fault.Conflict) {
		t.Errorf("two in one entry: %v", err)
	}
	w.must(put(999, ""))
	w.refused(fault.Conflict, put(1000, ""))
	w.must(put(3, "status:down")) // one that is there may change
	if s, ok := w.search("s3"); !ok || s.Query != "status:down" {
		t.Errorf("%+v, %v", s, ok)
	}
	w.must(model.DropSearch{Stamp: w.stamp(), Name: "s3"})
	w.must(put(1000, ""))
}

func TestPutSite(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	site := func() model.Site {
		return look(hq, func(v *index.View) (model.Site, error) { s, _, err := v.Site(berlin); return s, err })
	}
	put := func(c model.PutSite) model.PutSite {
		c.Stamp, c.Site = hq.stamp(), berlin
		return c
	}
	full := put(model.PutSite{
		Location: new("Rack 4"), Region: new("eu-central"), Country: new("DE"), City: new("Berlin"), Lat: new(52.52), Lng: new(13.405),
	})
	hq.must(full)
	if s := site(); s.Name != "berlin" || s.Region != "eu-central" || s.Country != "DE" || s.City != "Berlin" || *s.Lat != 52.52 || *s.Lng != 13.405 || s.Location != "Rack 4" {
		t.Errorf("%+v", s)
	}
	e := hq.audit()
	if e.Action != "site.change" || e.Object != berlin.String() || e.Detail["city"] != "Berlin" || e.Detail["lat"] != "52.52" {
		t.Errorf("audited as %+v", e)
	}
	hq.must(full)
	if hq.audit().Seq != e.Seq {
		t.Error("the same again was recorded")
	}
	// Two who both read the site as it is, and change different things of it.
	one, two := put(model.PutSite{City: new("Potsdam"), Country: new("")}), put(model.PutSite{Region: new("eu-east"), Lat: new(52.4), Lng: new(13.1)})
	hq.must(one)
	hq.must(two)
	if s := site(); s.City != "Potsdam" || s.Country != "" || s.Region != "eu-east" || *s.Lat != 52.4 || *s.Lng != 13.1 || s.Location != "Rack 4" || s.Name != "berlin" {
		t.Errorf("%+v", s)
	}
	hq.must(put(model.PutSite{NoPosition: true}))
	if s := site(); s.Lat != nil || s.Lng != nil || s.City != "Potsdam" || s.Region != "eu-east" {
		t.Errorf("without a position: %+v", s)
	}
	if e := hq.audit(); e.Action != "site.change" || e.Detail["lat"] != "" || e.Detail["lng"] != "" {
		t.Errorf("audited as %+v", e)
	}
	before := hq.audit()
	hq.must(put(model.PutSite{NoPosition: true}))
	hq.must(put(model.PutSite{}))
	if hq.audit().Seq != before.Seq {
		t.Error("a change of nothing was recorded")
	}
	for name, tc := range map[string]struct {
		change model.PutSite
		kind   fault.Kind
	}{
		"half a coordinate": {model.PutSite{Lat: new(1.0)}, fault.Invalid},
		"the other half":    {model.PutSite{Lng: new(1.0)}, fault.Invalid},
		"here and nowhere":  {model.PutSite{Lat: new(1.0), Lng: new(1.0), NoPosition: true}, fault.Invalid},
		"beyond the pole":   {model.PutSite{Lat: new(90.1), Lng: new(0.0)}, fault.Invalid},
		"round the world":   {model.PutSite{Lat: new(0.0), Lng: new(-181.0)}, fault.Invalid},
		"an escape":         {model.PutSite{City: new("a\x1b[1m")}, fault.Invalid},
		"no UTF-8":          {model.PutSite{City: new("\xff")}, fault.Invalid},
		"long":              {model.PutSite{Region: new(strings.Repeat("r", 129))}, fault.TooLarge},
	} {
		if _, err := hq.do(put(tc.change)); !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	hq.refused(fault.NotFound, model.PutSite{Stamp: hq.stamp(), Site: oslo})
	// The same bounds hold where a site is invited.
	m := model.Member{ID: model.NodeID(oslo), Kind: model.MemberSite, Name: "oslo", TokenHash: "h", TokenExpires: hq.at + 1000}
	hq.refused(fault.Invalid, model.Invite{Stamp: hq.stamp(), Member: m, Site: &model.Site{ID: oslo, Name: "oslo", Lat: new(91.0), Lng: new(1.0)}})
	// A new token keeps what was said since the first.
	first := model.Invite{Stamp: hq.stamp(), Member: m, Site: &model.Site{ID: oslo, Name: "oslo", City: "Oslo"}}
	hq.must(first)
	hq.must(model.PutSite{Stamp: hq.stamp(), Site: oslo, City: new("Bergen"), Lat: new(60.4), Lng: new(5.3)})
	first.Site = &model.Site{ID: oslo, Name: "oslo", Country: "NO"}
	hq.must(first)
	s := look(hq, func(v *index.View) (model.Site, error) { s, _, err := v.Site(oslo); return s, err })
	if s.City != "Bergen" || s.Country != "NO" || s.Lat == nil || *s.Lat != 60.4 {
		t.Errorf("after a new token: %+v", s)
	}
}

// An account that is removed takes its logins with it, and the last one that may log in stays.
func TestDropAccount(t *testing.T) {
	for _, role := range []model.Role{model.RoleController, model.RoleSite} {
		w := newWorld(t, role, groupID)
		put := func(name string, disabled bool) {
			w.must(model.PutAccount{Stamp: w.stamp(), Account: model.Account{Name: name, PasswordHash: "x", Disabled: disabled}})
		}
		put("ann", false)
		put("bob", true)
		w.refused(fault.Conflict, model.DropAccount{Stamp: w.stamp(), Name: "ann"})
		w.must(model.DropAccount{Stamp: w.stamp(), Name: "bob"}) // is nobody's way in
		put("eve", false)
		for n, name := range []string{"ann", "eve", "ann"} {
			w.must(model.PutSession{Stamp: w.stamp(), Session: model.Session{ID: model.SessionID{byte(n + 1)}, Account: name, ExpiresAt: w.at + 1e9}})
		}
		w.must(model.DropAccount{Stamp: w.stamp(), Name: "ann"})
		e := w.audit()
		if e.Action != "account.remove" || e.Object != "ann" || !e.OK {
			t.Errorf("%+v", e)
		}
		w.must(model.DropAccount{Stamp: w.stamp(), Name: "ann"}) // is so already
		if w.audit().Seq != e.Seq {
			t.Error("what was not there was recorded as removed")
		}
		left := look(w, func(v *index.View) (names []string, err error) {
			all, err := v.Accounts()
			for _, a := range all {
				names = append(names, a.Name)
			}
			return names, errors.Join(err, v.EachSession(func(s model.Session) error { names = append(names, s.Account); return nil }))
		})
		if !slices.Equal(left, []string{"eve", "eve"}) {
			t.Errorf("left: %q", left)
		}
		w.refused(fault.Conflict, model.DropAccount{Stamp: w.stamp(), Name: "eve"})
		w.refused(fault.Login, model.PutSession{Stamp: w.stamp(), Session: model.Session{ID: model.SessionID{9}, Account: "ann"}})
	}
}
