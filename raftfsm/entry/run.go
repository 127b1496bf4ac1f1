package entry

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// A run of items is what a controller's log is nearly all made of, so that it has a form of its own since
// version 2:
//
//	| 01 | origin:16 | epoch uvarint | at varint | actor text | count uvarint | count times: item |
//
//	item: | head u8 | kind text, where head has no number | seq varint | as_of varint | key | payload |
//	head: bits 0 to 4 the number of the kind, 0 for a kind as text; bit 5: the key is an id;
//	      bits 6 and 7: the payload is 0 none, 1 JSON, 2 a beat, 3 a host
//
// A text is its length and its bytes. seq is the difference to the item before, as_of to at. A key that is an
// id is 16 bytes, any other a text. JSON is a length and its bytes. A beat is a length and the beat, a host a
// length, the host, a length and its beat, all in the form of engine/compact; the host's id is the key.
//
// Payloads become values where the entry is made, once, so that no node reads their JSON again; what does not
// say the same as a value stays JSON, and engine/apply refuses it.
const (
	runForm = 1

	keyIsID      = 1 << 5
	payloadShift = 6
	payloadNone  = 0
	payloadJSON  = 1
	payloadBeat  = 2
	payloadHost  = 3

	smallestItem = 4 // bytes: head, seq, as_of, key
)

// kinds are the numbers of the kinds of items: append, never reorder, at most 31.
var kinds = [...]model.ItemKind{
	1: model.ItemHost, 2: model.ItemStatus, 3: model.ItemHostGone, 4: model.ItemJudged, 5: model.ItemExposure, 6: model.ItemMove, 7: model.ItemCommandHeld,
}

func kindNumber(k model.ItemKind) byte {
	for i := 1; i < len(kinds); i++ {
		if kinds[i] == k {
			return byte(i)
		}
	}
	return 0
}

// appendRun appends a run. It fails for a payload that is no JSON and for text that is not UTF-8.
func appendRun(b []byte, r *model.Received) ([]byte, error) {
	if !fits(r.At) {
		return nil, fault.New(fault.Invalid, "", "it is of no time that can be written")
	}
	b = append(b, runForm)
	b = append(b, r.Origin[:]...)
	b = binary.AppendUvarint(b, uint64(r.Epoch))
	b = binary.AppendVarint(b, int64(r.At))
	var err error
	if b, err = appendText(b, "actor", r.Actor); err != nil {
		return nil, err
	}
	b = binary.AppendUvarint(b, uint64(len(r.Items)))
	var w itemWriter
	seq := model.Seq(0)
	for i := range r.Items {
		if b, err = w.append(b, &r.Items[i], seq, r.At); err != nil {
			return nil, err
		}
		seq = r.Items[i].Seq
	}
	return b, nil
}

// itemWriter holds what is used for each item again.
type itemWriter struct {
	host  model.Host
	beat  model.HostBeat
	bytes []byte
}

func (w *itemWriter) append(b []byte, item *model.Item, seq model.Seq, at model.Time) ([]byte, error) {
	head := kindNumber(item.Kind)
	if !fits(item.AsOf) {
		return nil, fault.New(fault.Invalid, "", "item %d is of no time that can be written", item.Seq)
	}
	id, err := model.ParseHostID(item.Key)
	if err == nil && id.String() == item.Key {
		head |= keyIsID
	}
	from := len(b)
	b = append(b, 0)
	if head&^keyIsID == 0 {
		if b, err = appendText(b, "kind", string(item.Kind)); err != nil {
			return nil, err
		}
	}
	b = binary.AppendVarint(b, int64(item.Seq-seq))
	b = binary.AppendVarint(b, int64(item.AsOf-at))
	if head&keyIsID != 0 {
		b = append(b, id[:]...)
	} else if b, err = appendText(b, "key", item.Key); err != nil {
		return nil, err
	}
	form := byte(payloadNone)
	host, beat := w.values(item, id, head&keyIsID != 0)
	switch {
	case host != nil:
		form = payloadHost
		b = appendBytes(b, w.bytes)
		w.bytes = compact.AppendBeat(w.bytes[:0], host.Beat())
		b = appendBytes(b, w.bytes)
	case beat != nil:
		form = payloadBeat
		w.bytes = compact.AppendBeat(w.bytes[:0], *beat)
		b = appendBytes(b, w.bytes)
	case item.Host != nil || item.Beat != nil:
		return nil, fault.New(fault.Invalid, "", "the payload of item %d is nothing that can be sent", item.Seq)
	case item.Payload != nil:
		form = payloadJSON
		v, err := tidy(item.Payload)
		if err != nil {
			return nil, fault.New(fault.Invalid, "", "the payload of item %d is not JSON: %w", item.Seq, err)
		}
		b = appendBytes(b, v)
	}
	b[from] = head | form<<payloadShift
	return b, nil
}

// values returns the payload as a value where that says all of it. A host is in w.bytes already.
func (w *itemWriter) values(item *model.Item, id model.HostID, keyed bool) (*model.Host, *model.HostBeat) {
	switch {
	case item.Kind == model.ItemStatus:
		beat := item.Beat
		if beat == nil {
			var err error
			if w.beat, err = inventory.DecodeBeat(item.Payload); err != nil {
				return nil, nil
			}
			beat = &w.beat
		}
		if fits(beat.StatusAt, beat.LastSeen) && utf8.ValidString(string(beat.Status)) {
			return nil, beat
		}
	case item.Kind == model.ItemHost && keyed:
		host := item.Host
		if host == nil {
			w.host = model.Host{}
			if err := model.Decode(item.Payload, &w.host); err != nil {
				return nil, nil
			}
			host = &w.host
		}
		if host.ID != id || !hostFits(host) {
			return nil, nil
		}
		var err error
		if w.bytes, err = compact.AppendHost(w.bytes[:0], host); err == nil {
			return host, nil
		}
	}
	return nil, nil
}

// tidy returns a copy of v without what means nothing, as model.Encode writes a value within another.
func tidy(v jsontext.Value) (jsontext.Value, error) {
	return model.Encode(v)
}

// lastTime is the last instant that a time as text can hold. A row with a later one could not be shown.
const lastTime model.Time = 253_402_300_799_999

func fits(times ...model.Time) bool {
	for _, t := range times {
		if t < 0 || t > lastTime {
			return false
		}
	}
	return true
}

func hostFits(h *model.Host) bool {
	return fits(h.FactsAt, h.BootedAt, h.FirstSeen, h.PackagesAt, h.CertificatesAt, h.NextCertExpiry, h.ExposureAt, h.StatusAt, h.LastSeen)
}

func appendText(b []byte, what, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fault.New(fault.Invalid, "", "the %s %q is not UTF-8", what, fault.Clip(s, 48))
	}
	return compact.AppendText(b, s), nil
}

func appendBytes(b, v []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(v))), v...) }

// decodeRun reads what appendRun wrote.
func decodeRun(b []byte) (model.Change, error) {
	r := runReader{b: b}
	r.take(1) // runForm
	var c model.Received
	copy(c.Origin[:], r.take(len(c.Origin)))
	epoch := r.uvarint()
	c.Epoch = model.Epoch(epoch)
	c.At = model.Time(r.varint())
	c.Actor = r.text()
	n := r.uvarint()
	if r.bad || uint64(c.Epoch) != epoch || !fits(c.At) || n > uint64(len(r.b)/smallestItem) {
		return nil, badRun
	}
	r.keys.Grow(36 * int(n))
	c.Items = make([]model.Item, n)
	seq := model.Seq(0)
	for i := range c.Items {
		item := &c.Items[i]
		if err := r.item(item, seq, c.At); err != nil {
			return nil, err
		}
		seq = item.Seq
	}
	if r.bad || len(r.b) > 0 {
		return nil, badRun
	}
	return c, nil
}

var badRun = fault.New(fault.Corrupt, "", "it is no run of items")

// runReader reads the parts of a run one after the other; the first that does not fit latches bad.
type runReader struct {
	b     []byte
	bad   bool
	keys  strings.Builder  // the ids of keys as text
	hosts []model.Host     // room
	beats []model.HostBeat // room
}

func (r *runReader) item(item *model.Item, seq model.Seq, at model.Time) error {
	head := byte(0)
	if b := r.take(1); b != nil {
		head = b[0]
	}
	switch n := int(head & (keyIsID - 1)); {
	case n == 0:
		item.Kind = model.ItemKind(r.text())
	case n < len(kinds):
		item.Kind = kinds[n]
	default:
		return fault.New(fault.Version, "", "there is no kind of items %d; run the version that wrote it, or a newer one", n)
	}
	item.Seq = seq + model.Seq(r.varint())
	item.AsOf = at + model.Time(r.varint())
	var id model.HostID
	if head&keyIsID != 0 {
		copy(id[:], r.take(len(id)))
		from := r.keys.Len()
		var text [36]byte
		r.keys.Write(id.AppendTo(text[:0]))
		item.Key = r.keys.String()[from:]
	} else {
		item.Key = r.text()
	}
	if !fits(item.AsOf) {
		return badRun
	}
	switch head >> payloadShift {
	case payloadJSON:
		var err error
		if item.Payload, err = tidy(r.bytes()); err != nil {
			return badRun
		}
	case payloadBeat:
		beat, err := compact.ReadBeat(r.bytes())
		if err != nil {
			return err
		}
		item.Beat = next(&r.beats)
		*item.Beat = beat
		r.bad = r.bad || !fits(beat.StatusAt, beat.LastSeen) || !utf8.ValidString(string(beat.Status))
	case payloadHost:
		item.Host = next(&r.hosts)
		if err := compact.ReadHost(r.bytes(), id, item.Host); err != nil {
			return err
		}
		beat, err := compact.ReadBeat(r.bytes())
		if err != nil {
			return err
		}
		item.Host.SetBeat(beat)
		r.bad = r.bad || head&keyIsID == 0 || !hostFits(item.Host) || !compact.Valid(item.Host)
	}
	if r.bad {
		return badRun
	}
	return nil
}

// next returns room for one more; they are made several at a time.
func next[T any](room *[]T) *T {
	if len(*room) == 0 {
		*room = make([]T, 64)
	}
	p := &(*room)[0]
	*room = (*room)[1:]
	return p
}

// take returns the next n bytes, or nil where there are fewer.
func (r *runReader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *runReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	return r.take(int(n))
}

func (r *runReader) text() string {
	v := r.bytes()
	if !utf8.Valid(v) {
		r.bad = true
		return ""
	}
	return string(v)
}

func (r *runReader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *runReader) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}
