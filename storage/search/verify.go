package search

import (
	"fmt"
	"slices"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// Verify compares what the index holds of a host with its row, beat included, and says what differs, one
// line each; nothing where all is as it should be.
func (x *Index) Verify(h *model.Host) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ord, ok := x.byID.get(h.ID, x.ids)
	if !ok {
		return []string{"the host is not in the index"}
	}
	want := x.scratch.Get().(*Index)
	defer func() {
		// One that has put many names aside is let go.
		if want.remove(h.ID); want.names.garbage() < 1<<20 {
			x.scratch.Put(want)
		}
	}()
	id := h.Site
	want.places.known[id], want.places.judged[id] = x.places.known[id], x.places.judged[id]
	want.places.vouched = x.places.lost(id)
	want.put(h)
	alone, _ := want.byID.get(h.ID, want.ids)
	var out []string
	compare := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			out = append(out, fmt.Sprintf("%s is %v in the index and %v in the row", what, got, want))
		}
	}
	mine, theirs := x.facts(ord), want.facts(alone)
	for i := range mine {
		compare(mine[i].what, mine[i].value, theirs[i].value)
	}
	out = append(out, x.unlisted(ord)...)
	return out
}

type fact struct {
	what  string
	value any
}

// facts are all that the columns hold of an ordinal.
func (x *Index) facts(ord uint32) []fact {
	c := &x.columns
	var tags []string
	for _, n := range x.tags.of(ord) {
		tags = append(tags, x.tags.words.words[n])
	}
	slices.Sort(tags)
	out := []fact{
		{"the name", string(x.names.at(ord))},
		{"the domain", x.domain.word(ord)},
		{"the serial number", string(x.serial.at(ord))},
		{"the system", fmt.Sprintf("%q", x.os.word(ord))},
		{"the kernel", x.kernel.word(ord)},
		{"the architecture", x.arch.word(ord)},
		{"the agent", x.agent.word(ord)},
		{"the owner", x.owner.word(ord)},
		{"the site", fmt.Sprintf("%x", x.site.word(ord))},
		{"the tags", tags},
		{"the addresses", x.addresses(ord)},
		{"the status", x.own[ord]},
		{"the status shown", x.shown[ord]},
		{"the worst severity", x.worst[ord]},
		{"the need of a reboot", x.reboot[ord]},
		{"the flags", x.flags[ord]},
		{"the time last seen", c.seen[ord]},
		{"the beat", []int64{c.lastSeen[ord], c.statusAt[ord]}},
	}
	for i, col := range c.times() {
		out = append(out, fact{fmt.Sprintf("time %d", i), (*col)[ord]})
	}
	for i, col := range c.numbers() {
		out = append(out, fact{fmt.Sprintf("number %d", i), (*col)[ord]})
	}
	for i := range c.found {
		out = append(out, fact{"the count of " + severityWords[i], c.found[i][ord]})
	}
	return out
}

// unlisted says which lists an ordinal is missing on, or on which other one of the same kind it is.
func (x *Index) unlisted(ord uint32) []string {
	var out []string
	on := func(what string, p *post, want bool) {
		if slices.Contains(p.few, ord) != want && p.big == nil || p.big != nil && p.big.Contains(ord) != want {
			out = append(out, fmt.Sprintf("the list of %s is wrong about it", what))
		}
	}
	for i := range x.byStatus {
		on("status "+string(statusWords[i]), &x.byStatus[i], x.shown[ord] == uint8(i))
	}
	for i := range x.byWorst {
		on("severity "+worstWords[i], &x.byWorst[i], x.worst[ord] == uint8(i))
	}
	for i := range x.byReboot {
		on("reboot "+rebootWords[i], &x.byReboot[i], x.reboot[ord] == uint8(i))
	}
	on("simulated hosts", &x.simulated, x.flags[ord]&flagSimulated != 0)
	for i, d := range x.dicts() {
		if n := d.of[ord]; n != 0 {
			on(fmt.Sprintf("column %d, %q", i, d.words[n]), &d.posts[n], true)
		}
	}
	for _, n := range x.tags.of(ord) {
		on("tag "+x.tags.words.words[n], &x.tags.words.posts[n], true)
	}
	site := &x.places.sites[x.site.of[ord]]
	for i := range x.places.words {
		w := placeWord(site, i)
		l := x.places.words[i][w]
		if l == nil {
			l = &post{}
		}
		on("place "+w, l, true)
	}
	a := x.addresses(ord)
	at := func(ok bool) {
		if !ok {
			out = append(out, "one of its addresses is not found")
		}
	}
	for _, k := range a.v4 {
		at(listedAt(&x.v4, k, ord))
	}
	for _, k := range a.v6 {
		at(listedAt(&x.v6, k, ord))
	}
	for _, k := range a.mac {
		at(listedAt(&x.mac, k, ord))
	}
	name := x.names.at(ord)
	if p := x.byName.atOrAfter(name, x.ids[ord]); p == x.byName.end() || x.byName.get(p) != ord {
		out = append(out, "the order of names has another host in its place")
	}
	if len(name) > 0 {
		found := false
		x.grams.find(name, query.ShapeContains, nil, func(ords []uint32) bool {
			_, here := slices.BinarySearch(ords, ord)
			found = found || here
			return !found
		})
		if !found {
			out = append(out, "its name is not found through the n-grams")
		}
	}
	return out
}

func listedAt[K comparable](s *addressList[K], key K, ord uint32) bool {
	found := s.late // there is no list to be on
	s.scan(key, key, func(ords []uint32) bool {
		found = found || slices.Contains(ords, ord)
		return !found
	})
	return found
}

// Census says how many hosts each kind of list holds, one line for each that does not hold all of them;
// together with Verify of each host it shows that no list has more than it should.
func (x *Index) Census() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	all := int(x.alive.GetCardinality())
	var out []string
	sum := func(what string, want int, lists ...post) {
		n := 0
		for i := range lists {
			n += lists[i].len()
		}
		if n != want {
			out = append(out, fmt.Sprintf("the lists of %s hold %d hosts, and %d should be on them", what, n, want))
		}
	}
	sum("statuses", all, x.byStatus[:]...)
	sum("severities", all, x.byWorst[:]...)
	sum("reboots", all, x.byReboot[:]...)
	for i, d := range x.dicts() {
		n := 0
		for it := x.alive.Iterator(); it.HasNext(); {
			if d.of[it.Next()] != 0 {
				n++
			}
		}
		sum(fmt.Sprintf("column %d", i), n, d.posts...)
	}
	tags := 0
	for it := x.alive.Iterator(); it.HasNext(); {
		tags += int(x.tags.n[it.Next()])
	}
	sum("tags", tags, x.tags.words.posts...)
	for i := range x.places.words {
		n := 0
		for _, l := range x.places.words[i] {
			n += l.len()
		}
		if n != all {
			out = append(out, fmt.Sprintf("the lists of place %d hold %d hosts of %d", i, n, all))
		}
	}
	var v4, v6, mac int
	for it := x.alive.Iterator(); it.HasNext(); {
		a := x.addresses(it.Next())
		v4, v6, mac = v4+len(a.v4), v6+len(a.v6), mac+len(a.mac)
	}
	for _, l := range []struct {
		what    string
		n, want int
	}{{"names in order", x.byName.len(), all}, {"ids", x.byID.len(), all}, {"IPv4 addresses", x.v4.listed(v4), v4}, {"IPv6 addresses", x.v6.listed(v6), v6}, {"hardware addresses", x.mac.listed(mac), mac}} {
		if l.n != l.want {
			out = append(out, fmt.Sprintf("there are %d %s and not %d", l.n, l.what, l.want))
		}
	}
	if len(x.free)+all != int(x.n) {
		out = append(out, fmt.Sprintf("%d ordinals are free and %d in use, of %d", len(x.free), all, x.n))
	}
	return out
}
