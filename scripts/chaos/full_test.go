package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
)

const (
	diskSize = 512 << 20
	nearly   = 4 << 20 // what is left on a disk that is full to the marks
)

// fullDisks is a group with a disk for each node.
type fullDisks struct {
	*Cluster
	t     *testing.T
	disks map[*Node]*Volume
	h     *History
}

func newFullDisks(t *testing.T, n int, site bool) *fullDisks {
	t.Helper()
	if why := NoVolumes(); why != "" {
		t.Skip("SKIPPED: " + why)
	}
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "chaos-") // shorter than t.TempDir: socket paths have a limit
	if err != nil {
		t.Fatal(err)
	}
	f := &fullDisks{t: t, disks: map[*Node]*Volume{}, h: NewHistory()}
	f.Cluster = &Cluster{site: site, Group: local.Group{Bin: bin, Dir: dir, Died: make(chan error, 1)}, prepare: func(n *Node) error {
		v, err := NewVolume(filepath.Join(dir, "disk-"+n.Name), diskSize)
		if v != nil {
			f.disks[n] = v
		}
		if err != nil {
			return err
		}
		return os.Symlink(v.Dir, filepath.Join(dir, n.Name))
	}}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
			for _, l := range logs {
				t.Logf("the end of %s:\n%s", filepath.Base(l), local.Tail(l, 25))
			}
		}
		for _, v := range f.disks {
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		}
		_ = os.RemoveAll(dir)
	})
	if err := f.Grow(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fullDisks) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// until waits for something that is to happen soon.
func (f *fullDisks) until(what string, look func() (bool, error)) {
	f.t.Helper()
	f.must(local.Until(f.t.Context(), 30*time.Second, what, look))
}

// metric waits until a node tells a value.
func (f *fullDisks) metric(n *Node, name string, want float64) {
	f.t.Helper()
	f.until(fmt.Sprintf("%s of %s being %v", name, n.Name, want), func() (bool, error) {
		got, err := f.Metric(f.t.Context(), n, name)
		return err == nil && got == want, err
	})
}

// fill fills the disk of a node up to its marks: it says so, gives its ballast up, and goes on reading.
func (f *fullDisks) fill(n *Node) {
	f.t.Helper()
	f.must(f.disks[n].Fill(nearly))
	f.metric(n, `skerry_read_only{reason="disk_full"}`, 1)
	f.metric(n, "skerry_disk_level", 2)
	f.until("the ballast of "+n.Name+" being given up", func() (bool, error) {
		_, err := os.Stat(filepath.Join(n.Data(), "ballast"))
		return errors.Is(err, os.ErrNotExist), nil
	})
}

// wellAlong requires that all nodes run and can be read from, and that the leader's reads miss nothing. A node that takes
// nothing in any more falls behind, so that it has only stale reads to give.
func (f *fullDisks) wellAlong() {
	f.t.Helper()
	leader := f.Leader(f.t.Context())
	for _, n := range f.Nodes {
		select {
		case <-n.Ended():
			f.t.Fatalf("%s ended", n.Name)
		default:
		}
		f.until("a read through "+n.Name, func() (bool, error) {
			ctx, cancel := context.WithTimeout(f.t.Context(), 5*time.Second)
			defer cancel()
			if n == leader {
				_, err := f.h.Read(ctx, 100, n.API(), "r0-0")
				return err == nil, err
			}
			stale := NewAPI(filepath.Join(f.Dir, n.Name, "skerry.sock"))
			defer stale.Close()
			stale.Stale = true
			_, err := stale.Read(ctx, "r0-0")
			return err == nil, err
		})
	}
}

// empty gives the room of disks back: everything goes on by itself.
func (f *fullDisks) empty(nodes ...*Node) {
	f.t.Helper()
	for _, n := range nodes {
		f.must(f.disks[n].Empty())
	}
	for _, n := range nodes {
		f.metric(n, `skerry_read_only{reason="disk_full"}`, 0)
		f.metric(n, "skerry_disk_level", 0)
		f.until("the ballast of "+n.Name+" being there again", func() (bool, error) {
			_, err := os.Stat(filepath.Join(n.Data(), "ballast"))
			return err == nil, nil
		})
	}
	if !f.site {
		f.until("the group being whole", func() (bool, error) { return f.Whole(f.t.Context()) })
	}
}

// goesOn requires that writes are acknowledged, and returns how long after the moment the first was.
func (f *fullDisks) goesOn(from time.Duration) time.Duration {
	f.t.Helper()
	var took time.Duration
	f.until("writes", func() (ok bool, err error) { took, ok = f.h.Resumed(from); return ok, nil })
	before := f.h.Acked()
	settle(f.t.Context(), f.h, 30)
	if n := f.h.Acked(); n < before+30 {
		f.t.Fatalf("only %d writes were acknowledged in 30 s", n-before)
	}
	return took.Round(time.Millisecond)
}

// The disk of a follower, of the leader and of all nodes fills up, to the marks and then to the last byte, while callers
// read and write: no node ends, nothing is lost, and writes go on as soon as a majority has room, by themselves.
func TestFullDisk(t *testing.T) {
	rnd := dice(t)
	f := newFullDisks(t, 3, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	load := Load{Clients: 6, Names: 10, Era: 40, Eras: 22, Writes: 50, Pause: 5 * time.Millisecond, Timeout: 2 * time.Second, Seed: rnd.Uint64()}
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		load.Drive(ctx, f.h, 0, func(i int) Register { return f.Nodes[i%len(f.Nodes)].API() })
	}()
	leader := func() (l *Node) {
		f.until("a leader", func() (bool, error) { l = f.Leader(ctx); return l != nil, nil })
		return l
	}
	for round := range rounds(1, 10) {
		l := leader()
		follower := f.Nodes[0]
		if follower == l {
			follower = f.Nodes[1]
		}
		from := f.h.At()
		f.fill(follower)
		a := f.goesOn(from)
		f.must(f.disks[follower].Fill(0))
		f.goesOn(f.h.At())
		f.wellAlong()
		f.empty(follower)

		l = leader()
		from = f.h.At()
		f.fill(l)
		f.until("another node leading", func() (bool, error) { now := f.Leader(ctx); return now != nil && now != l, nil })
		b := f.goesOn(from)
		f.must(f.disks[l].Fill(0))
		f.goesOn(f.h.At())
		f.wellAlong()
		f.empty(l)

		for _, n := range f.Nodes {
			f.fill(n)
		}
		f.until("writes being refused because of the disk", func() (bool, error) {
			one, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			err := f.h.Write(one, 101, f.Nodes[round%3].API(), "full", fmt.Sprint("v", time.Now().UnixNano()))
			return err != nil && strings.Contains(err.Error(), "507") && strings.Contains(err.Error(), "disk_full"), err
		})
		for _, n := range f.Nodes {
			f.must(f.disks[n].Fill(0))
		}
		full := f.h.At() // what began before may have found the last of the room
		f.wellAlong()
		if after, any := f.h.Resumed(full); any {
			t.Errorf("a write was acknowledged %s after no disk had room", after)
		}
		from = f.h.At()
		f.empty(f.Nodes...)
		c := f.goesOn(from)
		f.wellAlong()
		t.Logf("round %d: a write after %s with a follower's disk full, %s with the leader's, %s after all had room again", round, a, b, c)
	}
	cancel()
	<-loaded
	t.Logf("%d operations, %d writes acknowledged, %d unknown, %d refused or failed", f.h.Len(), f.h.Acked(), f.h.Unknown, f.h.Failed)
	readAll(t, f.Cluster, f.h, load)
	if err := f.h.Judge(2 * time.Minute); err != nil {
		t.Error(err)
	}
	sameRows(t, f.Cluster)
}

// The disk of a site fills up to its marks and then to the last byte, while callers read and write.
func TestFullDiskOfASite(t *testing.T) {
	rnd := dice(t)
	f := newFullDisks(t, 1, true)
	n := f.Nodes[0]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	load := Load{Clients: 3, Names: 10, Era: 40, Eras: 22, Writes: 50, Pause: 5 * time.Millisecond, Timeout: 2 * time.Second, Seed: rnd.Uint64()}
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		load.Drive(ctx, f.h, 0, func(int) Register { return n.API() })
	}()
	settle(ctx, f.h, 50)
	for round := range rounds(2, 20) {
		f.fill(n)
		f.until("writes being refused because of the disk", func() (bool, error) {
			one, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			err := f.h.Write(one, 101, n.API(), "full", fmt.Sprint("v", time.Now().UnixNano()))
			return err != nil && strings.Contains(err.Error(), "507") && strings.Contains(err.Error(), "disk_full"), err
		})
		full := f.h.At() // what began before may have found the last of the room
		f.must(f.disks[n].Fill(0))
		f.wellAlong()
		if after, any := f.h.Resumed(full); any {
			t.Errorf("a write was acknowledged %s after the disk had no room", after)
		}
		from := f.h.At()
		f.empty(n)
		t.Logf("round %d: a write %s after the disk had room again", round, f.goesOn(from))
	}
	cancel()
	<-loaded
	t.Logf("%d operations, %d writes acknowledged, %d unknown, %d refused or failed", f.h.Len(), f.h.Acked(), f.h.Unknown, f.h.Failed)
	readAll(t, f.Cluster, f.h, load)
	if err := f.h.Judge(2 * time.Minute); err != nil {
		t.Error(err)
	}
}
