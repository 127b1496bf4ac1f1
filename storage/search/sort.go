package search

import (
	"bytes"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// sorter turns an order into one number for each host: the lower, the earlier it comes. Equal numbers are
// ordered by id.
type sorter struct {
	x    *Index
	sort query.Sort
	// matching are the hosts that will be put in order.
	matching *roaring.Bitmap
	key      func(ord uint32) uint64
	// after is where the page begins: behind key, or behind id among those with that key.
	after   bool
	text    string // of the cursor
	fromKey uint64
	fromID  model.HostID
	whole   bool // all with fromKey belong to the page, whatever their id
}

// last is the key of hosts without a value: behind all others in both directions.
const last = math.MaxUint64

// rise makes the key of a value for a rising order.
func rise(n int64) uint64 { return uint64(n) ^ 1<<63 }

func (q *question) sorter(s query.Sort, after *query.Cursor, matching *roaring.Bitmap) (*sorter, error) {
	if s.Field == 0 {
		s.Field = query.FieldName
	}
	o := &sorter{x: q.Index, sort: s, matching: matching}
	if after != nil {
		if from := after.Sort; from != s && (from != query.Sort{} || s != (query.Sort{Field: query.FieldName})) {
			return nil, fault.New(fault.Invalid, "search hosts", "the cursor is of a page sorted by %s and this one is sorted by %s; begin at the first page", after.Sort, s)
		}
	}
	if !o.build(q, after) {
		return nil, fault.New(fault.Invalid, "search hosts", "hosts cannot be sorted by %s", s.Field)
	}
	return o, q.err
}

// build sets key, and the place of the cursor. It reports false for a field that has no order.
func (o *sorter) build(q *question, after *query.Cursor) bool {
	x := q.Index
	if after != nil {
		o.after, o.text, o.fromID = true, after.Text, after.ID
	}
	switch f := o.sort.Field; f {
	case query.FieldName:
		o.key = o.turn(func(ord uint32) (uint64, bool) { return x.byName.label(ord), true })
		if x.nameless() {
			o.key = o.turn(func(ord uint32) (uint64, bool) { return x.byName.label(ord), len(x.names.at(ord)) > 0 })
		}
		if after != nil {
			o.fromName(after)
		}
		return true
	case query.FieldID:
		o.key = func(uint32) uint64 { return 0 }
		return true
	case query.FieldIP:
		o.key = o.turn(func(ord uint32) (uint64, bool) { return uint64(x.address.v4[ord]), x.flags[ord]&flagV4 != 0 })
		o.fromNumber(after, func(n int64) uint64 { return uint64(n) })
		return true
	case query.FieldStatus, query.FieldSeverity, query.FieldReboot:
		get := x.number(f, "")
		o.key = o.turn(func(ord uint32) (uint64, bool) { n, ok := get(ord); return rise(n), ok })
		o.fromNumber(after, rise)
		return true
	case query.FieldSerial, query.FieldFQDN:
		return o.texts(q, after)
	case query.FieldSite, query.FieldRegion, query.FieldCountry, query.FieldCity:
		o.byPlace(after)
		return true
	}
	if d := q.dictOf(o.sort.Field); d != nil && o.sort.Field != query.FieldTag {
		compare := d.compareWords
		switch o.sort.Field {
		case query.FieldOS:
			compare = x.compareSystems
		case query.FieldKernel, query.FieldAgent:
			compare = d.compareVersionWords
		}
		of, order := d.ranked(compare)
		o.key = o.turn(func(ord uint32) (uint64, bool) { n := d.of[ord]; return uint64(of[n]), n != 0 })
		if after != nil {
			o.fromRank(after, of, order, func(n uint32) int { return o.compareText(d, n, after.Text) })
		}
		return true
	}
	get := x.number(o.sort.Field, o.sort.Part)
	if get == nil {
		return false
	}
	o.key = o.turn(func(ord uint32) (uint64, bool) { n, ok := get(ord); return rise(n), ok })
	o.fromNumber(after, rise)
	return true
}

// nameless reports whether a host has no name. Such hosts come last, and stand first in the order of names.
func (x *Index) nameless() bool {
	return x.byName.len() > 0 && len(x.names.at(x.byName.get(x.byName.first()))) == 0
}

// turn applies the direction, and puts hosts without a value last.
func (o *sorter) turn(get func(ord uint32) (uint64, bool)) func(ord uint32) uint64 {
	if o.sort.Desc {
		return func(ord uint32) uint64 {
			k, ok := get(ord)
			if !ok {
				return last
			}
			return min(^k, last-1)
		}
	}
	return func(ord uint32) uint64 {
		k, ok := get(ord)
		if !ok {
			return last
		}
		return min(k, last-1)
	}
}

// place returns the key that a value has, after turn.
func (o *sorter) place(k uint64) uint64 {
	if o.sort.Desc {
		k = ^k
	}
	return min(k, last-1)
}

func (o *sorter) fromNumber(after *query.Cursor, key func(int64) uint64) {
	switch {
	case after == nil:
	case !after.Known:
		o.fromKey = last
	default:
		o.fromKey = o.place(key(after.Number))
	}
}

// fromName finds the place of a cursor in the order of names; the host itself may be gone.
func (o *sorter) fromName(after *query.Cursor) {
	x := o.x
	if !after.Known {
		o.fromKey = last
		return
	}
	// Rising, the page begins with the first host behind (text, id); falling, with the last before.
	p, ok := x.byName.after([]byte(after.Text), after.ID), true
	if o.sort.Desc {
		p, ok = x.byName.back(x.byName.atOrAfter([]byte(after.Text), after.ID))
	} else if p == x.byName.end() {
		ok = false
	}
	if !ok {
		o.fromKey, o.fromID = last, o.endID()
		return
	}
	o.fromKey, o.whole = o.place(x.byName.label(x.byName.get(p))), true
}

// endID is an id that no host comes behind.
func (o *sorter) endID() model.HostID {
	if o.sort.Desc {
		return model.HostID{}
	}
	return lastID
}

// part returns which part of a stretch of the order of names stands behind the cursor.
func (o *sorter) part(from, to orderPlace) (orderPlace, orderPlace) {
	if !o.after {
		return from, to
	}
	names := o.x.byName
	if o.sort.Desc {
		return from, earlier(to, names.atOrAfter([]byte(o.text), o.fromID))
	}
	return later(from, names.after([]byte(o.text), o.fromID)), to
}

func earlier(a, b orderPlace) orderPlace {
	if a.block < b.block || a.block == b.block && a.at < b.at {
		return a
	}
	return b
}

func later(a, b orderPlace) orderPlace {
	if earlier(a, b) == a {
		return b
	}
	return a
}

// fromRank finds the place of a cursor among ranked values; its own value may be gone. Compare orders a
// value against the cursor's.
func (o *sorter) fromRank(after *query.Cursor, of, order []uint32, compare func(n uint32) int) {
	if !after.Known {
		o.fromKey = last
		return
	}
	i := sort.Search(len(order), func(i int) bool { return compare(order[i]) >= 0 })
	if i < len(order) && compare(order[i]) == 0 {
		o.fromKey = o.place(uint64(of[order[i]]))
		return
	}
	// It would stand before order[i]: rising goes on there, falling with the one before it.
	o.whole = true
	switch {
	case !o.sort.Desc && i < len(order):
		o.fromKey = o.place(uint64(of[order[i]]))
	case o.sort.Desc && i > 0:
		o.fromKey = o.place(uint64(of[order[i-1]]))
	default:
		o.fromKey = last
	}
}

// compareText orders a word of the dict against the text of a cursor.
func (o *sorter) compareText(d *dict, n uint32, text string) int {
	switch o.sort.Field {
	case query.FieldOS:
		id, version, _ := strings.Cut(text, "\x00")
		return compareOS(o.x.system(n), model.OS{ID: id, Version: version})
	case query.FieldKernel, query.FieldAgent:
		if c := query.CompareVersions(d.folded[n], text); c != 0 {
			return c
		}
	}
	return strings.Compare(d.folded[n], text)
}

// byPlace orders by what sites give their hosts.
func (o *sorter) byPlace(after *query.Cursor) {
	x := o.x
	word := func(n int) string { return x.siteLabel(n) }
	if place, ok := placeOf(o.sort.Field); ok {
		word = func(n int) string { return placeWord(&x.places.sites[n], place) }
	}
	words := make([]string, len(x.places.sites)) // by number of the site
	var distinct []string
	for n := range x.places.sites {
		words[n] = query.Fold(word(n))
		if words[n] != "" {
			distinct = append(distinct, words[n])
		}
	}
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	ranks := make([]uint64, len(words))
	for n, w := range words {
		if i, ok := slices.BinarySearch(distinct, w); ok {
			ranks[n] = uint64(i) + 1
		}
	}
	o.key = o.turn(func(ord uint32) (uint64, bool) { r := ranks[x.site.of[ord]]; return r, r != 0 })
	if after == nil {
		return
	}
	of, order := make([]uint32, len(distinct)), make([]uint32, len(distinct))
	for i := range distinct {
		of[i], order[i] = uint32(i)+1, uint32(i)
	}
	o.fromRank(after, of, order, func(n uint32) int { return strings.Compare(distinct[n], after.Text) })
}

// texts orders by texts that have no ranks: each host's is read for its rank, which costs a moment.
func (o *sorter) texts(q *question, after *query.Cursor) bool {
	x := o.x
	read := func(ord uint32) string { return string(x.serial.at(ord)) }
	if o.sort.Field == query.FieldFQDN {
		read = func(ord uint32) string { return string(x.fqdn(nil, ord)) }
	}
	type entry struct {
		text string
		ord  uint32
	}
	if !q.spend(int(o.matching.GetCardinality()) * 300) {
		return true // q.err says why
	}
	entries := make([]entry, 0, o.matching.GetCardinality())
	for it := o.matching.Iterator(); it.HasNext(); {
		ord := it.Next()
		if t := read(ord); t != "" {
			entries = append(entries, entry{t, ord})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.text, b.text) })
	ranks := make([]uint32, x.n)
	for i, e := range entries {
		ranks[e.ord] = uint32(i) + 1
		if i > 0 && entries[i-1].text == e.text {
			ranks[e.ord] = ranks[entries[i-1].ord]
		}
	}
	o.key = o.turn(func(ord uint32) (uint64, bool) { return uint64(ranks[ord]), ranks[ord] != 0 })
	if after != nil {
		of, order := make([]uint32, len(entries)), make([]uint32, len(entries))
		for i, e := range entries {
			of[i], order[i] = ranks[e.ord], uint32(i)
		}
		o.fromRank(after, of, order, func(n uint32) int { return strings.Compare(entries[n].text, after.Text) })
	}
	return true
}

// on reports whether a host with this key belongs to the page: it stands behind the cursor.
func (o *sorter) on(key uint64, ord uint32) bool {
	if !o.after || key > o.fromKey {
		return true
	}
	if key < o.fromKey {
		return false
	}
	return o.whole || o.compareIDs(o.x.ids[ord], o.fromID) > 0
}

func (o *sorter) compareIDs(a, b model.HostID) int {
	if o.sort.Desc {
		a, b = b, a
	}
	return bytes.Compare(a[:], b[:])
}

// before reports whether a host comes before another, given their keys.
func (o *sorter) before(ka uint64, a uint32, kb uint64, b uint32) bool {
	return ka < kb || ka == kb && o.compareIDs(o.x.ids[a], o.x.ids[b]) < 0
}
