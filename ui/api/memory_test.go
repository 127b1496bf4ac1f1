package api

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// memory is the rows that the handlers see, in maps; what has to do with advisories is tested over the real ones (see rowStore). What it does with a change is the least
// that the handlers' answers depend on.
type memory struct {
	mu       sync.Mutex
	version  uint64
	changed  chan struct{}
	refuse   error // what Propose answers, if set
	proposed []model.Change

	self       model.Found
	members    map[model.NodeID]model.Member
	sites      map[model.SiteID]model.Site
	hosts      map[model.HostID]model.Host
	counts     map[model.SiteID]model.SiteCounts
	shelf      apply.Shelf
	advisories map[model.AdvisoryKey]model.Advisory
	exposures  map[model.SiteID]model.Exposure
	signers    []model.SignerKey
	imports    []model.ImportRecord
	commands   map[model.CommandID]model.Command
	tasks      map[model.CommandID][]model.Task
	accounts   map[string]model.Account
	sessions   map[model.SessionID]model.Session
	audit      []model.AuditEntry
	searches   map[string]model.SavedSearch
	trends     map[trendOf][]model.TrendSlot
	guidance
	directory
}

type trendOf struct {
	site model.SiteID
	res  model.Resolution
}

func newMemory() *memory {
	return &memory{
		version: 1, changed: make(chan struct{}),
		members: map[model.NodeID]model.Member{}, sites: map[model.SiteID]model.Site{}, hosts: map[model.HostID]model.Host{},
		counts: map[model.SiteID]model.SiteCounts{}, advisories: map[model.AdvisoryKey]model.Advisory{},
		exposures: map[model.SiteID]model.Exposure{}, commands: map[model.CommandID]model.Command{},
		tasks: map[model.CommandID][]model.Task{}, accounts: map[string]model.Account{}, sessions: map[model.SessionID]model.Session{},
		searches: map[string]model.SavedSearch{}, trends: map[trendOf][]model.TrendSlot{}, guidance: newGuidance(),
	}
}

func (m *memory) View() (View, func()) { m.mu.Lock(); return rows{m}, m.mu.Unlock }

func (m *memory) Version() uint64 { m.mu.Lock(); defer m.mu.Unlock(); return m.version }

func (m *memory) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		m.mu.Lock()
		version, changed := m.version, m.changed
		m.mu.Unlock()
		if version > after {
			return version, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return version, ctx.Err()
		}
	}
}

// edit changes rows as a commit would.
func (m *memory) edit(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	m.version++
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) Propose(_ context.Context, changes ...model.Change) (err error) {
	m.edit(func() {
		for _, c := range changes {
			if m.refuse != nil {
				err = m.refuse
				return
			}
			m.proposed = append(m.proposed, c)
			if err = m.apply(c); err != nil {
				return
			}
		}
	})
	return err
}

func (m *memory) apply(c model.Change) error {
	if err, done := m.guide(c); done {
		return err
	}
	switch c := c.(type) {
	case model.PutAccount:
		m.accounts[c.Account.Name] = c.Account
	case model.DropAccount:
		delete(m.accounts, c.Name)
		maps.DeleteFunc(m.sessions, func(_ model.SessionID, x model.Session) bool { return x.Account == c.Name })
	case model.PutSession:
		m.sessions[c.Session.ID] = c.Session
	case model.EndSession:
		delete(m.sessions, c.ID)
	case model.PutSearch:
		c.Search.Account, c.Search.At = strings.TrimPrefix(c.Actor, "account:"), c.At
		m.searches[c.Search.Name] = c.Search
	case model.DropSearch:
		delete(m.searches, c.Name)
	case model.PutSite:
		s := m.sites[c.Site]
		for _, f := range []struct{ to, from *string }{{&s.Location, c.Location}, {&s.Region, c.Region}, {&s.Country, c.Country}, {&s.City, c.City}} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		if c.Lat != nil {
			s.Lat, s.Lng = c.Lat, c.Lng
		}
		if c.NoPosition {
			s.Lat, s.Lng = nil, nil
		}
		m.sites[c.Site] = s
	case model.TrustSigner:
		m.signers = append(m.signers, c.Key)
	case model.Note:
		m.audit = append(m.audit, model.AuditEntry{
			Seq: model.Seq(len(m.audit) + 1), At: c.At, Actor: c.Actor, Action: c.Action,
			Object: c.Object, OK: c.OK, Reason: c.Reason, Detail: c.Detail,
		})
	case model.Invite:
		for _, other := range m.members {
			if other.Name == c.Member.Name && other.ID != c.Member.ID {
				return fault.New(fault.Exists, "invite", "there is one named %q already", other.Name)
			}
		}
		m.members[c.Member.ID] = c.Member
		if c.Site != nil {
			m.sites[c.Site.ID] = *c.Site
		}
	case model.SetMemberStatus:
		x := m.members[c.Member]
		x.Status, x.Reason, x.StatusAt = c.Status, c.Reason, c.At
		m.members[c.Member] = x
	case model.Rekey:
		x := m.members[c.Member]
		x.Status, x.TokenHash, x.TokenExpires = model.MemberPending, c.TokenHash, c.TokenExpires
		m.members[c.Member] = x
	case model.RetireHosts:
		for _, id := range c.Hosts {
			delete(m.hosts, id)
		}
	case model.Dispatch:
		if _, ok := m.commands[c.Command.ID]; ok {
			return nil
		}
		for _, h := range c.Hosts {
			m.tasks[c.Command.ID] = append(m.tasks[c.Command.ID], model.Task{
				Command: c.Command.ID, Host: h, State: model.CommandQueued,
				History: []model.Step{{State: model.CommandQueued, At: c.At}},
			})
		}
		m.commands[c.Command.ID] = c.Command
		m.fold(c.Command.ID, c.At)
	}
	return nil
}

// move is what an agent's report comes to.
func (m *memory) move(id model.CommandID, task int, to model.CommandState, at model.Time) {
	m.edit(func() {
		t, _, err := command.Move(m.tasks[id][task], model.Move{State: to, At: at})
		if err != nil {
			panic(err)
		}
		m.tasks[id][task] = t
		m.fold(id, at)
	})
}

func (m *memory) fold(id model.CommandID, at model.Time) {
	c := m.commands[id]
	c.TaskN = map[model.CommandState]int{}
	for _, t := range m.tasks[id] {
		c.TaskN[t.State]++
	}
	c.State, c.StateAt = command.State(c.TaskN), at
	m.commands[id] = c
}

// rows is a View of a memory that is locked for as long as it is open.
type rows struct{ m *memory }

func found[K comparable, V any](m map[K]V, k K) (V, bool, error) { v, ok := m[k]; return v, ok, nil }

func (r rows) Self() (model.Found, bool, error) { return r.m.self, !r.m.self.Self.IsZero(), nil }

func (r rows) Member(id model.NodeID) (model.Member, bool, error) { return found(r.m.members, id) }

func (r rows) MemberNamed(kind model.MemberKind, name string) (model.NodeID, bool, error) {
	for id, m := range r.m.members {
		if m.Kind == kind && m.Name == name {
			return id, true, nil
		}
	}
	return model.NodeID{}, false, nil
}

func (r rows) Members(kind model.MemberKind) ([]model.Member, error) {
	var all []model.Member
	for _, m := range r.m.members {
		if kind == "" || m.Kind == kind {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b model.Member) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (r rows) Site(id model.SiteID) (model.Site, bool, error) { return found(r.m.sites, id) }

func (r rows) Sites() ([]model.Site, error) {
	return slices.SortedFunc(maps.Values(r.m.sites), func(a, b model.Site) int { return strings.Compare(a.Name, b.Name) }), nil
}

func (r rows) Counts(id model.SiteID) (model.SiteCounts, bool, error) { return found(r.m.counts, id) }

func (r rows) Host(id model.HostID) (model.Host, bool, error) { return found(r.m.hosts, id) }

func (r rows) Search(name string) (model.SavedSearch, bool, error) { return found(r.m.searches, name) }

func (r rows) Searches() ([]model.SavedSearch, error) {
	return slices.SortedFunc(maps.Values(r.m.searches), func(a, b model.SavedSearch) int { return strings.Compare(a.Name, b.Name) }), nil
}

func (r rows) Trends(site model.SiteID, res model.Resolution) ([]model.TrendSlot, error) {
	return slices.Clone(r.m.trends[trendOf{site, res}]), nil
}

func (r rows) Shelf() (apply.Shelf, error) { return r.m.shelf, nil }

func (r rows) Advisory(k model.AdvisoryKey) (model.Advisory, bool, error) {
	return found(r.m.advisories, k)
}

func (r rows) AdvisoriesNaming(id string) ([]model.Advisory, error) {
	var all []model.Advisory
	for _, a := range r.m.advisories {
		if strings.EqualFold(a.ID, id) || slices.Contains(a.Aliases, id) {
			all = append(all, a)
		}
	}
	return all, nil
}

func (r rows) ChangesAfter(model.Cursor, func(model.AdvisoryChange) error) error { return nil }

func (r rows) Exposure(id model.SiteID) (model.Exposure, bool, error) {
	return found(r.m.exposures, id)
}
func (r rows) Signers() ([]model.SignerKey, error)       { return r.m.signers, nil }
func (r rows) Imports(int) ([]model.ImportRecord, error) { return r.m.imports, nil }
func (r rows) EachImport(fn func(model.ImportHead) error) error {
	for _, i := range slices.Backward(r.m.imports) {
		if err := fn(model.ImportHead{Origin: i.Origin, OriginName: i.OriginName, Created: i.Created, Updated: i.Updated, Deleted: i.Deleted, Unsigned: i.Unsigned, At: i.At}); err != nil {
			return err
		}
	}
	return nil
}

func (r rows) Command(id model.CommandID) (model.Command, bool, error) {
	return found(r.m.commands, id)
}

func (r rows) Commands(before model.CommandID, limit int) ([]model.Command, error) {
	all := slices.SortedFunc(maps.Values(r.m.commands), func(a, b model.Command) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	all = slices.DeleteFunc(all, func(c model.Command) bool { return !before.IsZero() && bytes.Compare(c.ID[:], before[:]) >= 0 })
	return all[:min(limit, len(all))], nil
}

func (r rows) Tasks(id model.CommandID, limit int) ([]model.Task, error) {
	return r.m.tasks[id][:min(limit, len(r.m.tasks[id]))], nil
}

func (r rows) Account(name string) (model.Account, bool, error) { return found(r.m.accounts, name) }

func (r rows) Accounts() ([]model.Account, error) {
	return slices.SortedFunc(maps.Values(r.m.accounts), func(a, b model.Account) int { return strings.Compare(a.Name, b.Name) }), nil
}

func (r rows) Session(id model.SessionID) (model.Session, bool, error) {
	return found(r.m.sessions, id)
}

func (r rows) Audit(before model.Seq, limit int) ([]model.AuditEntry, error) {
	var all []model.AuditEntry
	for _, e := range slices.Backward(r.m.audit) {
		if (before == 0 || e.Seq < before) && len(all) < limit {
			all = append(all, e)
		}
	}
	return all, nil
}
