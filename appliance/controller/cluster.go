package controller

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/storage/space"
	"github.com/skerryhq/skerry/ui/api"
	"github.com/skerryhq/skerry/ui/schema"
)

// cluster shows the group to operators, and does with it what they ask for; it is api.Group.
type cluster struct{ *controller }

// heardWithin is how long ago a node must have been heard to count as reachable.
const heardWithin = 5 * time.Second

// Status implements api.Group.
func (c cluster) Status(ctx context.Context) (schema.Cluster, error) {
	self, _, err := c.rows.Self()
	if err != nil {
		return schema.Cluster{}, err
	}
	if self.Self.IsZero() { // it has joined, and no rows have come yet
		self.Self, self.Name = c.me.Upper, c.me.UpperName
	}
	s, err := c.group.Load().Status(ctx)
	if err != nil {
		return schema.Cluster{}, err
	}
	out := schema.Cluster{
		ID: self.Self.String(), Name: self.Name, Node: c.me.Member.String(), SeenBy: s.Node, Leader: s.Leader, Term: s.Term,
		CommitIndex: s.Commit, AppliedIndex: s.Applied, EntryVersion: s.Entry, Epoch: uint64(c.rows.Epoch()), Next: s.Next,
	}
	now := time.Now()
	for _, m := range s.Members {
		out.Members = append(out.Members, c.member(m, s, now))
		if m.Leader && m.Health.Note.Disk != "" {
			out.ReadOnly = "the disk of " + m.Name + ", which leads, is filling up"
		}
	}
	if s.Leader == "" {
		out.ReadOnly = "the group has no leader: writes wait until a majority of its nodes is up"
	}
	if out.Removed, err = c.takenOut(now); err != nil {
		return schema.Cluster{}, err
	}
	slices.SortFunc(out.Members, func(a, b schema.ClusterMember) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// member shows one node as the view s has it.
func (c cluster) member(m node.Member, s node.Status, now time.Time) schema.ClusterMember {
	out := schema.ClusterMember{ID: m.ID, Name: m.Name, Address: m.Address, Voter: m.Voter, Leader: m.Leader, Error: m.Error}
	self := m.ID == s.Node // it need not be heard by itself
	if m.Contact != 0 || self {
		age := max(now.Sub(m.Contact.Std()), 0).Seconds()
		if self {
			age = 0
		}
		out.LastContactS = &age
		out.Reachable = m.Error == "" && age <= heardWithin.Seconds()
		lag := m.Lag
		note := m.Health.Note
		out.LagEntries, out.Version, out.EntryVersion, out.Links = &lag, note.Software, m.Health.Entry, &note.Links
		out.Ready, out.Reasons = &note.Ready, note.Reasons
		if out.Disk = note.Disk; out.Disk == "" {
			out.Disk = space.Plenty.String()
		}
	}
	return out
}

// controllers are all controllers that the registry has, removed ones not.
func (c cluster) controllers() ([]model.Member, error) {
	v := c.rows.Store.View()
	defer v.Close()
	return v.Living(model.MemberController)
}

// Token implements api.Group.
func (c cluster) Token(ctx context.Context, name string, ttl time.Duration) (schema.ClusterToken, error) {
	all, err := c.controllers()
	if err != nil {
		return schema.ClusterToken{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return schema.ClusterToken{}, err
	}
	m := model.Member{ID: model.NodeID(id), Kind: model.MemberController, Name: name}
	taken := func(name string) int {
		return slices.IndexFunc(all, func(m model.Member) bool { return m.Name == name })
	}
	for n := len(all) + 1; m.Name == ""; n++ {
		if name := "controller-" + strconv.Itoa(n); taken(name) < 0 {
			m.Name = name
		}
	}
	if at := taken(m.Name); at >= 0 && all[at].Status == model.MemberPending {
		m.ID = all[at].ID // the old token is void then
	}
	token, hash, pin, err := c.door.NewToken(model.MemberController, m.ID)
	if err != nil {
		return schema.ClusterToken{}, err
	}
	now := time.Now()
	m.TokenHash, m.TokenExpires, m.InvitedAt = hash, model.TimeOf(now.Add(ttl)), model.TimeOf(now)
	if err := c.group.Load().Propose(ctx, model.Invite{Stamp: c.stamp(ctx), Member: m}); err != nil {
		return schema.ClusterToken{}, err
	}
	return schema.ClusterToken{
		ID: m.ID.String(), Name: m.Name, Token: token, ExpiresAt: m.TokenExpires.Std().UTC(), Pin: pin, URL: "https://" + c.address,
	}, nil
}

// stamp is for what an operator does.
func (c cluster) stamp(ctx context.Context) model.Stamp {
	return model.Stamp{Actor: api.Actor(ctx), At: model.TimeOf(time.Now())}
}

// find returns the controller with that id or name.
func (c cluster) find(which string) (model.Member, error) {
	all, err := c.controllers()
	if err != nil {
		return model.Member{}, err
	}
	for _, m := range all {
		if m.ID.String() == which || m.Name == which {
			return m, nil
		}
	}
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	return model.Member{}, fault.New(fault.NotFound, "", "the group has no controller %q; it has %s", fault.Clip(which, 64), strings.Join(names, ", "))
}

// Transfer implements api.Group.
func (c cluster) Transfer(ctx context.Context, to string) error {
	if to != "" {
		m, err := c.find(to)
		if err != nil {
			return err
		}
		to = m.ID.String()
	}
	return c.group.Load().Transfer(ctx, to)
}

// Remove implements api.Group: from Raft first, which knows whether the group can do without it, and then from
// the registry, which keeps it out. Where it ends in between, it can be repeated.
func (c cluster) Remove(ctx context.Context, id string) error {
	which, err := model.ParseNodeID(id)
	if err != nil {
		m, ferr := c.find(id)
		if ferr != nil {
			return ferr
		}
		which = m.ID
	}
	if which == c.me.Member && len(c.others()) == 0 {
		return fault.New(fault.Conflict, "", "%s is the last controller of its group, which would end: add another one first, or stop this one for good", c.me.Name)
	}
	if which == c.me.Member {
		// It could not tell the registry any more, once it is out.
		return fault.New(fault.Conflict, "", "%s is the node that was asked; ask another controller of the group to remove it", c.me.Name)
	}
	n := c.group.Load()
	if err := n.RemoveMember(ctx, which.String()); err != nil {
		return err
	}
	return n.Propose(ctx, model.RemoveMember{Stamp: c.stamp(ctx), Member: which})
}

// Backup implements api.Group.
func (c cluster) Backup(ctx context.Context, w io.Writer) error {
	source := BackupSource{Store: c.rows.Store, Node: c.me, Data: c.Data, Program: c.opts.Version, Fresh: c.group.Load().Fresh}
	if api.AsItIs(ctx) {
		source.Fresh, source.Age = nil, c.age
	}
	info, err := source.Backup(ctx, w)
	if err == nil {
		c.log.Info("a backup was taken", "by", api.Actor(ctx), "applied", info.Applied, "age_s", info.AgeS)
	}
	return err
}

// age is how old the rows here may be. A node that has not reached its group since it was started has what it had
// before: it cannot know for how long that has been so, but what was recorded last it had when that happened.
func (k *controller) age() time.Duration {
	age := k.group.Load().Age()
	if age < time.Since(k.opened) {
		return age
	}
	v := k.rows.Store.View()
	defer v.Close()
	last, err := v.Audit(0, 1)
	if err != nil || len(last) == 0 {
		return age
	}
	return max(age, time.Since(last[0].At.Std()))
}

// sources is what this node tells Prometheus.
func (k *controller) sources() serve.Sources {
	n := k.group.Load()
	return serve.Sources{
		Group: func() serve.GroupState {
			f := n.Figures()
			s := serve.GroupState{Leader: f.Leader, Term: f.Term, Commit: f.Commit, Applied: f.Applied, LastContact: k.age(), SnapshotAge: -1, Followers: f.Lag}
			if !f.Snapshot.IsZero() {
				s.SnapshotAge = max(time.Since(f.Snapshot), 0)
			}
			return s
		},
		Disk: func() serve.DiskState {
			st := k.space.State()
			return serve.DiskState{Free: st.Free, Level: int(st.Level)}
		},
		Links:        k.linkCounts,
		RefusedLinks: k.door.Refused,
		Turned:       k.rows.Turned,
		ReadOnly:     k.readOnly,
		Hosts:        func() map[string]int64 { return k.rows.HostsByStatus(k.links.up) },
		Ages:         k.pulls.Ages,
	}
}

// readOnly says why nothing can be changed here now, of serve.ReadOnlyReasons.
func (k *controller) readOnly() (why []string) {
	n := k.group.Load()
	if leads, leader := n.Leader(); !leads && leader == "" {
		why = append(why, "no_leader")
	}
	if k.space.Err(space.Low) != nil {
		why = append(why, "disk_full")
	}
	if n.Err() != nil {
		why = append(why, "disk_failed")
	}
	if k.stopping.Load() {
		why = append(why, "stopping")
	}
	return why
}

// linkCounts counts the sites by their links to this controller or another.
func (k *controller) linkCounts() []serve.LinkCount {
	v := k.rows.Store.View()
	defer v.Close()
	var up, down, never int
	err := v.EachMember(model.MemberSite, func(m model.Member) error {
		if m.Status != model.MemberEnrolled {
			return nil
		}
		switch l, ok := k.links.Live(m.ID); {
		case !ok:
			never++
		case l.Up:
			up++
		default:
			down++
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return []serve.LinkCount{{Kind: "site", State: "up", N: up}, {Kind: "site", State: "down", N: down}, {Kind: "site", State: "never", N: never}}
}
