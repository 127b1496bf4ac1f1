package search

import (
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// places are the sites by their number in the dict column, whose words are their ids, and the posting
// lists of what a site gives its hosts: a region, a country, a city.
type places struct {
	known map[model.SiteID]model.Site // what PutSite said, also of sites without hosts
	sites []model.Site                // by number
	// vouched: a site is lost until Reach says otherwise. Without it a site is reached until then.
	vouched bool
	other   map[model.SiteID]bool // sites of which Reach said the other
	// judged is when each site last vouched for all its hosts.
	judged map[model.SiteID]model.Time
	words  [placeN]map[string]*post // word -> ordinals
	epoch  uint64                   // rises when a site is put
}

// The words that a site gives its hosts.
const (
	placeRegion = iota
	placeCountry
	placeCity
	placeN
)

func newPlaces() places {
	p := places{known: map[model.SiteID]model.Site{}, sites: make([]model.Site, 1), other: map[model.SiteID]bool{}, judged: map[model.SiteID]model.Time{}}
	for i := range p.words {
		p.words[i] = map[string]*post{}
	}
	return p
}

// placeOf returns which of a site's words a field is about.
func placeOf(f query.Field) (int, bool) {
	switch f {
	case query.FieldRegion:
		return placeRegion, true
	case query.FieldCountry:
		return placeCountry, true
	case query.FieldCity:
		return placeCity, true
	}
	return 0, false
}

func placeWord(s *model.Site, place int) string {
	return [placeN]string{s.Region, s.Country, s.City}[place]
}

// siteWord is the word of a site in the dict column.
func siteWord(id model.SiteID) string { return string(id[:]) }

// join puts an ordinal on the lists of its site, whose number it has just been given.
func (x *Index) join(ord uint32, id model.SiteID) {
	n := x.site.of[ord]
	p := &x.places
	p.sites = grown(p.sites, int(n)+1)
	// The first host of a number may stand where another site, or an older row of this one, stood.
	if l := &x.site.posts[n]; p.sites[n].ID != id || l.big == nil && len(l.few) == 1 || l.big != nil && l.big.GetCardinality() == 1 {
		p.sites[n] = p.known[id]
		p.sites[n].ID = id
	}
	for i := range p.words {
		p.list(i, placeWord(&p.sites[n], i)).add(ord)
	}
}

// leave takes an ordinal off the lists of its site, whose number it still has.
func (x *Index) leave(ord uint32) {
	p := &x.places
	s := &p.sites[x.site.of[ord]]
	for i := range p.words {
		p.remove(i, placeWord(s, i), ord)
	}
}

func (p *places) list(place int, word string) *post {
	l := p.words[place][word]
	if l == nil {
		l = &post{}
		p.words[place][word] = l
	}
	return l
}

func (p *places) remove(place int, word string, ord uint32) {
	l := p.words[place][word]
	l.remove(ord)
	if l.empty() {
		delete(p.words[place], word)
	}
}

// PutSite says how a site is called and where it is.
func (x *Index) PutSite(s model.Site) {
	x.lock()
	defer x.unlock()
	p := &x.places
	p.known[s.ID] = s
	p.epoch++
	n, ok := x.site.number[siteWord(s.ID)]
	if !ok {
		return
	}
	was := p.sites[n]
	p.sites[n] = s
	hosts := x.site.posts[n].ordinals()
	for i := range p.words {
		from, to := placeWord(&was, i), placeWord(&s, i)
		if from == to {
			continue
		}
		for _, ord := range hosts {
			p.remove(i, from, ord)
			p.list(i, to).add(ord)
		}
	}
	if was != s {
		x.changes.reset()
	}
}

// Vouched makes every site one that nobody can vouch for until Reach says otherwise, also those that are not known
// yet. It is to be called before there are hosts.
func (x *Index) Vouched() {
	x.lock()
	defer x.unlock()
	x.places.vouched = true
}

// Reach says whether the hosts of a site are shown with the status that it gave them, or as unknown
// because nobody can vouch for it now. It is known to this process only.
func (x *Index) Reach(id model.SiteID, up bool) {
	for step := x.ReachInSteps(id, up); step(); {
	}
}

// reachStep is how many hosts are shown anew in one step.
const reachStep = 1024

// ReachInSteps is Reach for who lets others write in between. Hosts that come from now on are shown as it says; those
// that are there follow by a thousand with each call of what it returns, until that reports that no more are left.
func (x *Index) ReachInSteps(id model.SiteID, up bool) (step func() (more bool)) {
	x.lock()
	defer x.unlock()
	p := &x.places
	if p.lost(id) == !up {
		return func() bool { return false }
	}
	if up == p.vouched {
		p.other[id] = true
	} else {
		delete(p.other, id)
	}
	var left []uint32
	if n, ok := x.site.number[siteWord(id)]; ok {
		left = x.site.posts[n].ordinals()
	}
	return func() bool {
		x.lock()
		defer x.unlock()
		now := left[:min(reachStep, len(left))]
		left = left[len(now):]
		for i, ord := range now {
			// A host of another site may have the ordinal by now; it is shown as it was.
			if x.own[ord] != statusGone && x.show(ord) {
				x.changes.add(x.ids[ord])
			}
			if i == len(now)-1 || now[i+1]>>zoneBits != ord>>zoneBits {
				x.zones.renew(x, ord)
			}
		}
		return len(left) > 0
	}
}

// Judged says that the site vouched for all its hosts at that time: they have the status that their rows
// say, and those that are up were heard until then.
func (x *Index) Judged(id model.SiteID, at model.Time) {
	x.lock()
	later := at > x.places.judged[id]
	if later {
		x.places.judged[id] = at
	}
	x.unlock()
	if !later {
		return
	}
	// What look does, without asking each host for its site. Only the time of those that are up, and were not heard since,
	// is another one. They lie together mostly: the bounds of a run wear once for all that change in it.
	var last uint32
	var changed int32
	x.eachOfSite(id, func(ord uint32) {
		if x.own[ord] != statusUp || x.columns.seen[ord] >= int64(at) {
			return
		}
		if ord>>zoneBits != last>>zoneBits {
			x.zones.wear(x, last, changed)
			changed = 0
		}
		last, changed = ord, changed+1
		x.columns.seen[ord] = int64(at)
		x.zones.of[ord>>zoneBits].widen(x.shown[ord], int64(at))
	})
	if changed > 0 {
		x.lock()
		defer x.unlock()
		x.zones.wear(x, last, changed)
	}
}

// eachOfSite calls fn under the lock with each host of a site, letting readers in now and then.
func (x *Index) eachOfSite(id model.SiteID, fn func(ord uint32)) {
	const together = 2048
	x.lock()
	defer x.unlock()
	n, ok := x.site.number[siteWord(id)]
	if !ok {
		return
	}
	for i, ord := range x.site.posts[n].ordinals() {
		if i%together == together-1 {
			x.unlock()
			x.lock()
		}
		// No other goroutine writes, so that the list is still that of the site.
		fn(ord)
	}
}

// isLost reports whether nobody can vouch for the ordinal's site now.
func (x *Index) isLost(ord uint32) bool {
	if len(x.places.other) == 0 {
		return x.places.vouched
	}
	return x.places.lost(x.places.sites[x.site.of[ord]].ID)
}

func (p *places) lost(id model.SiteID) bool { return p.other[id] != p.vouched }

// placesMatching returns the set of the hosts whose site gives them a word that the pattern matches.
func (x *Index) placesMatching(place int, p query.Pattern) set {
	var lists []*post
	for word, l := range x.places.words[place] {
		if word != "" && p.Match(query.Fold(word)) {
			lists = append(lists, l)
		}
	}
	return union(lists)
}
