package controller

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/enroll"
)

// A restore is made in a folder of its own within the data folder, which then gets the name that says that it is
// whole. From there its parts are moved out, the identity last. So a crash leaves a data folder that nothing was
// restored to, or one that ResumeRestore completes:
//
//	DATA/restore.part-*   unfinished
//	DATA/restore.ready    whole; its parts are being moved out
const (
	restorePart  = "restore.part-"
	restoreReady = "restore.ready"
)

// restoredParts are moved out in this order: with the identity in cluster, the controller is there.
var restoredParts = [...]string{"keys", "raft", "index", "pki", "cluster"}

// stores are what a data folder of a controller or a site has.
var stores = [...]string{"index", "raft", "cluster", "pki", "keys", "node-id", "identity", "outbox.db", "detail"}

// Restore makes the data folder of c that of a controller which goes on from the backup at path, as the only node of
// its group, in another life of it: see apply.Restore. The group's id and its authority stay, so that its sites know it;
// the nodes that it had are shut out, and join anew.
//
// The data folder must not hold a store: fault.Conflict says what to move away. A backup that is damaged or of another
// version is refused as by VerifyBackup. When it fails, the data folder is as it was.
func Restore(ctx context.Context, c config.Config, path string) (BackupInfo, error) {
	op := "restore the backup " + path
	if c.Role != model.RoleController {
		return BackupInfo{}, fault.New(fault.Invalid, op, "the configuration is of a %s; a backup is of a controller", c.Role)
	}
	info, err := restore(ctx, c, path, time.Now)
	return info, fault.Wrap(op, err)
}

func restore(ctx context.Context, c config.Config, path string, now func() time.Time) (info BackupInfo, err error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return info, fault.New(fault.ReadOnly, "", "%w; make it writable for this user or set data: to another folder", err)
	}
	if err := vacant(c.Data); err != nil {
		return info, err
	}
	part, err := os.MkdirTemp(c.Data, restorePart+"*")
	if err != nil {
		return info, fault.New(fault.ReadOnly, "", "%w; make it writable for this user or set data: to another folder", err)
	}
	defer func() { _ = os.RemoveAll(part) }() // gone where it was renamed; what a crash leaves is removed at the next start
	for _, name := range []string{"rows", "keys", "pki", "cluster"} {
		if err := os.Mkdir(filepath.Join(part, name), 0o700); err != nil {
			return info, fault.New(fault.ReadOnly, "", "%w", err)
		}
	}
	b, err := openBackup(ctx, path, func(name string) string { return filepath.Join(part, filepath.FromSlash(name)) })
	if err != nil {
		return b.info, err
	}
	r := restoring{Config: c, dir: part, content: b, now: now}
	if err := r.build(); err != nil {
		return r.info, wrapDisk(err)
	}
	if err := context.Cause(ctx); err != nil {
		return r.info, err
	}
	if err := settle(part); err != nil {
		return r.info, wrapDisk(err)
	}
	if err := vacant(c.Data); err != nil { // it took a while
		return r.info, err
	}
	ready := filepath.Join(c.Data, restoreReady)
	if err := os.Rename(part, ready); err != nil {
		return r.info, fault.New(fault.Conflict, "", "%w; is another restore under way?", err)
	}
	if err := raftfsm.SyncDir(c.Data); err != nil {
		return r.info, err
	}
	_, err = ResumeRestore(c.Data)
	return r.info, err
}

// vacant refuses a data folder that holds anything that would be replaced.
func vacant(data string) error {
	var found []string
	for _, name := range append(stores[:], restoreReady) {
		if _, err := os.Lstat(filepath.Join(data, name)); err == nil {
			found = append(found, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.ReadOnly, "", "%w", err)
		}
	}
	if len(found) == 1 && found[0] == restoreReady {
		return fault.New(fault.Conflict, "", "%s holds a backup that was restored already, but for its last step: start the controller (`skerry serve`), which completes it", data)
	}
	if len(found) > 0 {
		return fault.New(fault.Conflict, "", "%s holds a store already (there is %s): stop Skerry, move these away, and keep them until the restored controller is well", data, strings.Join(found, ", "))
	}
	return nil
}

// restoring is the making of a data folder from a backup, in a folder of its own.
type restoring struct {
	config.Config
	content
	dir string
	now func() time.Time
}

// build makes the folder complete.
func (r *restoring) build() (err error) {
	store, err := index.Open(filepath.Join(r.dir, "index"), index.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	// Replace opens the rows and checks them first.
	if err := store.Replace(filepath.Join(r.dir, "rows")); err != nil {
		return err
	}
	applied := store.Applied()
	if applied < r.info.Applied {
		return damaged("its rows end at entry %d of the log, and it says that they have all up to %d", applied, r.info.Applied)
	}
	address, err := ownAddress(r.Config)
	if err != nil {
		return err
	}
	ca, err := enroll.OpenCA(filepath.Join(r.dir, "pki"), "", r.now, nil)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fault.New(fault.Other, "", "%w", err)
	}
	if err := os.Remove(filepath.Join(r.dir, theGroup)); err != nil { // it is written again, with the identity
		return err
	}
	me, err := enroll.FoundNode(r.dir, ca, enroll.Founding{
		Member: model.NodeID(id), Group: r.info.Group, Name: (&controller{Config: r.Config}).nodeName(), GroupName: r.info.Name,
		GroupKey: r.group, Now: r.now,
	})
	if err != nil {
		return err
	}
	if err := r.begin(store, me, address, applied); err != nil {
		return err
	}
	rows := filepath.Join(r.dir, "snapshot")
	if err := store.Checkpoint(rows); err != nil {
		return err
	}
	return node.Seed(filepath.Join(r.dir, "raft"), me.Member.String(), address, rows, applied)
}

// begin begins the group's next life in the rows.
func (r *restoring) begin(store *index.Store, me enroll.Node, address string, applied uint64) error {
	tx := store.Begin()
	defer tx.Discard()
	self, _, err := tx.Self()
	if err != nil {
		return err
	}
	if self.Self != r.info.Group {
		return damaged("its rows are of the group %s, and it says %s", self.Self, r.info.Group)
	}
	life, err := apply.Restore(tx, apply.Restored{
		Stamp: model.Stamp{Actor: "system", At: model.TimeOf(r.now())}, From: r.info.At,
		Node: model.Member{
			ID: me.Member, Kind: model.MemberController, Name: me.Name, InvitedAt: me.EnrolledAt, EnrolledAt: me.EnrolledAt,
			Pin: me.Pin(), Epoch: me.Epoch, Address: address,
		},
	})
	if err != nil {
		return err
	}
	r.info.Life, r.info.NewNode = life.Epoch, me.Name
	return tx.Commit(applied, true)
}

// settle makes everything in a folder durable.
func settle(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// ResumeRestore completes a restore that a crash interrupted after it was whole, and removes what one left that was not;
// the same for a Rejoin, but that what is not whole stays. It reports whether there was one to complete. To be called before anything in the data folder is opened.
func ResumeRestore(data string) (bool, error) {
	const op = "complete the restore of a backup"
	if err := setAside(data); err != nil {
		return false, fault.Wrap("take the place of a damaged node", err)
	}
	names, err := os.ReadDir(data)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fault.New(fault.ReadOnly, op, "%w", err)
	}
	ready := false
	for _, n := range names {
		if strings.HasPrefix(n.Name(), restorePart) {
			if err := os.RemoveAll(filepath.Join(data, n.Name())); err != nil {
				return false, fault.New(fault.ReadOnly, op, "%w", err)
			}
		}
		ready = ready || n.Name() == restoreReady
	}
	if !ready {
		return false, nil
	}
	from := filepath.Join(data, restoreReady)
	// What is known of the sources is of the rows that were there before: with it they would count as fetched, and what the
	// rows of the backup lack would never come.
	if err := os.RemoveAll(filepath.Join(data, serve.SourcesFolder)); err != nil {
		return false, fault.New(fault.ReadOnly, op, "%w", err)
	}
	for _, name := range restoredParts {
		if err := moveOut(from, data, name); err != nil {
			return false, fault.Wrap(op, err)
		}
	}
	if err := os.RemoveAll(from); err != nil {
		return false, fault.New(fault.ReadOnly, op, "%w", err)
	}
	return true, fault.Wrap(op, raftfsm.SyncDir(data))
}

// moveOut moves one part, unless that was done before. Each is durable before the next.
func moveOut(from, to, name string) error {
	_, err := os.Lstat(filepath.Join(from, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, there := os.Lstat(filepath.Join(to, name)); err == nil && there == nil {
		return fault.New(fault.Conflict, "", "%s came into being meanwhile: stop Skerry, move it away and start again", filepath.Join(to, name))
	}
	if err == nil {
		err = os.Rename(filepath.Join(from, name), filepath.Join(to, name))
	}
	if err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return errors.Join(raftfsm.SyncDir(to), raftfsm.SyncDir(from))
}
