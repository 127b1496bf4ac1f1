package schema

import "time"

// Clock is what a server thinks of its machine's clock.
type Clock struct {
	Now    time.Time `json:"now"`    // what this server goes by
	Wall   time.Time `json:"wall"`   // what the machine's clock says
	Judged string    `json:"judged"` // believed; behind: it stands before what has passed; doubted: far ahead, and nobody vouches for it
	// SkewSeconds is how far the controller's clock was ahead of the time here when its link last opened, at SkewAt.
	SkewSeconds int64      `json:"skew_seconds,omitzero"`
	SkewAt      *time.Time `json:"skew_at,omitzero"`
}
