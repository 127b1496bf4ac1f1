package serve

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/ui/schema"
)

// CheckFolder reads the whole store in the data folder of a server that does not run. The kind is
// fault.NotFound where there is no store, and fault.Conflict where a server has it open.
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
	report.TookMS = time.Since(began).Milliseconds()
	return report, err
}
