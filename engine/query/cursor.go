package query

import "github.com/skerryhq/skerry/engine/model"

// Cursor is a place in an ordered answer: behind the host that had this value and this id. It stays good
// while hosts come and go, also where that host itself is gone, and on every node.
type Cursor struct {
	Sort  Sort
	Known bool // the host had a value
	// Number is the value of a number (compliance in tenths of a percent), a time (milliseconds since 1970), a
	// bool, or the first IPv4 address; Text that of every other field, folded.
	Number int64
	Text   string // at most MaxCursorText bytes
	ID     model.HostID
}

// MaxCursorText bounds Cursor.Text; longer values are cut, in the index as well.
const MaxCursorText = 512
