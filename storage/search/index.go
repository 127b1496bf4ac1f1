// Package search is the directory in memory: which hosts match an expression, in which order, and how
// many of them have which value, for a million hosts in about a millisecond.
//
// It owns columns, posting lists, ordered lists and n-grams over dense ordinals, and nothing durable:
// storage/index feeds it with what it committed, keeps checkpoints of it, and reads the rows that it
// names. It answers as query.Match and query.Less say, one host at a time; a model test holds the two
// against each other. It has no clock, reads no file and never decides what a change means.
//
// One goroutine writes; any number read. A reader that takes long lets the writer through between two
// segments of 65,536 hosts: its answer is then of more than one moment, but a host that does not change
// meanwhile is in it exactly once, or not at all, as it should.
package search

import (
	"cmp"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/skerryhq/skerry/engine/model"
)

// Index is the directory in memory. The zero value is not usable; see New.
type Index struct {
	mu      sync.RWMutex
	writing atomic.Int32  // writers that wait for mu or hold it
	heavy   chan struct{} // one place for each costly question that may run at once
	tending sync.Mutex    // held by Tend
	scratch sync.Pool     // of *Index: what Verify puts a host in to compare with

	// Everything below is guarded by mu.

	n     uint32   // ordinals given out so far, used or free
	free  []uint32 // ordinals without a host, the last is used next
	alive *roaring.Bitmap

	ids    []model.HostID // by ordinal
	byID   idTable
	names  names // folded host names
	byName *order
	grams  *grams
	serial names // folded serial numbers

	v4      addressList[uint64] // address -> ordinals
	v6      addressList[wide]
	mac     addressList[uint64]
	address addressColumns
	flags   []uint8 // by ordinal: flag*

	domain, os, kernel, arch, agent, owner, site *dict
	tags                                         *tagLists
	systems                                      systems
	places                                       places

	own       []uint8 // by ordinal: status as the row says
	shown     []uint8 // by ordinal: status as it is shown
	byStatus  [statusN]post
	worst     []uint8 // by ordinal
	byWorst   [worstN]post
	reboot    []uint8 // by ordinal
	byReboot  [rebootN]post
	simulated post
	columns   columns
	zones     zones

	changes changes
	tuning  tuning
}

// tuning are the sizes at which another way to an answer becomes the better one. Tests move them, so that
// small fleets take every way.
type tuning struct {
	fewToSort   int    // matching hosts that are simply all looked at
	fewToRead   uint64 // hosts whose names are read instead of searched for
	longStretch int    // names from which on a stretch of them is no shorter way where more than the name counts
	zoneWear    int32  // changes after which the bounds of a run are worked out anew
	pauseEvery  int    // hosts that are read one by one between two pauses
	cheapWork   int    // steps up to which a question takes no place among the costly ones
}

var usualTuning = tuning{fewToSort: 3000, fewToRead: 2048, longStretch: 20_000, zoneWear: 96, pauseEvery: 1 << 15, cheapWork: 500_000}

// New returns an empty index. At most costly questions of the costly kind run at once, at least one;
// what is costly shows while a question is answered.
func New(costly int) *Index {
	x := &Index{
		alive: roaring.New(), heavy: make(chan struct{}, max(costly, 1)), tuning: usualTuning,
		domain: newDict(), os: newDict(), kernel: newDict(), arch: newDict(), agent: newDict(), owner: newDict(), site: newDict(),
		tags: newTagLists(), places: newPlaces(), address: addressColumns{more: map[uint32]addresses{}},
	}
	x.v4 = addressList[uint64]{x: x, sorted: newSorted(cmp.Compare[uint64]), read: x.readV4}
	x.v6 = addressList[wide]{x: x, sorted: newSorted(compareWide), read: x.readV6}
	x.mac = addressList[uint64]{x: x, sorted: newSorted(cmp.Compare[uint64]), read: x.readMAC}
	x.byName = newOrder(x.names.at, func(ord uint32) model.HostID { return x.ids[ord] })
	x.grams = newGrams(&x.names)
	x.byID = newIDTable()
	x.scratch.New = func() any { return New(1) }
	return x
}

// lock takes the index for writing. Readers see that somebody waits and let go soon.
func (x *Index) lock() {
	x.writing.Add(1)
	x.mu.Lock()
}

func (x *Index) unlock() {
	x.mu.Unlock()
	x.writing.Add(-1)
}

// Len returns the number of hosts.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return int(x.alive.GetCardinality())
}

// Head is what the index knows of a host without its row.
type Head struct {
	Site model.SiteID
	Beat model.HostBeat // the status as the row says, not as it is shown
}

// Head returns the head of a host; false: there is no such host.
func (x *Index) Head(id model.HostID) (Head, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ord, ok := x.byID.get(id, x.ids)
	if !ok {
		return Head{}, false
	}
	return Head{Site: x.places.sites[x.site.of[ord]].ID, Beat: x.columns.beat(ord, x.own[ord])}, true
}
