// Package fault is the one error type that crosses the boundaries of Skerry.
//
// It owns the list of kinds and their stable names on the wire. The edges map a kind to an HTTP
// status (ui/api), an exit code (appliance/cli) or a link error frame (sync/wire); nothing else
// decides on the text of an error.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure it is. Kinds are written to the log and the wire by number:
// append, never reorder.
type Kind uint8

// The kinds. Other is the kind of every error that is not a *Error.
const (
	Other       Kind = 0  // unforeseen; a bug or a broken machine
	Invalid     Kind = 1  // the caller's input is wrong; the same call will fail again
	NotFound    Kind = 2  // the named thing does not exist
	Exists      Kind = 3  // the named thing exists already
	Conflict    Kind = 4  // the thing is in a state that forbids this (illegal move, other key)
	Denied      Kind = 5  // the caller may not do this
	Login       Kind = 6  // the caller must prove who it is first
	Expired     Kind = 7  // the token, certificate or command is past its time
	Unreachable Kind = 8  // the other side cannot be reached now; try again later
	Corrupt     Kind = 9  // bytes that must decode did not: damage, or a forgery
	TooLarge    Kind = 10 // a stated bound was exceeded
	ReadOnly    Kind = 11 // this node cannot write now (no quorum, failed disk)
	Version     Kind = 12 // made by a version that this one cannot read
	Busy        Kind = 13 // it would take more time or memory than is allowed now; ask for less, or later
	Full        Kind = 14 // there is too little room on the disk to change anything
)

var names = [...]string{
	"other", "invalid", "not_found", "exists", "conflict", "denied", "login",
	"expired", "unreachable", "corrupt", "too_large", "read_only", "version", "busy",
	"disk_full",
}

// String returns the stable lower-case name, as used in JSON.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind_%d", uint8(k))
}

// KindNamed returns the kind that String names, or Other.
func KindNamed(s string) Kind {
	for i, n := range names {
		if n == s {
			return Kind(i)
		}
	}
	return Other
}

// Error is a failure with its operation, kind and cause. The text is for a person: what happened,
// to what, and what to do next.
type Error struct {
	Op   string // what was being done, as a verb phrase: "enroll site"; may be empty
	Kind Kind
	Err  error
}

// Error returns "op: cause", or the cause alone where Op is empty.
func (e *Error) Error() string {
	if e.Op == "" {
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of the given kind; format and args are as for fmt.Errorf, including %w.
func New(kind Kind, op, format string, args ...any) error {
	return &Error{Op: op, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// Wrap puts an operation in front of err and keeps its kind; nil stays nil.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Kind: KindOf(err), Err: err}
}

// KindOf returns the kind of the outermost *Error in err's chain, or Other.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Other
}

// Is reports whether err has kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
