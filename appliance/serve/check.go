package serve

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/ui/schema"
)

// CheckFolder reads every store in the data folder of a server that does not run: the index and, where it is a site's, the bodies
// of the detail tier and the outbox. A store that cannot be opened at all is a fault in the report. The kind is fault.NotFound
// where there is no index, and fault.Conflict where a server has a store open.
func CheckFolder(ctx context.Context, data string) (report schema.StorageReport, err error) {
	const op = "check storage"
	dir := filepath.Join(data, "index")
	switch _, err := os.Stat(dir); { // opening would make one
	case errors.Is(err, fs.ErrNotExist):
		return report, fault.New(fault.NotFound, op, "there is no store in %s; --data is the folder that data: names in the server's configuration", data)
	case err != nil:
		return report, fault.New(fault.Denied, op, "%w", err)
	}
	began := time.Now()
	store, err := index.Open(dir, index.Options{})
	if fault.Is(err, fault.Conflict) {
		return report, fault.New(fault.Conflict, op, "a server has %s open: ask it, with `skerry storage check` and no --data, or stop it first", data)
	}
	if err != nil {
		return report, fault.Wrap(op, err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	report, err = Rows{Store: store}.Check(ctx)
	if err == nil {
		err = checkDetail(ctx, filepath.Join(data, "detail"), &report)
	}
	if err == nil {
		err = checkOutbox(filepath.Join(data, "outbox.db"), &report)
	}
	report.TookMS = time.Since(began).Milliseconds()
	return report, fault.Wrap(op, err)
}

// checkDetail reads the detail tier in dir, where there is one.
func checkDetail(ctx context.Context, dir string, report *schema.StorageReport) (err error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	d, err := detail.Open(dir, detail.Options{MinFree: -1}) // nothing of it is written
	if err != nil {
		return found(report, err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	v, err := d.Verify(ctx)
	report.Bodies, report.DamagedN, report.Damaged = v.Bodies, v.Damaged, v.First
	return found(report, err)
}

// checkOutbox reads the outbox at path, where there is one: opening reads every page of it.
func checkOutbox(path string, report *schema.StorageReport) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	q, err := queue.Open(path, queue.Options{})
	if err != nil {
		return found(report, err)
	}
	return q.Close()
}

// found takes a damage into the report; every other error stays one.
func found(report *schema.StorageReport, err error) error {
	if !fault.Is(err, fault.Corrupt) {
		return err
	}
	report.OK, report.FaultN, report.Faults = false, report.FaultN+1, append(report.Faults, err.Error())
	return nil
}
