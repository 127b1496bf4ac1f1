// Package serve holds what a controller and a site start alike: the one port with its protocols, the
// local socket, and the store in the forms that the rooms above it ask for.
//
// It owns no role: which parts run, and what they do, is decided in the two roots.
package serve

import (
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/ui/api"
)

// Rows gives the store to the rooms that read committed rows: the API, the hub, the enrollment, the
// recalculation. Each call sees at least every change whose proposal has returned. It is safe for
// concurrent use.
type Rows struct {
	*index.Store
}

// View opens a consistent snapshot for the API; call the func when done.
func (r Rows) View() (api.View, func()) {
	v := r.Store.View()
	return v, func() { _ = v.Close() }
}

// Try shows the API the rows as they would be after changes, which are thrown away.
func (r Rows) Try(changes []model.Change, fn func(api.View) error) error {
	return r.Store.Try(changes, func(v *index.View) error { return fn(v) })
}

// look reads through a snapshot of its own.
func look[T any](r Rows, read func(*index.View) (T, error)) (T, error) {
	v := r.Store.View()
	defer v.Close()
	return read(v)
}

// Self returns the identity of this store.
func (r Rows) Self() (f model.Found, ok bool, err error) {
	f, err = look(r, func(v *index.View) (model.Found, error) {
		f, found, err := v.Self()
		ok = found
		return f, err
	})
	return f, ok, err
}

// Member returns a member of the registry.
func (r Rows) Member(id model.NodeID) (m model.Member, ok bool, err error) {
	m, err = look(r, func(v *index.View) (model.Member, error) {
		m, found, err := v.Member(id)
		ok = found
		return m, err
	})
	return m, ok, err
}

// MemberByPin finds the member, not removed, whose key has that pin.
func (r Rows) MemberByPin(pin string) (m model.Member, ok bool, err error) {
	m, err = look(r, func(v *index.View) (model.Member, error) {
		m, found, err := v.MemberByPin(pin)
		ok = found
		return m, err
	})
	return m, ok, err
}

// Epoch returns the epoch of the group's directives, which rises with each restore; 0 where the rows cannot be read.
func (r Rows) Epoch() model.Epoch {
	l, err := look(r, func(v *index.View) (model.Life, error) { return v.Life() })
	if err != nil {
		return 0
	}
	return l.Epoch
}

// RestoredAt returns when the group was restored from a backup for the last time; zero: never.
func (r Rows) RestoredAt() (model.Time, error) {
	l, err := look(r, func(v *index.View) (model.Life, error) { return v.Life() })
	return l.At, err
}

// Watermark returns how far the rows hold what origin sent.
func (r Rows) Watermark(origin model.NodeID) (model.Position, error) {
	return look(r, func(v *index.View) (model.Position, error) { return v.Watermark(origin) })
}

// Directives returns what goes down to a member.
func (r Rows) Directives(to model.NodeID, after model.Seq, limit, maxBytes int, includeAll bool) ([]model.Item, model.Seq, error) {
	v := r.Store.View()
	defer v.Close()
	return v.Directives(to, after, limit, maxBytes, includeAll)
}

// Links gives the state of the members' links to the API.
type Links struct{ *hub.Hub }

// Live implements api.Links.
func (l Links) Live(id model.NodeID) (api.Link, bool) {
	s, ok := l.Hub.Live(id)
	return api.Link{Up: s.Up, Since: s.Since, Remote: s.Remote, Software: s.Software, Late: s.Late}, ok
}
