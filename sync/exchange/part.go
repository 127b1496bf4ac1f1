package exchange

import (
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/wire"
)

// partFrom is the payload in bytes above which an item goes in parts, so that a link which breaks meanwhile does
// not begin with it again.
const partFrom = 256 << 10

// partSize is how much of an item one part has, in bytes: a part that is cut is all that a break costs.
const partSize = 32 << 10

// part sends one item in parts, from where the other side has it; the caller has taken a slot for it. No run
// comes between the parts: its acknowledgement would cover the item before it is whole.
func (e *engine) part(it model.Item) error {
	e.order.Lock()
	defer e.order.Unlock()
	raw, b, err := wire.Begin(e.Source.Epoch(), it)
	if err != nil {
		return err
	}
	if e.PeerBegun != nil && e.PeerBegun.Same(b) && e.PeerBegun.Have < b.Size {
		b.Have = e.PeerBegun.Have
		e.Log.Info("going on with a large item", "item", uint64(it.Seq), "bytes", b.Size, "held", b.Have)
	}
	for {
		n := min(partSize, b.Size-b.Have)
		last := b.Have+n == b.Size
		if last {
			e.fly(it.Seq, n)
		}
		if err := e.line.write(wire.TypePart, wire.Part{Begun: b, Bytes: raw[b.Have : b.Have+n]}); err != nil || last {
			return err
		}
		b.Have += n
	}
}

// joined takes a part. The item is due when it is whole.
func (e *engine) joined(body []byte) error {
	p, err := wire.DecodePart(body)
	if err != nil {
		return err
	}
	if p.Epoch != e.PeerEpoch {
		return fault.New(fault.Corrupt, "", "a part of epoch %d came on a link of epoch %d", p.Epoch, e.PeerEpoch)
	}
	if e.Version < wire.VersionParts {
		return fault.New(fault.Corrupt, "", "a part came on a link of version %d", e.Version)
	}
	raw, err := e.Spool.add(e.Origin, p)
	if err != nil || raw == nil {
		return err
	}
	r, err := p.Whole(raw)
	if err != nil {
		return err
	}
	return e.due(r, 0)
}

// fly notes that a run leaves.
func (e *engine) fly(through model.Seq, size int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flying = append(e.flying, flight{through, size, time.Now()})
	e.sent = through
}

func (e *engine) runSize() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.gait.size
}
