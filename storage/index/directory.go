package index

import (
	"cmp"
	"slices"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// Self returns the identity that Found set.
func (r *Reader) Self() (model.Found, bool, error) {
	return get[model.Found](r, key.Of(key.MetaSelf))
}

// upper reports whether this is the store of a controller.
func (r *Reader) upper() (bool, error) {
	self, ok, err := r.Self()
	return ok && self.Role == model.RoleController, err
}

// PutSelf implements apply.Tx.
func (t *Tx) PutSelf(f model.Found) error {
	t.atTop = f.Role == model.RoleController
	return t.put(key.Of(key.MetaSelf), f)
}

// Watermark returns how far this store holds what origin sent; zero if nothing.
func (r *Reader) Watermark(origin model.NodeID) (model.Position, error) {
	p, _, err := get[model.Position](r, key.Watermark(origin))
	return p, err
}

// PutWatermark implements apply.Tx.
func (t *Tx) PutWatermark(origin model.NodeID, at model.Position) error {
	return t.put(key.Watermark(origin), at)
}

// Refusals returns what is kept of refused items; zero until there was one.
func (r *Reader) Refusals() (apply.Refusals, error) {
	x, _, err := get[apply.Refusals](r, key.Of(key.MetaRefusals))
	return x, err
}

// PutRefusals implements apply.Tx.
func (t *Tx) PutRefusals(x apply.Refusals) error { return t.put(key.Of(key.MetaRefusals), x) }

// Member returns a member of the registry, removed ones included.
func (r *Reader) Member(id model.NodeID) (model.Member, bool, error) {
	return get[model.Member](r, key.Member(id))
}

// MemberNamed finds the member that is not removed and has that name.
func (r *Reader) MemberNamed(kind model.MemberKind, name string) (id model.NodeID, ok bool, err error) {
	err = r.scan(key.MembersNamed(kind, name), func(k, _ []byte) error {
		_, _, id, err = key.ReadMemberName(k)
		ok = err == nil
		return cmp.Or(err, errEnough)
	})
	return id, ok, enough(err)
}

// MemberByPin finds the member that is not removed and has that pinned key.
func (r *Reader) MemberByPin(pin string) (m model.Member, ok bool, err error) {
	err = r.scan(key.MembersWithPin(pin), func(k, _ []byte) error {
		_, id, err := key.ReadMemberPin(k)
		if err != nil {
			return err
		}
		if m, ok, err = r.Member(id); err != nil {
			return err
		}
		if !ok {
			return dangling(k)
		}
		return errEnough
	})
	return m, ok, enough(err)
}

// Members returns the members of a kind, removed ones included, by name; the empty kind is all.
func (r *Reader) Members(kind model.MemberKind) ([]model.Member, error) {
	var all []model.Member
	err := r.EachMember(kind, func(m model.Member) error {
		all = append(all, m)
		return nil
	})
	slices.SortStableFunc(all, func(a, b model.Member) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

// EachMember calls fn with each member of a kind, removed ones included, in the order of their ids; the empty kind is
// all. Of ten thousand members only one at a time is in memory. The first error of fn ends it and is returned.
func (r *Reader) EachMember(kind model.MemberKind, fn func(model.Member) error) error {
	return each(r, key.SpaceMember.Prefix(), func(m model.Member) error {
		if kind == "" || m.Kind == kind {
			return fn(m)
		}
		return nil
	})
}

// Living returns the members of a kind that are not removed, by name. It reads those alone: few controllers are found as
// fast among ten thousand sites.
func (r *Reader) Living(kind model.MemberKind) ([]model.Member, error) {
	var all []model.Member
	err := r.scan(key.MembersOf(kind), func(k, _ []byte) error {
		_, _, id, err := key.ReadMemberName(k)
		if err != nil {
			return err
		}
		m, ok, err := r.Member(id)
		if err != nil {
			return err
		}
		if !ok {
			return dangling(k)
		}
		all = append(all, m)
		return nil
	})
	return all, err
}

// PutMember implements apply.Tx.
func (t *Tx) PutMember(m model.Member) error {
	old, ok, err := t.Member(m.ID)
	if err != nil {
		return err
	}
	var entries [][]byte
	if ok {
		entries = memberEntries(old)
	}
	if err := t.reindex(entries, memberEntries(m)); err != nil {
		return err
	}
	return t.put(key.Member(m.ID), m)
}

// Site returns what an operator said about a site.
func (r *Reader) Site(id model.SiteID) (model.Site, bool, error) {
	return get[model.Site](r, key.Site(id))
}

// Sites returns every site by name.
func (r *Reader) Sites() ([]model.Site, error) {
	var all []model.Site
	err := each(r, key.SpaceSite.Prefix(), func(s model.Site) error {
		all = append(all, s)
		return nil
	})
	slices.SortStableFunc(all, func(a, b model.Site) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

// PutSite implements apply.Tx.
func (t *Tx) PutSite(s model.Site) error {
	t.sites = append(t.sites, s)
	return t.put(key.Site(s.ID), s)
}
