package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/link"
)

// group is the store and the Raft node of a controller within this process, in a folder that the program
// itself could be started on.
type group struct {
	dir   string
	cache int64
	store *index.Store
	node  *node.Node
	self  model.NodeID
	keys  map[model.SiteID]tls.Certificate // of the sites that found enrolled
}

// loopback is Raft's transport of a group of one, which nobody ever calls.
type loopback struct{ net.Listener }

func (loopback) Dial(a raft.ServerAddress, limit time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(a), limit)
}

// openGroup opens the folder, and founds a group in an empty one. It returns when the group takes writes.
// cache is the memory for blocks read from disk; 0 is what the store takes by itself.
func openGroup(ctx context.Context, dir string, cache int64) (*group, error) {
	g := &group{dir: dir, cache: cache}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	id, err := nodeID(filepath.Join(dir, "node-id"))
	if err != nil {
		return nil, err
	}
	if g.store, err = index.Open(filepath.Join(dir, "index"), index.Options{CacheBytes: cache, MemBytes: index.ControllerMem, NoWAL: true}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	g.node, err = node.Open(ctx, node.Config{
		Dir: filepath.Join(dir, "raft"), ID: id, Stream: loopback{l}, Store: g.store,
		FSM: raftfsm.New(g.store, apply.Env{Role: model.RoleController}, nil), Bootstrap: true,
	})
	if err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := errors.Join(g.node.WaitLeader(wait), g.node.Barrier(wait)); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func (g *group) close() error { return errors.Join(g.node.Close(), g.store.Close()) }

// nodeID reads the id of the node, or makes it, as the controller does.
func nodeID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return string(b[:len(b)-1]), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	return id.String(), os.WriteFile(path, []byte(id.String()+"\n"), 0o600)
}

// t0 is the present of a fleet that was just loaded.
var t0 = model.TimeOf(fleet.T0)

// token is what a client of the API shows: a session is put among the rows for it, since logging in is
// not what is measured.
var token = base64.RawURLEncoding.EncodeToString(make([]byte, 32))

// found gives the group its identity, an account with a session, and the sites.
func (g *group) found(ctx context.Context, f *fleet.Fleet) error {
	stamp := model.Stamp{Actor: "system", At: t0}
	self, err := uuid.NewV7()
	if err != nil {
		return err
	}
	g.self, g.keys = model.NodeID(self), map[model.SiteID]tls.Certificate{}
	now := model.TimeOf(time.Now())
	secret := sha256.Sum256(make([]byte, 32))
	if err := g.node.Propose(ctx,
		model.Found{Stamp: stamp, Self: g.self, Role: model.RoleController, Name: "bench"},
		model.PutAccount{Stamp: stamp, Account: model.Account{Name: "bench", PasswordHash: "none", CreatedAt: t0}},
		model.PutSession{Stamp: model.Stamp{Actor: "system", At: now}, Session: model.Session{
			ID: model.SessionID(secret[:16]), Account: "bench", CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour),
		}},
	); err != nil {
		return fmt.Errorf("found the group: %w", err)
	}
	for _, s := range f.Sites {
		site := s.Model()
		key, err := siteKey()
		if err != nil {
			return err
		}
		g.keys[site.ID] = key
		hash := sha256.Sum256(site.ID[:])
		text := hex.EncodeToString(hash[:])
		if err := g.node.Propose(ctx,
			model.Invite{Stamp: stamp, Site: &site, Member: model.Member{ID: model.NodeID(site.ID), Kind: model.MemberSite, Name: site.Name, TokenHash: text, TokenExpires: t0.Add(time.Hour)}},
			model.Enroll{Stamp: stamp, Member: model.NodeID(site.ID), TokenHash: text, Pin: link.PinOf(key.Leaf)},
		); err != nil {
			return fmt.Errorf("enroll site %s: %w", s.Code, err)
		}
	}
	return nil
}
