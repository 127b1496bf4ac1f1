package wire

import (
	"errors"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/skerryhq/skerry/engine/fault"
)

// FaultOf returns the body that carries err. A long text is cut.
func FaultOf(err error) Fault {
	text := err.Error()
	if len(text) > maxText {
		text = text[:maxText]
	}
	f := Fault{Kind: fault.KindOf(err).String(), Text: strings.ToValidUTF8(text, "?")}
	if d, ok := fault.RetryAfter(err); ok {
		f.RetryAfter = int64(min(d.Round(time.Second), maxRetry) / time.Second) // one below half a second advises nothing
	}
	return f
}

// maxRetry bounds what is said, and believed, of when to try again.
const maxRetry = 24 * time.Hour

// Err returns the error that f carries. Its text is foreign: what could disturb a terminal or a log
// line is taken out, and it is cut to what FaultOf would send.
func (f Fault) Err() error {
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, f.Text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	if text == "" {
		text = "the other side gave no reason"
	}
	err := fault.New(fault.KindNamed(f.Kind), "", "%w", errors.New(text))
	if f.RetryAfter <= 0 {
		return err
	}
	return fault.Later(err, time.Duration(min(f.RetryAfter, int64(maxRetry/time.Second)))*time.Second)
}

// FaultError returns the error that the body of a fault frame carries, or that it carries none.
func FaultError(body []byte) error {
	f, err := Decode[Fault](body)
	if err != nil {
		return err
	}
	return f.Err()
}

// WriteFault tells the other side why the sender gives up.
func WriteFault(w io.Writer, err error) error { return WriteFrame(w, TypeFault, FaultOf(err)) }

// Negotiate returns the highest version that both sides speak: ours, and the range the other side
// gave. The error is of kind Version and names who must be upgraded.
func Negotiate(theirMin, theirMax int, theirSoftware string) (int, error) {
	switch {
	case theirMax < MinVersion:
		return 0, fault.New(fault.Version, "", "the other side (%s) speaks link protocol %d to %d, this one %d to %d: upgrade the other side",
			theirSoftware, theirMin, theirMax, MinVersion, MaxVersion)
	case theirMin > MaxVersion:
		return 0, fault.New(fault.Version, "", "the other side (%s) speaks link protocol %d to %d, this one %d to %d: upgrade this side",
			theirSoftware, theirMin, theirMax, MinVersion, MaxVersion)
	}
	return min(theirMax, MaxVersion), nil
}
