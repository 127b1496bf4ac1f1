package serve

import (
	"os"
	"runtime/debug"
	"sync"
)

// heap sets how much a server's memory may grow before what is no longer needed is collected.
//
// Most of that memory lives as long as the process: the directory, and some 45 KB for each link. Letting it double before
// it is collected, as Go does, would double the machine that a server needs. With many links it is collected more
// often still: what they hold is found quickly, and they make little of what is to be collected. GOGC in the environment
// takes the place of all this. A Door has one, and its zero is ready.
type heap struct {
	mu      sync.Mutex // guards what follows
	links   int
	percent int
}

const (
	usualPercent = 30   // with few links
	leastPercent = 10   // from manyLinks on
	fewLinks     = 1000 // up to which it is the usual
	manyLinks    = 5000
)

// percentFor falls evenly between fewLinks and manyLinks, in steps of two, so that it changes seldom: a change stops all
// goroutines for a moment.
func percentFor(links int) int {
	at := min(max(links, fewLinks), manyLinks) - fewLinks
	fall := (usualPercent - leastPercent) * at / (manyLinks - fewLinks)
	return usualPercent - fall/2*2
}

// HoldHeap has the heap of this process grow as that of a server without links. To be called before its stores are opened:
// what is read then is most of what stays.
func HoldHeap() { new(heap).follow(0) }

// follow counts links that came, or went.
func (c *heap) follow(links int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links += links
	if p := percentFor(c.links); p != c.percent && os.Getenv("GOGC") == "" {
		c.percent = p
		debug.SetGCPercent(p)
	}
}
