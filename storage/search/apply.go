package search

import (
	"strings"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// Change is what a commit did to one host: exactly one of Host, Beat and Gone is set.
type Change struct {
	ID   model.HostID
	Host *model.Host     // the whole row, beat included; it is not kept
	Beat *model.HostBeat // the beat alone; nothing happens where there is no such host
	Gone bool
}

// together is how much is done under one lock, in steps of about a tenth of a microsecond: little, because
// readers wait for it, and not less, because each time it is the writer who waits for all of them.
const together = 2000

// Apply makes the changes of one commit, in their order.
func (x *Index) Apply(changes []Change) {
	for i := 0; i < len(changes); {
		x.lock()
		for steps := 0; steps < together && i < len(changes); {
			if n := x.beats(changes[i:]); n > 0 {
				i, steps = i+n, steps+2*n
				continue
			}
			x.apply(&changes[i])
			steps += changes[i].steps()
			i++
		}
		x.unlock()
	}
}

// beatRun is how many beats in a row are looked up together.
const beatRun = 32

// noOrdinal is what no host has.
const noOrdinal = ^uint32(0)

// ordinals finds the hosts of at most beatRun changes; noOrdinal where there is no such host. Looking one up is waiting for
// memory twice, looking many up at once is waiting for all of them together: beats come by the hundred in a commit, and
// by the million at a start.
func (x *Index) ordinals(changes []Change, ords *[beatRun]uint32) {
	for i := range changes {
		ords[i] = x.byID.first(&changes[i].ID)
	}
	for i := range changes {
		if ord := ords[i]; ord == noOrdinal || x.ids[ord] == changes[i].ID {
			continue
		}
		ords[i] = noOrdinal
		if ord, ok := x.byID.get(changes[i].ID, x.ids); ok { // another host's place; its own is further on
			ords[i] = ord
		}
	}
}

// beats applies the beats that changes begin with, at most beatRun of them, and returns how many those are.
func (x *Index) beats(changes []Change) int {
	n := 0
	for n < min(beatRun, len(changes)) && changes[n].Beat != nil {
		n++
	}
	var ords [beatRun]uint32
	x.ordinals(changes[:n], &ords)
	for i := range changes[:n] {
		if ords[i] != noOrdinal && x.setBeat(ords[i], *changes[i].Beat) {
			x.changes.add(changes[i].ID)
		}
	}
	return n
}

// steps is about how long a change takes.
func (c *Change) steps() int {
	switch {
	case c.Gone:
		return 100
	case c.Host != nil:
		return 60
	}
	return 2
}

// apply makes a change that is no beat.
func (x *Index) apply(c *Change) {
	switch {
	case c.Gone:
		x.remove(c.ID)
	case c.Host != nil:
		x.put(c.Host)
	}
}

// put adds a host or replaces its row.
func (x *Index) put(h *model.Host) {
	ord, known := x.byID.get(h.ID, x.ids)
	if !known {
		ord = x.ordinal()
		x.ids[ord] = h.ID
		x.alive.Add(ord)
	}
	name := query.Fold(h.Hostname)
	if !known || string(x.names.at(ord)) != name {
		if known {
			x.byName.remove(ord)
		}
		x.names.set(ord, name)
		x.byName.insert(ord)
		x.grams.set(ord)
	}
	if !known {
		x.byID.put(ord, x.ids)
	}
	x.setAddresses(ord, addressesOf(h))
	x.domain.set(ord, domainOf(name, query.Fold(h.FQDN)))
	x.setOS(ord, h.OS)
	x.kernel.set(ord, h.Kernel)
	x.arch.set(ord, h.Arch)
	x.agent.set(ord, h.AgentVersion)
	x.owner.set(ord, h.Owner)
	if serial := query.Fold(h.Serial); string(x.serial.at(ord)) != serial {
		x.serial.set(ord, serial)
	}
	x.tags.set(ord, h.Tags)
	if word := siteWord(h.Site); x.site.word(ord) != word {
		if known {
			x.leave(ord)
		}
		x.site.set(ord, word)
		x.join(ord, h.Site)
	}
	move(x.byWorst[:], x.worst, ord, worstNumber(h.Worst()), known)
	move(x.byReboot[:], x.reboot, ord, rebootNumber(h.RebootNeeded), known)
	if was := known && x.flags[ord]&flagSimulated != 0; h.Simulated != was {
		x.flags[ord] ^= flagSimulated
		if h.Simulated {
			x.simulated.add(ord)
		} else {
			x.simulated.remove(ord)
		}
	}
	x.columns.set(ord, h)
	x.flags[ord] &^= flagExact
	if exact(h) {
		x.flags[ord] |= flagExact
	}
	if !known {
		// Not on any list of statuses yet: give it one, which setBeat then corrects.
		x.own[ord], x.shown[ord] = statusUnknown, statusUnknown
		x.byStatus[statusUnknown].add(ord)
	}
	x.setBeat(ord, h.Beat())
	x.changes.add(h.ID)
}

// move puts an ordinal on another of a few lists, and writes its column.
func move(lists []post, column []uint8, ord uint32, to uint8, known bool) {
	from := column[ord]
	if known && from == to {
		return
	}
	if known {
		lists[from].remove(ord)
	}
	lists[to].add(ord)
	column[ord] = to
}

// ordinal returns a free ordinal, with room for it in every column.
func (x *Index) ordinal() uint32 {
	if last := len(x.free) - 1; last >= 0 {
		ord := x.free[last]
		x.free = x.free[:last]
		return ord
	}
	ord := x.n
	x.n++
	x.grow(int(x.n))
	return ord
}

func (x *Index) grow(n int) {
	x.ids, x.flags = grown(x.ids, n), grown(x.flags, n)
	x.own, x.shown, x.worst, x.reboot = grown(x.own, n), grown(x.shown, n), grown(x.worst, n), grown(x.reboot, n)
	for _, d := range x.dicts() {
		d.grow(n)
	}
	x.tags.grow(n)
	x.address.grow(n)
	x.columns.grow(n)
	x.zones.grow(n)
}

func (x *Index) dicts() [7]*dict {
	return [...]*dict{x.domain, x.os, x.kernel, x.arch, x.agent, x.owner, x.site}
}

// remove takes a host out; one that is not there is no error.
func (x *Index) remove(id model.HostID) {
	ord, ok := x.byID.get(id, x.ids)
	if !ok {
		return
	}
	x.byID.delete(id, x.ids)
	x.byName.remove(ord)
	x.names.set(ord, "")
	x.grams.remove(ord)
	x.serial.set(ord, "")
	x.setAddresses(ord, addresses{})
	x.leave(ord)
	for _, d := range x.dicts() {
		d.clear(ord)
	}
	x.tags.set(ord, nil)
	x.byStatus[x.shown[ord]].remove(ord)
	x.byWorst[x.worst[ord]].remove(ord)
	x.byReboot[x.reboot[ord]].remove(ord)
	if x.flags[ord]&flagSimulated != 0 {
		x.simulated.remove(ord)
	}
	x.zones.wear(x, ord, 1)
	x.own[ord], x.shown[ord] = statusGone, statusGone
	x.flags[ord] = 0
	x.ids[ord] = model.HostID{}
	x.alive.Remove(ord)
	x.free = append(x.free, ord)
	x.changes.add(id)
}

// setBeat writes a beat and reports whether anything changed that people watch for: not when the host
// was last seen.
func (x *Index) setBeat(ord uint32, b model.HostBeat) bool {
	x.own[ord] = statusNumber(b.Status)
	x.columns.lastSeen[ord], x.columns.statusAt[ord] = int64(b.LastSeen), int64(b.StatusAt)
	return x.show(ord)
}

// show works out the status and the time that are shown, from what the row says and from what is known
// of its site, and reports whether the status changed.
func (x *Index) show(ord uint32) bool {
	status, was := x.own[ord], x.shown[ord]
	if x.isLost(ord) {
		status = statusUnknown
	}
	if status != was {
		x.byStatus[was].remove(ord)
		x.byStatus[status].add(ord)
		x.shown[ord] = status
	}
	x.look(ord)
	return status != was
}

// look works out when the host was last seen.
func (x *Index) look(ord uint32) {
	seen := x.columns.lastSeen[ord]
	if x.own[ord] == statusUp {
		site := &x.places.sites[x.site.of[ord]]
		seen = max(seen, int64(x.places.judged[site.ID]))
	}
	x.columns.seen[ord] = seen
	x.zones.saw(x, ord)
}

// domainOf returns what the domain column holds of an FQDN: the end of it that follows the host name, with
// its dot; "=" and the whole where it does not begin with the host name; "" for none.
func domainOf(name, fqdn string) string {
	if fqdn == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(fqdn, name); ok && strings.HasPrefix(rest, ".") && name != "" {
		return rest
	}
	return "=" + fqdn
}
