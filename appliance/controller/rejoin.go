package controller

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/sync/enroll"
)

// A node whose data is damaged comes back as another member of its group: with a log that lacks something, or a vote that is
// forgotten, the old one could vote twice or lose what the group has acknowledged. The new one is made in a folder of
// its own within the data folder, what the old one had is moved aside, the identity first, and then the new one is moved
// out as a restored one is. A crash leaves a data folder that is as it was, or one that ResumeRestore completes:
//
//	DATA/rejoin.part-ID  not yet a member
//	DATA/rejoin.ready    whole; the old node is being moved aside
//	DATA/replaced-ID/    what the node had that ID has replaced
const (
	rejoinPart  = "rejoin.part-"
	rejoinReady = "rejoin.ready"
	replacedDir = "replaced-"
)

// Rejoin makes the machine of c a new node of the group that the damaged one in its data folder is of, by a token as
// for Join. What was there is kept in the folder whose path it returns. The server must not run: fault.Conflict.
// It may be repeated with the same token; when it fails, the data folder is as it was.
func Rejoin(ctx context.Context, c config.Config, token, from, address, version string) (n JoinedNode, kept string, err error) {
	const op = "rejoin the group"
	fail := func(err error) (JoinedNode, string, error) { return JoinedNode{}, "", fault.Wrap(op, err) }
	t, err := enroll.ParseToken(token)
	if err != nil {
		return fail(err)
	}
	// Who has the port is running, and nobody starts meanwhile.
	port, err := serve.Listen(c.Listen)
	if err != nil {
		return fail(err)
	}
	defer port.Close()
	if err := node.Idle(filepath.Join(c.Data, "raft")); err != nil {
		return fail(err)
	}
	if _, err := ResumeRestore(c.Data); err != nil {
		return fail(err)
	}
	if vacant(c.Data) == nil {
		return fail(fault.New(fault.NotFound, "", "%s holds no controller: a new one joins with `skerry cluster join`", c.Data))
	}
	if was, err := enroll.LoadNode(c.Data); err == nil && was.CAPin() != t.Pin() {
		return fail(fault.New(fault.Conflict, "", "%s is a node of the group %q, and the token is of another one; to leave the old one, move the folder away and use `skerry cluster join`", c.Data, was.UpperName))
	} else if err == nil && was.Member == t.Member {
		return fail(fault.New(fault.Conflict, "", "the token is the one by which %s joined already; make a new one with `skerry cluster join-token --replace %s`", c.Data, was.Name))
	}
	part := filepath.Join(c.Data, rejoinPart+t.Member.String()) // another token is for another key
	inner := c
	inner.Data = part
	if n, err = Join(ctx, inner, token, from, address, version); err != nil {
		return fail(err)
	}
	if err := settle(part); err != nil {
		return fail(wrapDisk(err))
	}
	if err := os.Rename(part, filepath.Join(c.Data, rejoinReady)); err != nil {
		return fail(fault.New(fault.ReadOnly, "", "%w", err))
	}
	if err := raftfsm.SyncDir(c.Data); err != nil {
		return fail(err)
	}
	if _, err := ResumeRestore(c.Data); err != nil {
		return fail(err)
	}
	return n, filepath.Join(c.Data, replacedDir+t.Member.String()), nil
}

// setAside moves what a node had aside, where a new one stands ready in its place, and leaves that to be moved out.
func setAside(data string) error {
	ready := filepath.Join(data, rejoinReady)
	n, err := enroll.LoadNode(ready)
	if err != nil {
		if _, e := os.Lstat(ready); errors.Is(e, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	aside := filepath.Join(data, replacedDir+n.Member.String())
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	parts, err := filepath.Glob(filepath.Join(data, rejoinPart+"*")) // of other tokens
	if err != nil {
		return fault.New(fault.Other, "", "%w", err)
	}
	for _, part := range parts {
		if err := os.RemoveAll(part); err != nil {
			return fault.New(fault.ReadOnly, "", "%w", err)
		}
	}
	// Without its identity nothing of the old node runs any more.
	for _, name := range append([]string{"cluster", "node-id"}, stores[:]...) {
		if err := moveOut(data, aside, name); err != nil {
			return err
		}
	}
	if err := os.Rename(ready, filepath.Join(data, restoreReady)); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return raftfsm.SyncDir(data)
}

// ofDamage reports whether err says somewhere that something on the disk is damaged.
func ofDamage(err error) bool {
	switch e := err.(type) {
	case *fault.Error:
		return e.Kind == fault.Corrupt || ofDamage(e.Err)
	case interface{ Unwrap() error }:
		return ofDamage(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if ofDamage(one) {
				return true
			}
		}
	}
	return false
}

// advise says what is to be done where something on the disk is damaged.
func (k *controller) advise(err error) error {
	if !ofDamage(err) {
		return err
	}
	return fault.New(fault.KindOf(err), "", "%w; this node has to be made anew: where other controllers of its group run, make a token on one of them with "+
		"`skerry cluster join-token --replace %s` and give it to `skerry cluster rejoin` here; where there are none, restore a backup with `skerry cluster restore`", err, k.nodeName())
}
