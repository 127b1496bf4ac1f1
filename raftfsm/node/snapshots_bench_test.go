package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/storage/index"
)

// directory is the rows of a fleet and the snapshots of them, as on a controller.
type directory struct {
	dir   string
	store *index.Store
	fsm   *raftfsm.FSM
	snaps *snapshots
}

func openDirectory(b *testing.B, hosts int) *directory {
	d := &directory{dir: b.TempDir()}
	put := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	open := func() {
		var err error
		d.store, err = index.Open(filepath.Join(d.dir, "index"), index.Options{NoWAL: true, CacheBytes: index.ControllerCache, MemBytes: index.ControllerMem})
		put(err)
	}
	open()
	b.Cleanup(func() { _ = d.store.Close() })
	tx := d.store.Begin()
	put(tx.PutSelf(model.Found{Stamp: stamp(0), Self: model.NodeID{1}, Role: model.RoleController, Name: "group"}))
	f := fleet.New(fleet.Config{Seed: 1, Hosts: hosts, Sites: max(1, hosts/2000)})
	for _, site := range f.Sites {
		put(tx.PutSite(site.Model()))
	}
	n := 0
	put(f.Order(500, func(site, i int) error {
		if err := tx.PutHost(f.Host(site, i).Model()); err != nil {
			return err
		}
		if n++; n%500 != 0 {
			return nil
		}
		err := tx.Commit(uint64(n), false)
		tx = d.store.Begin()
		return err
	}))
	put(tx.Commit(uint64(n), false))
	put(d.store.Compact(b.Context()))
	put(d.store.Close()) // with a checkpoint of the index in memory
	open()
	d.fsm = raftfsm.New(d.store, apply.Env{Role: model.RoleController}, nil)
	d.fsm.Scratch = filepath.Join(d.dir, "raft", scratchName)
	var err error
	d.snaps, err = openSnapshots(filepath.Join(d.dir, "raft"), slog.New(slog.DiscardHandler))
	put(err)
	b.Cleanup(d.snaps.stop)
	return d
}

// bytes is how much of the disk the folder takes, shared files once.
func (d *directory) bytes(b *testing.B) int64 {
	seen, total := map[uint64]bool{}, int64(0)
	err := filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Pebble has removed it just now
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st := info.Sys().(*syscall.Stat_t); !seen[st.Ino] {
			seen[st.Ino] = true
			total += st.Blocks * 512
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return total
}

// snapshot takes one as Raft does. begin is the part that holds up whoever applies.
func (d *directory) snapshot(b *testing.B) (id string, begin time.Duration) {
	from := time.Now()
	snap, err := d.fsm.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	begin = time.Since(from)
	defer snap.Release()
	k, err := d.snaps.Create(1, d.store.Applied(), 1, group, 1, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := snap.Persist(k); err != nil {
		b.Fatal(err)
	}
	if err := k.Close(); err != nil {
		b.Fatal(err)
	}
	return k.ID(), begin
}

// change writes n hosts anew, so that a snapshot finds rows in memory.
func (d *directory) change(b *testing.B, n int) {
	tx := d.store.Begin()
	for i := range n {
		id := model.HostID{9, byte(i >> 16), byte(i >> 8), byte(i)}
		h := model.Host{ID: id, Agent: model.NodeID(id), Status: model.HostUp, StatusAt: stamp(int(d.store.Applied())).At}
		h.Hostname = fmt.Sprint("host", i)
		if err := tx.PutHost(h); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(d.store.Applied()+1, false); err != nil {
		b.Fatal(err)
	}
}

var sizes = []int{100_000, 1_000_000}

// BenchmarkTakeSnapshot takes snapshots of a directory of which 10,000 rows changed since the last. One op is one
// snapshot; the bytes are those that the first takes on the disk.
func BenchmarkTakeSnapshot(b *testing.B) {
	for _, hosts := range sizes {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			d := openDirectory(b, hosts)
			before := d.bytes(b)
			d.snapshot(b)
			extra := d.bytes(b) - before
			var begin, worst time.Duration
			for b.Loop() {
				b.StopTimer()
				d.change(b, 10_000)
				b.StartTimer()
				_, took := d.snapshot(b)
				begin += took
				worst = max(worst, took)
			}
			b.ReportMetric(float64(begin.Milliseconds())/float64(b.N), "held-ms/op")
			b.ReportMetric(float64(worst.Milliseconds()), "held-worst-ms")
			b.ReportMetric(float64(before)/1e6, "rows-MB")
			b.ReportMetric(100*float64(extra)/float64(before), "extra-%")
		})
	}
}

// BenchmarkSendSnapshot sends a snapshot over loopback TCP to a node that has nothing, from the reading of the sums to
// the last file being durable, and puts it in the place of that node's rows. Beside it the same bytes are copied over
// loopback alone, and written to the disk alone; of-slower-% is the median of the turns, each against its own.
func BenchmarkSendSnapshot(b *testing.B) {
	for _, hosts := range sizes {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			d := openDirectory(b, hosts)
			id, _ := d.snapshot(b)
			d.snaps.tables = index.CheckTables
			var wire, disk, sent, restored time.Duration
			var size int64
			var shares []float64
			for b.Loop() {
				b.StopTimer()
				p := &pair{lines: &wires{}, store: d.snaps, sender: &sender{store: d.snaps}}
				p.sender.streams = p.lines
				p.to = newReceiver(filepath.Join(b.TempDir(), incomingName), func() []string { return nil }, slog.New(slog.DiscardHandler))
				if err := os.Mkdir(p.to.dir, 0o700); err != nil {
					b.Fatal(err)
				}
				p.ended = p.lines.serve(b, "b", p.to.receive)
				_ = os.Remove(filepath.Join(d.snaps.folder(id), manifestName)) // it is made each time
				overWire := copyOver(b, filepath.Join(d.snaps.folder(id), rowsName))
				toDisk := copyTo(b, filepath.Join(d.snaps.folder(id), rowsName), filepath.Join(b.TempDir(), "copy"))
				wire, disk = wire+overWire, disk+toDisk
				other, err := index.Open(filepath.Join(b.TempDir(), "index"), index.Options{NoWAL: true, CacheBytes: index.ControllerCache, MemBytes: index.ControllerMem})
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				from := time.Now()
				p.read(b, id)
				if _, err := p.send(); err != nil {
					b.Fatal(err)
				}
				size = p.m.Bytes()
				took := time.Since(from)
				sent += took
				shares = append(shares, 100*max(overWire, toDisk).Seconds()/took.Seconds())
				b.Logf("loopback alone %v, the disk alone %v, sent in %v: %.0f %%", overWire.Round(time.Millisecond), toDisk.Round(time.Millisecond), took.Round(time.Millisecond), shares[len(shares)-1])
				from = time.Now()
				rows := filepath.Join(filepath.Dir(p.to.dir), "rows")
				if _, err := p.to.claim(p.body, rows); err != nil {
					b.Fatal(err)
				}
				if err := raftfsm.LinkRows(rows, rows+"2"); err != nil {
					b.Fatal(err)
				}
				if err := other.Replace(rows + "2"); err != nil {
					b.Fatal(err)
				}
				restored += time.Since(from)
				b.StopTimer()
				if err := other.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			rate := func(t time.Duration) float64 { return float64(size) * float64(b.N) / 1e6 / t.Seconds() }
			b.ReportMetric(float64(size)/1e6, "MB")
			b.ReportMetric(rate(wire), "loopback-MB/s")
			b.ReportMetric(rate(disk), "disk-MB/s")
			b.ReportMetric(rate(sent), "sent-MB/s")
			b.ReportMetric(restored.Seconds()/float64(b.N), "restore-s")
			b.ReportMetric(median(shares), "of-slower-%")
		})
	}
}

// copyOver sends the files of a folder over loopback to nobody.
func copyOver(b *testing.B, dir string) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = io.Copy(struct{ io.Writer }{io.Discard}, conn)
		}
		done <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	from := time.Now()
	each(b, dir, func(_ string, f *os.File) error {
		_, err := io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{f}, make([]byte, piece))
		return err
	})
	if err := conn.Close(); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return time.Since(from)
}

// copyTo writes the files of a folder to another, each durably.
func copyTo(b *testing.B, dir, to string) time.Duration {
	if err := os.Mkdir(to, 0o700); err != nil {
		b.Fatal(err)
	}
	from := time.Now()
	each(b, dir, func(name string, f *os.File) error {
		w, err := os.Create(filepath.Join(to, name))
		if err != nil {
			return err
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, make([]byte, piece)); err != nil {
			return err
		}
		if err := w.Sync(); err != nil {
			return err
		}
		return w.Close()
	})
	return time.Since(from)
}

func each(b *testing.B, dir string, fn func(name string, f *os.File) error) {
	for _, name := range names(b, dir) {
		f, err := os.Open(filepath.Join(dir, name))
		if err == nil {
			err = fn(name, f)
			_ = f.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
