package search

// addressList finds the hosts with an address of one kind. At a start it is late: to put a million addresses in order
// takes a fifth of all that a start does, and few questions need it. Until Tend has made it the columns, which hold
// every address, are looked through instead, which takes some milliseconds and finds the same.
type addressList[K comparable] struct {
	*sorted[K] // empty while late
	x          *Index
	late       bool
	making     bool               // changes are kept in since
	since      []addressChange[K] // what came and went since Tend began to read the columns
	// read calls fn with the addresses of the ordinals below to, beginning with from, as the columns have them.
	read func(from, to uint32, fn func(key K, ord uint32))
}

type addressChange[K comparable] struct {
	key  K
	ord  uint32
	gone bool
}

// add puts an address of an ordinal on the list.
func (l *addressList[K]) add(key K, ord uint32) { l.change(addressChange[K]{key, ord, false}) }

// remove takes it off.
func (l *addressList[K]) remove(key K, ord uint32) { l.change(addressChange[K]{key, ord, true}) }

func (l *addressList[K]) change(c addressChange[K]) {
	switch {
	case l.making:
		l.since = append(l.since, c)
	case l.late: // it will be read from the columns
	case c.gone:
		l.sorted.remove(c.key, c.ord)
	default:
		l.sorted.add(c.key, c.ord)
	}
}

// scan calls fn with the ordinals whose addresses are from low to high, in any order and perhaps several times, until it
// says false. A batch is valid until fn returns.
func (l *addressList[K]) scan(low, high K, fn func(ords []uint32) bool) {
	if !l.late {
		l.sorted.scan(low, high, fn)
		return
	}
	const batch = 1024
	ords := make([]uint32, 0, batch)
	more := true
	l.each(low, high, func(_ K, ord uint32) {
		if ords = append(ords, ord); len(ords) == batch && more {
			more, ords = fn(ords), ords[:0]
		}
	})
	if more && len(ords) > 0 {
		fn(ords)
	}
}

// each calls fn with every address from low to high and its ordinal, in any order.
func (l *addressList[K]) each(low, high K, fn func(key K, ord uint32)) {
	if !l.late {
		l.sorted.each(low, high, fn)
		return
	}
	l.read(0, l.x.n, func(key K, ord uint32) {
		if l.compare(low, key) <= 0 && l.compare(key, high) <= 0 {
			fn(key, ord)
		}
	})
}

// listed returns how many addresses are on the list, which should be want; while there is no list, that many.
func (l *addressList[K]) listed(want int) int {
	if l.late {
		return want
	}
	return l.len()
}

// make makes the list and reports whether it was late. Tend alone calls it. It reads the columns a piece at a time,
// and what changes meanwhile is done to the list again: whether an address that came or went is among what was read
// does not matter then.
func (l *addressList[K]) make() bool {
	x := l.x
	x.lock()
	if !l.late {
		x.unlock()
		return false
	}
	l.making = true
	n := x.n
	x.unlock()
	keys, ords := make([]K, 0, n), make([]uint32, 0, n)
	for from := uint32(0); from < n; from += namesSegment {
		x.mu.RLock()
		l.read(from, min(from+namesSegment, n), func(key K, ord uint32) { keys, ords = append(keys, key), append(ords, ord) })
		x.mu.RUnlock()
	}
	made := newSorted(l.compare)
	made.build(keys, ords)
	x.lock()
	defer x.unlock()
	since := l.since
	l.sorted, l.late, l.making, l.since = made, false, false, nil
	for _, c := range since {
		l.change(c)
	}
	return true
}

func (x *Index) readV4(from, to uint32, fn func(uint64, uint32)) {
	readAddresses(x, from, to, flagV4, func(ord uint32) uint64 { return uint64(x.address.v4[ord]) }, func(a *addresses) []uint64 { return a.v4 }, fn)
}

func (x *Index) readV6(from, to uint32, fn func(wide, uint32)) {
	readAddresses(x, from, to, flagV6, func(ord uint32) wide { return x.address.v6[ord] }, func(a *addresses) []wide { return a.v6 }, fn)
}

func (x *Index) readMAC(from, to uint32, fn func(uint64, uint32)) {
	readAddresses(x, from, to, flagMAC, func(ord uint32) uint64 { return x.address.mac[ord] }, func(a *addresses) []uint64 { return a.mac }, fn)
}

// readAddresses calls fn with the addresses of one kind that some ordinals have.
func readAddresses[K comparable](x *Index, from, to uint32, flag uint8, first func(uint32) K, all func(*addresses) []K, fn func(K, uint32)) {
	for ord := from; ord < to; ord++ {
		switch f := x.flags[ord]; {
		case f&flagMore != 0:
			a := x.address.more[ord]
			for _, k := range all(&a) {
				fn(k, ord)
			}
		case f&flag != 0:
			fn(first(ord), ord)
		}
	}
}
