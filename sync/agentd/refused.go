package agentd

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// KindRefused is the kind of a Body that an agent sent and this site did not take, kept for whoever reads the
// audit entry that names it.
const KindRefused model.ItemKind = "refused"

const (
	maxEvidence = 64 << 10 // bytes kept of a refused payload
	keepEvery   = time.Hour
	keepMost    = 16 // refused payloads of one member that are kept in that time
	noteEvery   = keepEvery
	noteMost    = 3 * keepMost // runs of one member with refused items that the audit record tells of in that time; each kept payload is named in one
)

// The reasons that refusals are counted by.
const (
	RefusedTooLarge  = "too_large" // more than a bound
	RefusedMalformed = "malformed" // it does not decode, or says what cannot be
	RefusedForeign   = "foreign"   // of a host or command that is not the sender's
)

// RefusalReasons are all of them.
var RefusalReasons = []string{RefusedTooLarge, RefusedMalformed, RefusedForeign}

// refusals counts what was refused, and says what of it is worth keeping: one that sends rubbish all day must not
// fill the disk with it.
type refusals struct {
	mu   sync.Mutex // guards what follows
	by   map[string]uint64
	kept map[model.NodeID]ration
	told map[model.NodeID]ration
}

type ration struct {
	since time.Time
	n     int
	more  int // notes that were left out
}

func (r *refusals) count(err error) {
	reason := RefusedMalformed
	switch fault.KindOf(err) {
	case fault.TooLarge:
		reason = RefusedTooLarge
	case fault.Denied:
		reason = RefusedForeign
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[string]uint64{}
	}
	r.by[reason]++
}

// keep reports whether the next refused payload of a member is to be kept.
func (r *refusals) keep(m model.NodeID, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = map[model.NodeID]ration{}
	}
	x := r.kept[m]
	if age := now.Sub(x.since); age < 0 || age >= keepEvery {
		x = ration{since: now}
	}
	x.n++
	r.kept[m] = x
	return x.n <= keepMost
}

// note reports whether what was refused of a run of a member is written to the audit record, which keeps all for ever, and
// of how many runs that was left out since the last time.
func (r *refusals) note(m model.NodeID, now time.Time) (write bool, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told == nil {
		r.told = map[model.NodeID]ration{}
	}
	x := r.told[m]
	if age := now.Sub(x.since); age < 0 || age >= noteEvery {
		x = ration{since: now, more: x.more}
	}
	if x.n++; x.n > noteMost {
		x.more++
	} else {
		write, more, x.more = true, x.more, 0
	}
	r.told[m] = x
	return write, more
}

// Refused returns how many items were refused since the start, by reason: each of RefusalReasons is there.
func (d *Door) Refused() map[string]uint64 {
	d.refused.mu.Lock()
	defer d.refused.mu.Unlock()
	out := map[string]uint64{}
	for _, reason := range RefusalReasons {
		out[reason] = d.refused.by[reason]
	}
	return out
}

// refusedBody is what is kept of a refused item. The same again is the same event.
func refusedBody(m model.Member, item model.Item) Body {
	b := item.Payload[:min(len(item.Payload), maxEvidence)]
	sum := sha256.Sum256(b)
	return Body{Host: model.HostID(m.ID), Kind: KindRefused, Event: [16]byte(sum[:16]), AsOf: item.AsOf, Bytes: b}
}
