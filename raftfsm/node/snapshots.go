package node

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
)

// The snapshots of a node, newest two, and the files of one that is being received:
//
//	DIR/snapshots/TERM-INDEX-MS/meta.json      see folderMeta
//	DIR/snapshots/TERM-INDEX-MS/rows/…         a checkpoint of the index; its large files are shared with it
//	DIR/snapshots/TERM-INDEX-MS/manifest.json  raftfsm.Manifest, once somebody was sent this snapshot
//	DIR/snapshots/….tmp                        unfinished or being removed
//	DIR/incoming/TERM-INDEX-MS-SUM/rows/…      of a snapshot at its leader; SUM is of its manifest
//	DIR/incoming/TERM-INDEX-MS-SUM/done.json   that manifest, once all files are there
//
// A snapshot is made under its temporary name, made durable, and renamed. Up to now snapshots were Raft's own: a file
// state.bin with an archive beside a meta.json of another form. The newest is unpacked at the first start.
const (
	snapshotsName = "snapshots"
	incomingName  = "incoming"
	metaName      = "meta.json"
	rowsName      = "rows"
	manifestName  = "manifest.json"
	doneName      = "done.json"
	stateName     = "state.bin" // of the earlier form
	tempEnd       = ".tmp"

	retained   = 2
	metaFormat = 1
	maxMeta    = 1 << 20 // bytes of meta.json
)

// folderMeta is meta.json. Sum is the SHA-256 of the same with an empty Sum.
type folderMeta struct {
	Format  int                  `json:"format"`
	Version raft.SnapshotVersion `json:"version"` // of Raft's own
	ID      string               `json:"id"`
	Index   uint64               `json:"index"`
	Term    uint64               `json:"term"`
	Applied uint64               `json:"applied"` // of the rows: at most Index
	Size    int64                `json:"size"`    // bytes of all rows
	Servers []folderServer       `json:"servers"`
	Since   uint64               `json:"servers_index"` // entry that made Servers
	// Lists are the files of rows but its tables, which have sums of their own; none in snapshots of earlier versions.
	Lists []raftfsm.File `json:"lists,omitempty"`
	Sum   string         `json:"sum"`
}

type folderServer struct {
	ID       string              `json:"id"`
	Address  string              `json:"address"`
	Suffrage raft.ServerSuffrage `json:"suffrage"`
}

func (m *folderMeta) sum() string {
	c := *m
	c.Sum = ""
	b, err := model.Encode(c)
	if err != nil {
		return "" // never equal to one that was written
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func (m *folderMeta) raft() *raft.SnapshotMeta {
	out := &raft.SnapshotMeta{Version: m.Version, ID: m.ID, Index: m.Index, Term: m.Term, ConfigurationIndex: m.Since, Size: m.Size}
	for _, s := range m.Servers {
		out.Configuration.Servers = append(out.Configuration.Servers, raft.Server{Suffrage: s.Suffrage, ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address)})
	}
	return out
}

// snapshots keeps the snapshots of this node as folders. It implements raft.SnapshotStore.
type snapshots struct {
	dir      string // of the node
	incoming *receiver
	log      *slog.Logger
	now      func() time.Time
	// tables holds the tables in a folder against their sums.
	tables func(ctx context.Context, dir string) error

	ctx    context.Context // of what is sent; ended by stop
	cancel context.CancelFunc

	mu   sync.Mutex     // guards what follows
	open map[string]int // readers of each
}

// openSnapshots prepares the folders below dir, removes what a crash left in them, and unpacks a snapshot of the earlier form.
func openSnapshots(dir string, log *slog.Logger) (*snapshots, error) {
	s := &snapshots{dir: dir, log: log, now: time.Now, open: map[string]int{}, tables: func(context.Context, string) error { return nil }}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.incoming = newReceiver(filepath.Join(dir, incomingName), s.donors, log)
	for _, name := range []string{snapshotsName, incomingName} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, fault.New(fault.ReadOnly, "", "%w", err)
		}
	}
	names, err := os.ReadDir(s.folder(""))
	if err != nil {
		return nil, fault.New(fault.ReadOnly, "", "%w", err)
	}
	for _, e := range names {
		if strings.HasSuffix(e.Name(), tempEnd) {
			if err := os.RemoveAll(s.folder(e.Name())); err != nil {
				return nil, fault.New(fault.ReadOnly, "", "%w", err)
			}
		}
	}
	return s, s.migrate()
}

// halt ends what is being sent and received, at once.
func (s *snapshots) halt() {
	s.cancel()
	s.incoming.halt()
}

// stop ends what is being sent and received, and waits until nothing is written any more.
func (s *snapshots) stop() {
	s.halt()
	s.incoming.stop()
}

func (s *snapshots) folder(id string) string { return filepath.Join(s.dir, snapshotsName, id) }

// ids returns the ids of the finished snapshots, newest first.
func (s *snapshots) ids() ([]string, error) {
	names, err := os.ReadDir(s.folder(""))
	if err != nil {
		return nil, fault.New(fault.ReadOnly, "", "%w", err)
	}
	var ids []string
	for _, e := range names {
		if e.IsDir() && raftfsm.SnapshotID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		x, y := place(a), place(b)
		return cmp.Or(cmp.Compare(y[1], x[1]), cmp.Compare(y[0], x[0]), cmp.Compare(y[2], x[2]))
	})
	return ids, nil
}

// place returns term, index and time of an id.
func place(id string) (n [3]uint64) {
	for i, p := range strings.SplitN(id, "-", 3) {
		n[i], _ = strconv.ParseUint(p, 10, 64) // zero, and so oldest, where it is too large
	}
	return n
}

// newest returns when the newest snapshot was made; false: there is none.
func (s *snapshots) newest() (time.Time, bool) {
	ids, err := s.ids()
	if err != nil || len(ids) == 0 {
		return time.Time{}, false
	}
	info, err := os.Stat(s.folder(ids[0]))
	if err != nil {
		return time.Time{}, false
	}
	return info.ModTime(), true
}

// List implements raft.SnapshotStore. A damaged snapshot is an error where it is the newest: the log is cut behind that one.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	var all []*raft.SnapshotMeta
	for i, id := range ids {
		m, err := s.readMeta(id)
		if err != nil && i == 0 {
			return nil, err
		}
		if err != nil {
			s.log.Warn("an older snapshot is damaged and not used", "id", id, "err", err)
			continue
		}
		all = append(all, m.raft())
	}
	return all, nil
}

func (s *snapshots) readMeta(id string) (*folderMeta, error) {
	b, err := readBounded(filepath.Join(s.folder(id), metaName), maxMeta)
	if err == nil {
		m := &folderMeta{}
		switch err = model.Decode(b, m); {
		case err != nil:
		case m.Format > metaFormat:
			return nil, fault.New(fault.Version, "", "the snapshot %s has format %d and this program reads up to %d; run the version that wrote it, or a newer one", id, m.Format, metaFormat)
		case m.ID != id || m.Sum == "" || m.Sum != m.sum():
			err = errors.New("its sum is not that of its content")
		default:
			return m, nil
		}
	}
	return nil, fault.New(fault.Corrupt, "", "the snapshot %s is damaged: %s: %w; remove this node's data folder and let it join the group anew, or restore a backup", id, metaName, err)
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = errors.New("it is too long")
	}
	return b, err
}

// Create implements raft.SnapshotStore.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, group raft.Configuration, since uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	m := folderMeta{Format: metaFormat, Version: version, Index: index, Term: term, Since: since}
	for _, v := range group.Servers {
		m.Servers = append(m.Servers, folderServer{string(v.ID), string(v.Address), v.Suffrage})
	}
	for ms := s.now().UnixMilli(); ; ms++ {
		m.ID = strings.Join([]string{strconv.FormatUint(term, 10), strconv.FormatUint(index, 10), strconv.FormatInt(ms, 10)}, "-")
		if _, err := os.Lstat(s.folder(m.ID)); err == nil {
			continue // two within a millisecond
		}
		err := os.Mkdir(s.folder(m.ID)+tempEnd, 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fault.New(fault.ReadOnly, "make a snapshot", "%w", err)
		}
		return &sink{store: s, meta: m, dir: s.folder(m.ID) + tempEnd}, nil
	}
}

// Open implements raft.SnapshotStore. The snapshot stays until the reader is closed.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.readMeta(id)
	if err != nil {
		return nil, nil, err
	}
	s.open[id]++
	return m.raft(), &folderReader{store: s, meta: m, rows: filepath.Join(s.folder(id), rowsName)}, nil
}

// reap removes the snapshots beyond the newest, but those that are being read.
func (s *snapshots) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids, err := s.ids()
	for i, id := range ids {
		if i < retained || s.open[id] > 0 || err != nil {
			continue
		}
		// A half removed one must not look like a whole one.
		if err = os.Rename(s.folder(id), s.folder(id)+tempEnd); err == nil {
			err = os.RemoveAll(s.folder(id) + tempEnd)
		}
	}
	if err != nil {
		s.log.Warn("an old snapshot could not be removed", "err", err)
	}
}

// donors returns the folders of this node that may hold files of a snapshot that is to be received: a node
// that got one from the same leader before has most of the next.
func (s *snapshots) donors() []string {
	ids, _ := s.ids() // without them, all files come over the wire
	for i, id := range ids {
		ids[i] = filepath.Join(s.folder(id), rowsName)
	}
	return ids
}

// earlierMeta is meta.json of the earlier form, of which Raft's store was the owner.
type earlierMeta struct {
	raft.SnapshotMeta
	CRC []byte
}

// migrate unpacks the newest snapshot of the earlier form, unless there is a newer one, and removes all of that form. A crash in
// between leaves both, of which the new one counts.
func (s *snapshots) migrate() error {
	ids, err := s.ids()
	if err != nil {
		return err
	}
	var earlier []string
	for i, id := range ids {
		if _, err := os.Lstat(filepath.Join(s.folder(id), stateName)); err != nil {
			continue
		}
		if i == 0 {
			if err := s.unpack(id); err != nil {
				return fault.Wrap("bring the snapshot "+id+" to the present form", err)
			}
			s.log.Info("a snapshot was brought to the present form", "id", id)
		}
		earlier = append(earlier, id)
	}
	for _, id := range earlier {
		if err := os.Rename(s.folder(id), s.folder(id)+tempEnd); err != nil {
			return fault.New(fault.ReadOnly, "", "%w", err)
		}
		if err := os.RemoveAll(s.folder(id) + tempEnd); err != nil {
			return fault.New(fault.ReadOnly, "", "%w", err)
		}
	}
	return nil
}

func (s *snapshots) unpack(id string) error {
	b, err := readBounded(filepath.Join(s.folder(id), metaName), maxMeta)
	var m earlierMeta
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return fault.New(fault.Corrupt, "", "%s: %w; remove this node's data folder and let it join the group anew, or restore a backup", metaName, err)
	}
	f, err := os.Open(filepath.Join(s.folder(id), stateName))
	if err != nil {
		return fault.New(fault.Corrupt, "", "%w", err)
	}
	defer f.Close()
	out, err := s.Create(m.Version, m.Index, m.Term, m.Configuration, m.ConfigurationIndex, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, f); err != nil {
		_ = out.Cancel() // the error that matters is the first
		return err
	}
	return out.Close()
}
