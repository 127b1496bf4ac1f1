package serve

import (
	"maps"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/link"
)

// RefusedLinkReasons are the reasons that Sources.RefusedLinks may give.
var RefusedLinkReasons = []string{refusedUnknown, refusedVoid, refusedRemoved, refusedSuspended, refusedQuarantined, RefusedCopy, refusedMalformed, refusedTooLarge, refusedVersion}

const (
	refusedUnknown     = "unknown_key"
	refusedVoid        = "void_key" // taken from its member, which has a new one
	refusedRemoved     = "removed"
	refusedSuspended   = "suspended"
	refusedQuarantined = "quarantined"
	// RefusedCopy is for hub.Copies: a machine that is a copy of the member's own.
	RefusedCopy = "copy"

	// These are of members that were let in, see Ended.
	refusedMalformed = "malformed" // what came was no protocol, or out of its order
	refusedTooLarge  = "too_large" // more than a bound
	refusedVersion   = "version"   // the two have no version in common
)

// pastFor is how long what is known of keys that are no more is believed, so that nobody who knocks all day has the
// registry read all day.
const pastFor = 2 * time.Second

// admissions counts whom the door refused, and knows the keys of the past.
type admissions struct {
	mu   sync.Mutex // guards what follows
	by   map[string]uint64
	past map[string]model.Member // by pin
	at   time.Time
}

// admit returns the registry's answer to whoever dials: the enrolled member whose key it is. Where the error is of kind
// Denied and the member is known, it is returned all the same.
func admit(rows Rows, peer link.Peer) (model.Member, error) {
	m, ok, err := rows.MemberByPin(peer.Pin)
	if err != nil {
		return m, err
	}
	if !ok {
		return m, fault.New(fault.Denied, "admit", "the key %s belongs to no member of this server; enroll again with a new token", peer.Pin)
	}
	if m.Kind == model.MemberController { // its own ways are the group's
		return m, fault.New(fault.Denied, "admit", "%q is a controller of this group, and no controller links to its own", m.Name)
	}
	return m, fault.Wrap("admit", hub.Standing(m))
}

// refuse counts a refusal and returns why: for a key of the past, whose it was and what became of that.
func (d *Door) refuse(rows Rows, m model.Member, pin string, err error) error {
	reason := refusedUnknown
	switch m.Status {
	case model.MemberSuspended:
		reason = refusedSuspended
	case model.MemberQuarantined:
		reason = refusedQuarantined
	case "":
		was, ok := d.refused.find(rows, pin)
		switch {
		case ok && was.Status == model.MemberRemoved:
			reason, err = refusedRemoved, fault.Wrap("admit", hub.Standing(was))
		case ok:
			reason, err = refusedVoid, fault.Later(fault.New(fault.Denied, "admit",
				"this key was taken from %s %q, which is to have a new one: use the token for it on the one machine that is %q, and enroll every other machine as a new host", was.Kind, was.Name, was.Name), time.Minute)
		}
	}
	d.refused.count(reason)
	return err
}

// Ended counts a link that ended because of what came by it: err is what hub.Serve returned. That alone ends: the links of
// others have sessions of their own.
func (d *Door) Ended(err error) {
	switch fault.KindOf(err) {
	case fault.Corrupt, fault.Invalid:
		d.refused.count(refusedMalformed)
	case fault.TooLarge:
		d.refused.count(refusedTooLarge)
	case fault.Version:
		d.refused.count(refusedVersion)
	}
}

// Refused returns how many links were refused since the start, by reason.
func (d *Door) Refused() map[string]uint64 {
	d.refused.mu.Lock()
	defer d.refused.mu.Unlock()
	out := map[string]uint64{}
	maps.Copy(out, d.refused.by)
	return out
}

func (a *admissions) count(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.by == nil {
		a.by = map[string]uint64{}
	}
	a.by[reason]++
}

// find returns the member that had a key.
func (a *admissions) find(rows Rows, pin string) (model.Member, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); a.past == nil || now.Sub(a.at) >= pastFor {
		past := map[string]model.Member{}
		v := rows.Store.View()
		defer v.Close()
		err := v.EachMember("", func(m model.Member) error {
			if m.Status == model.MemberRemoved && m.Pin != "" {
				past[m.Pin] = m
			}
			for _, pin := range m.Void {
				past[pin] = m
			}
			return nil
		})
		if err != nil {
			return model.Member{}, false
		}
		a.past, a.at = past, now
	}
	m, ok := a.past[pin]
	return m, ok
}
