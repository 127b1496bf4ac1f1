package exchange

import "time"

// Bounds of how large a run is, in bytes of payload; MaxRunBytes is the largest.
const (
	leastRun = 16 << 10
	firstRun = 32 << 10
)

// What the acknowledgement of a run says of the line.
const (
	quickRun = time.Second     // sooner: the line carries more
	slowRun  = 8 * time.Second // later: whatever else is said waits too long behind it
)

// gait is how large the runs of one link are: as large as what was acknowledged lately shows to be well carried.
// On a thin line a large run would be lost whole with each break, and everything else would wait behind it.
type gait struct{ size int }

// acknowledged takes in how long a run was on the way. A run far below the size says nothing of larger ones.
func (g *gait) acknowledged(size int, took time.Duration) {
	switch {
	case took > slowRun:
		g.size = max(g.size/2, leastRun)
	case took < quickRun && size >= g.size/2:
		g.size = min(g.size*2, MaxRunBytes)
	}
}
