package inventory

import (
	"bytes"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// DecodeBeat reads the payload of a status item. These come by the hundred in one proposal, so that the
// form that model.Encode writes is read by hand:
//
//	{"status":"up","status_at":"2025-01-15T10:30:00.000Z","last_seen":"2025-01-15T10:29:58.000Z"}
//
// where either time may be absent. Everything else that is JSON goes the long way. The kind of an error
// is fault.Invalid.
func DecodeBeat(payload []byte) (model.HostBeat, error) {
	if b, ok := canonicalBeat(payload); ok {
		return b, nil
	}
	var b model.HostBeat
	if err := model.Decode(payload, &b); err != nil {
		return b, fault.New(fault.Invalid, "read status", "%w", err)
	}
	return b, nil
}

func canonicalBeat(p []byte) (b model.HostBeat, ok bool) {
	rest, ok := bytes.CutPrefix(p, []byte(`{"status":"`))
	if !ok {
		return b, false
	}
	word, rest, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return b, false
	}
	switch model.HostStatus(word) { // constants, so that the payload is not kept
	case model.HostUp:
		b.Status = model.HostUp
	case model.HostDown:
		b.Status = model.HostDown
	case model.HostLate:
		b.Status = model.HostLate
	case model.HostUnknown:
		b.Status = model.HostUnknown
	default:
		return b, false
	}
	if rest, ok = cutTime(rest, `,"status_at":"`, &b.StatusAt); !ok {
		return b, false
	}
	if rest, ok = cutTime(rest, `,"last_seen":"`, &b.LastSeen); !ok {
		return b, false
	}
	return b, len(rest) == 1 && rest[0] == '}'
}

// cutTime reads the member that begins with name; one that is not there is no time.
func cutTime(s []byte, name string, at *model.Time) (rest []byte, ok bool) {
	s, there := bytes.CutPrefix(s, []byte(name))
	if !there {
		return s, true
	}
	text, rest, ok := bytes.Cut(s, []byte(`"`))
	if !ok || len(text) != len("2006-01-02T15:04:05.000Z") {
		return s, false
	}
	return rest, at.UnmarshalText(text) == nil
}
