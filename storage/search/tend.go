package search

// Tend does one piece of the upkeep that may wait: an n-gram index for names that came since, a list of addresses that a
// start left for later, or a part of what clears garbage away. It reports whether there was any, so that there may be more. One goroutine may
// call it beside the one that writes; the lock is held for about a millisecond at a time.
func (x *Index) Tend() bool {
	x.tending.Lock()
	defer x.tending.Unlock()
	x.lock()
	if segment, ok := x.grams.needsBuild(); ok {
		from := x.grams.snapshot(segment)
		x.unlock()
		built := from.index()
		x.lock()
		defer x.unlock()
		x.grams.install(from, built)
		return true
	}
	if x.v4.late || x.v6.late || x.mac.late {
		x.unlock()
		_ = x.v4.make() || x.v6.make() || x.mac.make()
		return true
	}
	defer x.unlock()
	for _, texts := range []*names{&x.names, &x.serial} {
		if texts.compacting() || texts.garbage() > 1<<20 && texts.garbage() > texts.live()/2 {
			texts.compactStep()
			return true
		}
	}
	return false
}
