package index

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// What came of a proposal is one short value:
//
//	+----+-------------------+------------+------+
//	| 05 | log index uvarint | kind byte  | text |
//	+----+-------------------+------------+------+
//
// The kind is 255 where it succeeded; any other is the fault.Kind that refused it, and text says why.
const (
	formRequest = 5
	succeeded   = 255

	// MaxOutcome bounds the text of a remembered refusal, in bytes; the rest of a longer one is left out.
	MaxOutcome = 1 << 10
)

// Outcome is what came of a proposal.
type Outcome struct {
	Index   uint64 // of its entry in the log
	Refused bool
	Kind    fault.Kind // why it was refused
	Text    string     // the same in words
}

// Request returns what came of the proposal with that id, while it is remembered.
func (r *Reader) Request(id model.RequestID) (o Outcome, ok bool, err error) {
	ok, err = r.read(key.Request(id), func(v []byte) error {
		o, err = readOutcome(v)
		return err
	})
	return o, ok, err
}

func readOutcome(v []byte) (Outcome, error) {
	bad := fault.New(fault.Corrupt, "", "%d bytes are not what came of a request", len(v))
	if len(v) < 3 || v[0] != formRequest {
		return Outcome{}, bad
	}
	index, n := binary.Uvarint(v[1:])
	if n <= 0 || len(v) < 2+n {
		return Outcome{}, bad
	}
	o := Outcome{Index: index, Text: string(v[2+n:])}
	if k := v[1+n]; k != succeeded {
		o.Refused, o.Kind = true, fault.Kind(k)
	}
	if len(o.Text) > MaxOutcome || !utf8.ValidString(o.Text) || !o.Refused && o.Text != "" {
		return Outcome{}, bad
	}
	return o, nil
}

// PutRequest remembers what came of a proposal. One that is remembered already is a mistake of the caller.
func (t *Tx) PutRequest(id model.RequestID, o Outcome) error {
	if ok, err := t.has(key.Request(id)); err != nil || ok || id.IsZero() {
		if err != nil {
			return err
		}
		return fault.New(fault.Other, "remember a request", "request %x is remembered already, or has no name", id)
	}
	v := binary.AppendUvarint([]byte{formRequest}, o.Index)
	if o.Refused {
		v = append(append(v, byte(o.Kind)), clipText(o.Text)...)
	} else {
		v = append(v, succeeded)
	}
	if err := t.batch.Set(key.Request(id), v, nil); err != nil {
		return err
	}
	return t.mark(key.RequestOrder(o.Index, id))
}

// clipText makes a text one that readOutcome takes.
func clipText(s string) string {
	return fault.Clip(strings.ToValidUTF8(s, "?"), MaxOutcome-len("…"))
}

// DropRequests forgets the proposals whose entries have log indexes from from to, but not including, before:
// the first of them, limit at most. Next is what from may be the next time: nothing below it is left.
func (t *Tx) DropRequests(from, before uint64, limit int) (next uint64, err error) {
	next = before
	err = t.scanRange(key.RequestsFrom(from), key.RequestsFrom(before), func(k, _ []byte) error {
		index, id, err := key.ReadRequestOrder(k)
		if err != nil {
			return err
		}
		if limit--; limit < 0 {
			next = index
			return errEnough
		}
		if err := t.remove(key.Request(id)); err != nil {
			return err
		}
		return t.remove(k)
	})
	return next, enough(err)
}

// EntryVersion returns the highest version of a log entry that was applied; 0 where none was above 2.
func (r *Reader) EntryVersion() (uint64, error) { return r.number(key.MetaEntry) }

// PutEntryVersion sets what EntryVersion returns.
func (t *Tx) PutEntryVersion(v uint64) error { return t.setNumber(key.MetaEntry, v) }

// requests checks what is remembered of proposals.
func (c *checker) requests() error {
	return c.each(key.SpaceRequest, func(k, v []byte) ([]byte, [][]byte, error) {
		id, err := key.ReadRequest(k)
		if err != nil {
			return nil, nil, err
		}
		o, err := readOutcome(v)
		if err != nil {
			return nil, nil, err
		}
		return k, [][]byte{key.RequestOrder(o.Index, id)}, nil
	})
}

// requestAsked returns the index entry of the proposal that an index key names.
func (r *Reader) requestAsked(k []byte) ([][]byte, error) {
	_, id, err := key.ReadRequestOrder(k)
	if err != nil {
		return nil, err
	}
	o, ok, err := r.Request(id)
	if err != nil || !ok {
		return nil, err
	}
	return [][]byte{key.RequestOrder(o.Index, id)}, nil
}
