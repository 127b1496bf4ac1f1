package wire

import (
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// MaxFetched is the most bytes that a fetched file has: that of a bundle, in sync/bundle.
const MaxFetched = 1 << 30

// Fetch asks the upper side for the changes of its advisories after From, as a signed bundle. The answer is Fetched,
// then Answer frames whose chunks together are the rest of the file, then End; or Fault.
type Fetch struct {
	From model.Cursor `json:"from,omitzero"` // what the lower side holds of the upper one's log; zero: nothing
	// Part is the file of which the lower side has the beginning, from an answer that broke off; nil: it has nothing. Where
	// the upper side still has, or can make, that very file, it goes on behind Offset.
	Part *Fetched `json:"part,omitzero"`
}

// Fetched says which file follows, and from which of its bytes on.
type Fetched struct {
	From   model.Cursor `json:"from,omitzero"` // of the bundle; at or before what was asked for
	To     model.Cursor `json:"to"`
	Size   int64        `json:"size"`   // of the whole file, 1 to MaxFetched
	Digest Digest       `json:"digest"` // of the whole file
	Offset int64        `json:"offset"` // 0 to Size
}

// Same reports whether both are of one file.
func (f Fetched) Same(g Fetched) bool { return f.Size == g.Size && f.Digest == g.Digest }

func (f *Fetch) check() error {
	if f.Part == nil {
		return nil
	}
	return f.Part.check()
}

func (f *Fetched) check() error {
	switch {
	case f.Size < 1 || f.Size > MaxFetched:
		return fault.New(fault.TooLarge, "", "a file of %d bytes; it may have 1 to %d", f.Size, int64(MaxFetched))
	case f.Offset < 0 || f.Offset > f.Size:
		return fault.New(fault.Corrupt, "", "a file of %d bytes has no byte %d", f.Size, f.Offset)
	case f.To.Compare(f.From) <= 0:
		return fault.New(fault.Corrupt, "", "the range from %q to %q is empty", f.From, f.To)
	}
	return nil
}
