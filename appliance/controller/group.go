package controller

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/storage/space"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/gossip"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/peer"
	"github.com/skerryhq/skerry/ui/api"
)

// registerPause is between two attempts to register.
const registerPause = 2 * time.Second

// raftRoutes is what the node answers for the others.
const raftRoutes = "raft/"

// nodeName is what this node is called, where nothing says otherwise.
func (k *controller) nodeName() string {
	if k.Cluster.Node != "" {
		return k.Cluster.Node
	}
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	if host = strings.Trim(host, "-_."); host == "" || len(host) > 64 || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return k.Name
	}
	return host
}

// newMesh builds this node's end of what controllers ask each other.
func (k *controller) newMesh() *peer.Mesh {
	m := peer.New(peer.Config{Self: k.me.Member.String(), Dial: k.gate.dialPeer, Log: k.log})
	// A session may be older than the removal of the node at its other end.
	handle := func(route string, h peer.Handler) {
		m.Handle(route, func(ctx context.Context, from string, body []byte) ([]byte, error) {
			if err := k.gate.removed(from); err != nil {
				return nil, err
			}
			return h(ctx, from, body)
		})
	}
	handle(raftRoutes, func(ctx context.Context, from string, body []byte) ([]byte, error) {
		n := k.group.Load()
		if n == nil {
			return nil, errStarting()
		}
		return n.Answer(ctx, from, peer.Route(ctx), body)
	})
	stream := func(route string, h peer.Streamer) {
		m.HandleStream(route, func(ctx context.Context, from string, body []byte, conn net.Conn) error {
			if err := k.gate.removed(from); err != nil {
				return err
			}
			return h(ctx, from, body, conn)
		})
	}
	stream(node.SnapshotRoute, func(ctx context.Context, from string, body []byte, conn net.Conn) error {
		n := k.group.Load()
		if n == nil {
			return errStarting()
		}
		return n.ReceiveSnapshot(ctx, from, body, conn)
	})
	handle(routeAsk, k.links.answer)
	stream(routeLinks, k.links.tell)
	return m
}

func errStarting() error {
	return fault.New(fault.Unreachable, "", "this controller is starting; try again in a moment")
}

// openGossip begins to exchange hints with the other nodes. Hints are a convenience: where there is no socket for
// them, the node goes on without.
func (k *controller) openGossip() error {
	streams := listener{k.door.Server.Listen(link.ProtoGossip), k.gate}
	packets, err := gossip.Listen(k.door.Server.Addr())
	if err != nil {
		_ = streams.Close()
		return fault.New(fault.Other, "listen for the other controllers", "UDP at %s: %w; free that port or listen on another one", k.door.Server.Addr(), err)
	}
	seeds := []string{k.address}
	for _, n := range k.me.Secrets.Nodes {
		seeds = append(seeds, n.Address)
	}
	for _, m := range k.others() {
		seeds = append(seeds, m.Address)
	}
	g, err := gossip.Open(gossip.Config{
		Self: gossip.Hint{
			ID: k.me.Member.String(), Name: k.me.Name, Address: k.address, URL: k.door.URL(k.Config), Software: "skerry " + k.opts.Version,
		},
		Key: k.me.Secrets.GroupKey, Packets: packets, Streams: streams, Seeds: seeds, Admit: k.gate.removed, Now: time.Now, Log: k.log,
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			return k.gate.dial(ctx, link.ProtoGossip, addr)
		},
	})
	if err != nil {
		return err
	}
	k.gossip = g
	k.later(g.Close)
	return nil
}

// self returns which group this is. Who founds one waits until the group has its identity; who has joined one
// knows it from there, and serves before its rows have come.
func (k *controller) self(ctx context.Context) (model.Found, error) {
	f, ok, err := k.rows.Self()
	if err != nil || ok {
		return f, err
	}
	f = model.Found{
		Stamp: model.Stamp{Actor: "system", At: model.TimeOf(time.Now())},
		Self:  k.me.Upper, Role: model.RoleController, Name: k.me.UpperName,
	}
	if !k.me.Founder() {
		return f, nil
	}
	f.Name = k.Name
	wait, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	n := k.group.Load()
	if err := n.WaitLeader(wait); err != nil {
		return f, err
	}
	if err := n.Fresh(wait); err != nil { // the rows hold everything the log does
		return f, err
	}
	if now, ok, err := k.rows.Self(); err != nil || ok {
		return now, err
	}
	return f, n.Propose(wait, f)
}

// register keeps this node's entry in the registry right: that of a founder is made by itself, and an address may
// have changed. It tries until it is done.
func (k *controller) register(ctx context.Context) error {
	n := k.group.Load()
	for {
		err := k.registerOnce(ctx, n)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if fault.Is(err, fault.Conflict) || fault.Is(err, fault.Denied) {
			k.log.Error("this node cannot take its place in the registry", "err", err)
			return err
		}
		k.log.Debug("this node is not in the registry yet", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(registerPause):
		}
	}
}

func (k *controller) registerOnce(ctx context.Context, n *node.Node) error {
	if err := n.Fresh(ctx); err != nil {
		return err
	}
	m, known, err := k.rows.Member(k.me.Member)
	if err != nil {
		return err
	}
	if err := k.keys().adopt(ctx, n, api.KeyFolder{Dir: filepath.Join(k.Data, "keys")}); err != nil {
		return err
	}
	if known && m.Address == k.address && m.Pin == k.me.Pin() {
		return nil
	}
	if err := n.Propose(ctx, k.me.Register(model.TimeOf(time.Now()), k.address)); err != nil {
		return err
	}
	if !known {
		return nil // the founder, whose address Raft has from the founding
	}
	return n.AddMember(ctx, k.me.Member.String(), k.address)
}

func (k *controller) keys() keys { return keys{rows: k.rows, group: k.me.Secrets.GroupKey} }

// others are the other controllers of the group, as the registry here has them; as long as it has none at all, those that
// this node was told of when it joined.
func (k *controller) others() []model.Member {
	v := k.rows.Store.View()
	defer v.Close()
	all, err := v.Living(model.MemberController)
	if err != nil {
		k.log.Error("the registry cannot be read", "err", err)
		return nil
	}
	if len(all) == 0 {
		for _, n := range k.me.Secrets.Nodes {
			all = append(all, model.Member{ID: n.ID, Kind: model.MemberController, Name: n.Name, Address: n.Address, Status: model.MemberEnrolled})
		}
	}
	return slices.DeleteFunc(all, func(m model.Member) bool {
		return m.ID == k.me.Member || m.Status != model.MemberEnrolled || m.Address == ""
	})
}

// nodes are all controllers of the group, for one that joins.
func (k *controller) nodes() ([]enroll.NodeAddress, error) {
	out := []enroll.NodeAddress{{ID: k.me.Member, Name: k.me.Name, Address: k.address}}
	for _, m := range k.others() {
		out = append(out, enroll.NodeAddress{ID: m.ID, Name: m.Name, Address: m.Address})
	}
	return out, nil
}

// joined makes a controller that has enrolled a member of the group.
func (k *controller) joined(ctx context.Context, m model.Member) error {
	return k.group.Load().AddMember(ctx, m.ID.String(), m.Address)
}

// health is what this node says of itself to the leader.
func (k *controller) health() node.HealthNote {
	why := k.notReady()
	disk := k.space.State()
	note := node.HealthNote{Software: "skerry " + k.opts.Version, Ready: len(why) == 0, Reasons: why, Links: len(k.links.held())}
	if disk.Level != space.Plenty {
		note.Disk = disk.Level.String()
	}
	return note
}
