package bundle

import (
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// The expiry that Expiry gives lies on a grid of expiryStep after the newest change, and never
// nearer than expiryLeast.
const (
	expiryStep  = 90 * 24 * time.Hour
	expiryLeast = 45 * 24 * time.Hour
)

// Expiry returns when a bundle through to should expire, if made now: between 45 and 135 days ahead,
// in whole steps of 90 days from to, so that making it again soon gives the same bytes.
func Expiry(to model.Cursor, now model.Time) model.Time {
	start, least, step := to.At, now.Add(expiryLeast), model.Time(expiryStep.Milliseconds())
	if start.IsZero() {
		start = 1
	}
	n := model.Time(1)
	if least > start {
		n = max(1, (least-start+step-1)/step)
	}
	return start + n*step
}

// Admit judges whether a store that holds the origin's changes through have (zero: none) may import
// the bundle. Its error has kind Conflict; for a gap it says which export would fill it. Force lets a
// bundle in that is not newer; a gap is never let in, because what is missing would stay missing.
func Admit(have model.Cursor, m Manifest, force bool) error {
	const op = "import bundle"
	from := ""
	if !have.IsZero() {
		from = "-c '" + have.String() + "' "
	}
	export := "skerry bundle export " + from + "-o delta.zst"
	origin := m.OriginName
	if origin == "" {
		origin = m.Origin.String()
	}
	switch {
	case m.From.Compare(have) > 0:
		held := "holds nothing of " + origin + " yet"
		if !have.IsZero() {
			held = "holds " + origin + " only up to " + have.String()
		}
		return fault.New(fault.Conflict, op, "gap: the bundle starts at %s, but this store %s; fill the gap with a bundle made at %s by: %s", m.From, held, origin, export)
	case m.To == have && !force:
		return fault.New(fault.Conflict, "", "Cursor not after current: this server already holds everything of %s through %s; there is nothing to import", origin, have)
	case m.To.Compare(have) <= 0 && !force:
		return fault.New(fault.Conflict, "", "Cursor not after current: the bundle ends at %s and this server already holds everything of %s through %s; there is nothing to import", m.To, origin, have)
	}
	return nil
}
