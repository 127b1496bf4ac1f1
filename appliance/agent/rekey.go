package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/durable"
	"github.com/skerryhq/skerry/sync/enroll"
)

// nextDir is where an identity with a new key is made, beside the one that it takes the place of.
func nextDir(dir string) string { return dir + ".next" }

// again enrolls a host that is enrolled already. With the key that it has, the same token gives the same answer; where that
// key is refused, because the site took it from this host, it is tried with a new one.
func again(ctx context.Context, dir, site string, token enroll.Token, old enroll.Identity, me enroll.Newcomer) (enroll.Identity, error) {
	id, err := enroll.Join(ctx, site, token, old.Key, me)
	if err == nil {
		return id, enroll.SaveIdentity(dir, id)
	}
	if !fault.Is(err, fault.Denied) {
		return id, err
	}
	next := nextDir(dir)
	key, err := enroll.OpenKey(next) // of an attempt whose answer was lost, or a new one
	if err != nil {
		return id, err
	}
	if id, err = enroll.Join(ctx, site, token, key, me); err != nil {
		return id, err
	}
	if err := enroll.SaveIdentity(next, id); err != nil {
		return id, err
	}
	return id, swap(dir)
}

// swap puts the next identity in the place of the one that is there. The one before is void and not kept.
func swap(dir string) error {
	const op = "put the new identity in its place"
	old := dir + ".old"
	if err := errors.Join(os.RemoveAll(old), os.Rename(dir, old), finish(dir)); err != nil {
		return fault.New(fault.ReadOnly, op, "%w; run the same command again", err)
	}
	return os.RemoveAll(old)
}

// finish ends a swap that was cut off in the middle, so that there is always an identity where there was one.
func finish(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := enroll.LoadIdentity(nextDir(dir)); err != nil {
		return nil // there is nothing to finish
	}
	if err := os.Rename(nextDir(dir), dir); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(dir))
}
