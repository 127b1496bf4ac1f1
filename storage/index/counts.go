package index

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// The aggregate row of a site and each slot of its trend are read and written with every change, and there
// are 1,764 slots a site in the end, so that they have a form of their own:
//
//	+----+----+----------------+-------------------------------------------------------------------+
//	| 04 | 01 | slots: start   | hosts  7 of exposure  reboot  updates  compliance  compliance_n   |
//	+----+----+----------------+-------------------------------------------------------------------+
//	| last_item  judged_at  then by_status and by_worst: 1 + how many (0: none), each word and n    |
//	+------------------------------------------------------------------------------------------------+
//
// Numbers and times are zigzag varints; a word is the number of one that is known (knownWords), or 0 and a
// text. Words stand in the order of their texts. The site is in the key.
const (
	formCounts   = 4
	countsLayout = 1
)

// knownWords are the words of by_status and by_worst that are written as a number: append, never reorder.
var knownWords = [...]string{1: "unknown", 2: "up", 3: "late", 4: "down", 5: "critical", 6: "high", 7: "medium", 8: "low", 9: "none", 10: "clean", 11: "unmatched"}

func appendCounts(b []byte, n *model.SiteCounts) []byte {
	e := &n.Exposure
	for _, x := range [...]int64{
		n.Hosts, int64(e.Critical), int64(e.High), int64(e.Medium), int64(e.Low), int64(e.None), int64(e.Unknown), int64(e.Uncertain),
		n.Reboot, n.Updates, n.Compliance, n.ComplianceN, int64(n.LastItem), int64(n.JudgedAt),
	} {
		b = binary.AppendVarint(b, x)
	}
	b = appendWords(b, n.ByStatus)
	return appendWords(b, n.ByWorst)
}

func appendWords(b []byte, m map[string]int64) []byte {
	b = compact.AppendLength(b, len(m), m == nil)
	for _, w := range slices.Sorted(maps.Keys(m)) {
		if i := slices.Index(knownWords[:], w); i > 0 {
			b = binary.AppendUvarint(b, uint64(i))
		} else {
			b = compact.AppendText(append(b, 0), w)
		}
		b = binary.AppendVarint(b, m[w])
	}
	return b
}

// countsReader reads what appendCounts wrote.
type countsReader struct{ compact.Reader }

func (r *countsReader) counts(n *model.SiteCounts) {
	e := &n.Exposure
	n.Hosts = r.Varint()
	for _, x := range [...]*int{&e.Critical, &e.High, &e.Medium, &e.Low, &e.None, &e.Unknown, &e.Uncertain} {
		*x = int(r.Varint())
	}
	for _, x := range [...]*int64{&n.Reboot, &n.Updates, &n.Compliance, &n.ComplianceN, (*int64)(&n.LastItem), (*int64)(&n.JudgedAt)} {
		*x = r.Varint()
	}
	n.ByStatus = r.words()
	n.ByWorst = r.words()
}

func (r *countsReader) words() map[string]int64 {
	n := r.Uvarint()
	if n == 0 {
		return nil
	}
	if n > uint64(r.Len())+1 { // a word and its number take two bytes
		r.Fail()
		return nil
	}
	m := make(map[string]int64, n-1)
	for range n - 1 {
		w := ""
		switch i := r.Uvarint(); {
		case i == 0:
			w = r.Text()
		case i < uint64(len(knownWords)):
			w = knownWords[i]
		default:
			r.Fail()
		}
		m[w] = r.Varint()
	}
	if len(m) != int(n-1) {
		r.Fail()
	}
	return m
}

// compact reads a value in the form of appendCounts with fn, or in JSON into row.
func (c *rowCodec) compact(v []byte, row any, fn func(r *countsReader)) error {
	if len(v) == 0 || v[0] != formCounts {
		return c.decode(v, row)
	}
	if len(v) > 1 && v[1] > countsLayout {
		return fault.New(fault.Version, "", "the row has layout %d and this program reads up to %d; start the version of Skerry that wrote it, or a newer one", v[1], countsLayout)
	}
	if len(v) < 2 || v[1] != countsLayout {
		return badCounts
	}
	r := countsReader{compact.NewReader(string(v[2:]))}
	if fn(&r); !r.OK() {
		return badCounts
	}
	return nil
}

var badCounts = fault.New(fault.Corrupt, "", "the value is no row of counts")

// readCounts reads the aggregate row of a site.
func (c *rowCodec) readCounts(v []byte, site model.SiteID, n *model.SiteCounts) error {
	*n = model.SiteCounts{}
	err := c.compact(v, n, func(r *countsReader) {
		n.Site = site
		r.counts(n)
	})
	if err == nil && n.Site != site {
		err = fault.New(fault.Corrupt, "", "it holds the row of site %s", n.Site)
	}
	return err
}

// readTrend reads a slot of the trend of a site.
func (c *rowCodec) readTrend(v []byte, site model.SiteID, s *model.TrendSlot) error {
	*s = model.TrendSlot{}
	return c.compact(v, s, func(r *countsReader) {
		s.Start = model.Time(r.Varint())
		s.Counts.Site = site
		r.counts(&s.Counts)
	})
}

// Counts returns the aggregate row of a site; the zero id is all sites.
func (r *Reader) Counts(site model.SiteID) (n model.SiteCounts, ok bool, err error) {
	ok, err = r.read(key.Counts(site), func(v []byte) error { return r.rows.readCounts(v, site, &n) })
	return n, ok, err
}

// PutCounts implements apply.Tx.
func (t *Tx) PutCounts(n model.SiteCounts) error {
	if n.JudgedAt != 0 && !n.Site.IsZero() {
		t.judged = append(t.judged, judgement{n.Site, n.JudgedAt})
	}
	return t.batch.Set(key.Counts(n.Site), encodeCounts(&n), nil)
}

func encodeCounts(n *model.SiteCounts) []byte {
	return appendCounts([]byte{formCounts, countsLayout}, n)
}

// judgement is when a site judged all of its hosts.
type judgement struct {
	site model.SiteID
	at   model.Time
}

// Trend returns what stands at start's place in the ring of a site; the zero site is all sites.
func (r *Reader) Trend(site model.SiteID, res model.Resolution, start model.Time) (s model.TrendSlot, ok bool, err error) {
	ok, err = r.read(key.Trend(site, res, start), func(v []byte) error { return r.rows.readTrend(v, site, &s) })
	return s, ok, err
}

// Trends returns every slot that is kept of a site's trend in one resolution, by rising Start, also those
// that are older than a lap; the zero site is all sites.
func (r *Reader) Trends(site model.SiteID, res model.Resolution) ([]model.TrendSlot, error) {
	var all []model.TrendSlot
	err := r.scan(key.TrendOf(site, res), func(k, v []byte) error {
		var s model.TrendSlot
		if err := r.rows.readTrend(v, site, &s); err != nil {
			return readError(k, err)
		}
		all = append(all, s)
		return nil
	})
	slices.SortFunc(all, func(a, b model.TrendSlot) int { return cmp.Compare(a.Start, b.Start) })
	return all, err
}

// PutTrend implements apply.Tx.
func (t *Tx) PutTrend(site model.SiteID, res model.Resolution, slot model.TrendSlot) error {
	b := binary.AppendVarint([]byte{formCounts, countsLayout}, int64(slot.Start))
	return t.batch.Set(key.Trend(site, res, slot.Start), appendCounts(b, &slot.Counts), nil)
}
