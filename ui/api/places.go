package api

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// place is a site as its hosts show it.
type place struct {
	model.Site
	json []byte // see placeJSON
	// lastItem is when the newest fact from the site was stored here: what is known of a link that was
	// never up since this server started.
	lastItem model.Time
}

// placesAge is how old the table of sites may be while rows change, as the rows of a busy federation do
// all the time. What this server itself changes shows at once, and so does a site that is new.
const placesAge = time.Second

// places is the sites by id, read once for many requests.
type places struct {
	mu      sync.Mutex // held while the table is read
	table   atomic.Pointer[placeTable]
	edition atomic.Uint64 // rises when this server changes a site
}

type placeTable struct {
	by      map[model.SiteID]*place
	version uint64 // of the store, from before it was read
	edition uint64 // likewise
	read    time.Time
}

// forget makes the next request read the sites anew.
func (p *places) forget() { p.edition.Add(1) }

// places returns the sites as they are now, or were a moment ago.
func (s *Server) places() (map[model.SiteID]*place, error) {
	if t := s.sitesRead.table.Load(); s.current(t) {
		return t.by, nil
	}
	return s.readPlaces()
}

func (s *Server) current(t *placeTable) bool {
	if t == nil || t.edition != s.sitesRead.edition.Load() {
		return false
	}
	age := s.c.Now().Sub(t.read)
	return age >= 0 && age < placesAge || t.version == s.c.Store.Version()
}

func (s *Server) readPlaces() (map[model.SiteID]*place, error) {
	s.sitesRead.mu.Lock()
	defer s.sitesRead.mu.Unlock()
	t := &placeTable{
		by: map[model.SiteID]*place{}, version: s.c.Store.Version(), edition: s.sitesRead.edition.Load(), read: s.c.Now(),
	}
	v, done := s.c.Store.View()
	defer done()
	rows, err := s.siteRows(v)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		p := &place{Site: row, json: placeJSON(row)}
		if s.c.Role == model.RoleController {
			n, _, err := v.Counts(row.ID)
			if err != nil {
				return nil, err
			}
			p.lastItem = n.LastItem
		}
		t.by[row.ID] = p
	}
	s.sitesRead.table.Store(t)
	return t.by, nil
}

// placesFor is places, with one more look where a host is of a site that came since.
func (s *Server) placesFor(hosts []model.Host) (map[model.SiteID]*place, error) {
	by, err := s.places()
	if err != nil {
		return nil, err
	}
	for i := range hosts {
		if by[hosts[i].Site] == nil {
			return s.readPlaces()
		}
	}
	return by, nil
}

// placeOf finds a site in the table. One that is not there any more has an id and nothing else.
func placeOf(by map[model.SiteID]*place, id model.SiteID) *place {
	if p := by[id]; p != nil {
		return p
	}
	row := model.Site{ID: id}
	return &place{Site: row, json: placeJSON(row)}
}

// linkOf is the state of the link to a site, for what is said of its hosts.
func (s *Server) linkOf(p *place) reach {
	if s.c.Role == model.RoleSite {
		return reach{word: linkUp} // a site needs no link to its own hosts
	}
	if s.c.Links != nil {
		if l, ok := s.c.Links.Live(model.NodeID(p.ID)); ok {
			return reachOf(l)
		}
	}
	return s.before(p.lastItem)
}

func reachOf(l Link) reach {
	r := reach{word: linkDown, since: l.Since.UTC().Truncate(time.Millisecond)}
	switch {
	case l.Up && l.Late != "":
		r.word, r.late = linkLate, l.Late
	case l.Up:
		r.word = linkUp
	}
	return r
}

// reasons says of hosts whose status is unknown why it is. It remembers what it said of a site, so that a
// page asks once for each.
type reasons struct {
	s    *Server
	said map[model.SiteID]string
}

// of returns the reason of one host, "" where its status is known.
func (r *reasons) of(s model.HostStatus, p *place) string {
	if statusOf(s) != model.HostUnknown {
		return ""
	}
	if text, ok := r.said[p.ID]; ok {
		return text
	}
	text := "its site has not judged it since it started"
	if link := r.s.linkOf(p); !link.up() {
		text = "site " + p.Name + " cannot be reached"
		if !link.since.IsZero() {
			text += " since " + link.since.UTC().Format(time.RFC3339)
		}
	}
	if r.said == nil {
		r.said = map[model.SiteID]string{}
	}
	r.said[p.ID] = text
	return text
}
