package fault

import (
	"errors"
	"time"
)

// delayed is an error that says when another attempt makes sense.
type delayed struct {
	error
	after time.Duration
}

func (d delayed) Unwrap() error { return d.error }

// Later returns err with the advice to try again no sooner than after d. Kind and text stay; nil stays nil, and
// a d of zero or less advises nothing.
func Later(err error, d time.Duration) error {
	if err == nil || d <= 0 {
		return err
	}
	return delayed{err, d}
}

// RetryAfter returns the advice that err carries, the outermost one; false: there is none.
func RetryAfter(err error) (time.Duration, bool) {
	var d delayed
	if errors.As(err, &d) {
		return d.after, true
	}
	return 0, false
}
