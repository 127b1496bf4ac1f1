package site

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/durable"
)

// The copy of the hosts' rows stands beside that of the registry, so that a rebuild without any line knows the hosts whose
// agents do not come: their rows could be brought again by nobody. It is larger, and therefore written less often.
//
//	zstd, with a frame checksum, of a line of JSON of rowsHead and one of model.Host for each row
const (
	rowsVersion = 1
	rowsSettle  = time.Minute      // after a host came or went
	rowsEvery   = 15 * time.Minute // where rows changed
	rowsAlways  = 24 * time.Hour   // where only the times of their beats did
	maxRowLine  = 1 << 20          // bytes of one row
	maxRowsFile = 1 << 30          // bytes of the whole, compressed
	maxRowsOpen = 16 << 30         // bytes of the whole, as lines: a thousand for each of sixteen million hosts
)

// rowsHead is the first line.
type rowsHead struct {
	Version int          `json:"version"`
	Self    model.NodeID `json:"self"`
	At      model.Time   `json:"at"`
}

func rowsPath(data string) string { return filepath.Join(data, "hosts.zst") }

// rowCopy knows when the copy was written last, and of what.
type rowCopy struct {
	at    time.Time // by a clock that goes on evenly; zero: not since the start
	sum   [sha256.Size]byte
	hosts int64
}

// keepRows writes the copy of the hosts' rows now and then, and once more when ctx ends.
func (s *site) keepRows(ctx context.Context) error {
	var last rowCopy
	tick := time.NewTicker(registryEvery)
	defer tick.Stop()
	failed := false
	for {
		ended := false
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
		err := s.writeRows(&last, time.Now(), ended)
		if err != nil && !failed {
			s.log.Warn("the copy of the hosts' rows cannot be written; a rebuild would go by an older one", "reason", err.Error())
		}
		if failed = err != nil; ended {
			return nil
		}
	}
}

// writeRows writes the copy where it is due, or where it differs and nobody will write it later.
func (s *site) writeRows(last *rowCopy, now time.Time, ended bool) error {
	v := s.rows.Store.View()
	defer v.Close()
	n, _, err := v.Counts(model.SiteID(s.id.Member))
	if err != nil {
		return err
	}
	age := now.Sub(last.at)
	if due := last.at.IsZero() || ended || age >= rowsEvery || n.Hosts != last.hosts && age >= rowsSettle; !due {
		return nil
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer w.Close()
	var out bytes.Buffer
	w.Reset(&out)
	line := func(x any) error {
		b, err := model.Encode(x)
		if err == nil {
			_, err = w.Write(append(b, '\n'))
		}
		return err
	}
	if err := line(rowsHead{rowsVersion, s.id.Member, model.TimeOf(s.clock.Now())}); err != nil {
		return err
	}
	sum := sha256.New()
	err = v.EachHost(func(h model.Host) error {
		if err := line(h); err != nil {
			return err
		}
		h.StatusAt, h.LastSeen = 0, 0 // that alone is no reason to write
		b, err := model.Encode(h)
		sum.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	next := rowCopy{at: now, hosts: n.Hosts}
	sum.Sum(next.sum[:0])
	if !last.at.IsZero() && next.sum == last.sum && !ended && age < rowsAlways {
		return nil
	}
	if err := durable.Write(rowsPath(s.Data), out.Bytes(), 0o600); err != nil {
		return err
	}
	*last = next
	return nil
}

// readRows calls fn with each row of the copy in a data folder; NotFound where there is none. Rows before the place of a
// damage were given to fn.
func readRows(data string, self model.NodeID, fn func(rowsHead, model.Host) error) error {
	path := rowsPath(data)
	op := "read " + path
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, op, "it is not there")
	}
	if err != nil {
		return fault.New(fault.ReadOnly, op, "%w", err)
	}
	defer f.Close()
	return fault.Wrap(op, decodeRows(io.LimitReader(f, maxRowsFile), self, fn))
}

func decodeRows(r io.Reader, self model.NodeID, fn func(rowsHead, model.Host) error) error {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return fault.New(fault.Corrupt, "", "%w", err)
	}
	defer d.Close()
	open := &io.LimitedReader{R: d, N: maxRowsOpen}
	lines := bufio.NewScanner(open)
	lines.Buffer(nil, maxRowLine)
	var head rowsHead
	n := -1 // rows so far; below 0 without a head
	for lines.Scan() {
		if n++; n == 0 {
			if err := model.Decode(lines.Bytes(), &head); err != nil {
				return fault.New(fault.Corrupt, "", "%w", err)
			}
			if head.Version != rowsVersion {
				return fault.New(fault.Version, "", "its version is %d; this program reads %d", head.Version, rowsVersion)
			}
			if head.Self != self {
				return fault.New(fault.Conflict, "", "it is of site %s", head.Self)
			}
			continue
		}
		var h model.Host
		if err := model.Decode(lines.Bytes(), &h); err != nil || h.ID.IsZero() {
			return fault.New(fault.Corrupt, "", "row %d is none: %v", n, err)
		}
		if err := fn(head, h); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fault.New(fault.Corrupt, "", "it cannot be read behind row %d: %w", max(n, 0), err)
	}
	if open.N <= 0 {
		return fault.New(fault.TooLarge, "", "behind row %d it is longer than the %d bytes that are read", max(n, 0), int64(maxRowsOpen))
	}
	if n < 0 {
		return fault.New(fault.Corrupt, "", "it is empty")
	}
	return nil
}

// putRows puts the hosts into a new index, which has the members of the registry already: the rows of the copy, and one with
// a name and no more for each agent that was let in and has none. All are unknown until they are heard. It returns how many.
// An error of the copy is in lacks.
func putRows(tx *index.Tx, data string, self model.NodeID, members []model.Member, at model.Time) (n int64, lacks, err error) {
	known := map[model.NodeID]model.Member{}
	for _, m := range members {
		known[m.ID] = m
	}
	sum := model.SiteCounts{Site: model.SiteID(self), ByStatus: map[string]int64{}}
	put := map[model.HostID]bool{}
	var failed error
	row := func(h model.Host) error {
		h.Site, h.Status, h.StatusAt = sum.Site, model.HostUnknown, at
		put[h.ID] = true
		sum.Add(&h, 1)
		failed = tx.PutHost(h)
		if h.PackagesDigest != "" {
			failed = errors.Join(failed, tx.MarkDirty(h.PackagesDigest))
		}
		return failed
	}
	lacks = readRows(data, self, func(head rowsHead, h model.Host) error {
		m, ok := known[h.Agent]
		if !ok || put[h.ID] || m.Status == model.MemberRemoved && m.StatusAt > head.At {
			return nil // its agent is not known, or went after the copy was written, perhaps with the host
		}
		return row(h)
	})
	if failed != nil {
		return 0, nil, failed
	}
	for _, m := range members {
		id := model.HostID(m.ID)
		if m.Kind != model.MemberHost || m.EnrolledAt.IsZero() || m.Status == model.MemberRemoved || put[id] {
			continue
		}
		if err := row(model.Host{ID: id, Agent: m.ID, Facts: model.Facts{Hostname: m.Name}, FirstSeen: m.EnrolledAt}); err != nil {
			return 0, lacks, err
		}
	}
	if sum.Hosts == 0 {
		return 0, lacks, nil
	}
	all := sum
	all.Site = model.SiteID{}
	return sum.Hosts, lacks, errors.Join(tx.PutCounts(sum), tx.PutCounts(all))
}
