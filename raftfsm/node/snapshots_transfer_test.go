package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm"
)

// wires opens streams over TCP to whoever listens, as sync/peer does over its sessions: the body goes first.
type wires struct {
	mu   sync.Mutex
	to   map[string]string            // addresses of listeners by those of Raft
	bend func(conn net.Conn) net.Conn // of the leader's end; nil: as it is

	receivers map[string]*receiver // of nodes that come and go
}

func (l *wires) Stream(ctx context.Context, addr, route string, body []byte) (net.Conn, error) {
	l.mu.Lock()
	to, bend := l.to[addr], l.bend
	l.mu.Unlock()
	if route != SnapshotRoute || to == "" {
		return nil, fault.New(fault.Unreachable, "", "nobody serves %s at %s", route, addr)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		return nil, err
	}
	if bend != nil {
		conn = bend(conn)
	}
	return conn, nil
}

// serve hands the streams that arrive for addr to take, until the test ends. The errors of take go to ended.
func (l *wires) serve(t testing.TB, addr string, take func(ctx context.Context, from string, body []byte, conn net.Conn) error) (ended chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	if l.to == nil {
		l.to = map[string]string{}
	}
	l.to[addr] = listener.Addr().String()
	l.mu.Unlock()
	ended = make(chan error, 1000)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				var size [4]byte
				if _, err := io.ReadFull(conn, size[:]); err != nil {
					return
				}
				body := make([]byte, binary.BigEndian.Uint32(size[:]))
				if _, err := io.ReadFull(conn, body); err != nil {
					return
				}
				ended <- take(context.Background(), "leader", body, conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	return ended
}

// cutting ends a connection after a number of bytes that were written to it.
type cutting struct {
	net.Conn
	left int
}

func (c *cutting) Write(b []byte) (int, error) {
	if len(b) > c.left {
		n, _ := c.Conn.Write(b[:c.left])
		c.left = 0
		_ = c.Conn.(*net.TCPConn).CloseWrite() // what was written arrives
		return n, errors.New("cut")
	}
	c.left -= len(b)
	return c.Conn.Write(b)
}

// flipping flips a bit at each of some places of what is written.
type flipping struct {
	net.Conn
	at    int64
	flips []int64
}

func (c *flipping) Write(b []byte) (int, error) {
	b = bytes.Clone(b)
	for _, at := range c.flips {
		if at >= c.at && at < c.at+int64(len(b)) {
			b[at-c.at] ^= 1
		}
	}
	c.at += int64(len(b))
	return c.Conn.Write(b)
}

// someFiles are files of many sizes, among them none, one byte, and more than a piece.
func someFiles(rnd *rand.Rand) map[string][]byte {
	files := map[string][]byte{}
	for i, n := range []int{0, 1, 17, 4096, piece - frameHead, piece, piece + 1, 3*piece + 5, rnd.IntN(5 * piece)} {
		b := make([]byte, n)
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		files[fmt.Sprintf("%06d.sst", i)] = b
	}
	return files
}

// pair is a leader's store with one snapshot, and a receiver of another node.
type pair struct {
	store  *snapshots
	sender *sender
	reader *folderReader
	body   []byte
	m      *raftfsm.Manifest
	to     *receiver
	lines  *wires
	ended  chan error
	files  map[string][]byte
}

func newPair(t testing.TB, files map[string][]byte) *pair {
	t.Helper()
	p := &pair{lines: &wires{}, files: files}
	p.store = newSnapshots(t, t.TempDir())
	p.to = newReceiver(filepath.Join(t.TempDir(), incomingName), func() []string { return nil }, slog.New(slog.DiscardHandler))
	if err := os.Mkdir(p.to.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.to.stop)
	p.sender = &sender{store: p.store, streams: p.lines}
	p.read(t, keep(t, p.store, 10, 1, files))
	p.ended = p.lines.serve(t, "b", p.to.receive)
	return p
}

// read makes a snapshot of the leader the one that is sent.
func (p *pair) read(t testing.TB, id string) {
	t.Helper()
	_, r, err := p.store.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	p.reader = r.(*folderReader)
	if p.body, p.m, err = p.reader.manifest(); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) send() (int64, error) { return p.sender.offer("b", p.body, p.m, p.reader.rows) }

// arrived requires that all files are there, and takes them.
func (p *pair) arrived(t testing.TB, files map[string][]byte) {
	t.Helper()
	rows := filepath.Join(t.TempDir(), "rows")
	applied, err := p.to.claim(p.body, rows)
	if err != nil || applied != p.m.Applied {
		t.Fatal(applied, err)
	}
	if got := names(t, rows); len(got) != len(files) {
		t.Fatalf("%d files arrived, want %d", len(got), len(files))
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(rows, name)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s is not what was sent: %v", name, err)
		}
	}
	if left := names(t, p.to.dir); len(left) != 0 {
		t.Fatalf("left: %q", left)
	}
	if _, err := p.to.claim(p.body, rows+"2"); !fault.Is(err, fault.Conflict) {
		t.Fatalf("taken twice: %v", err)
	}
}

// TestTransferResumes cuts the stream again and again. Nothing that arrived is sent twice.
func TestTransferResumes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	p := newPair(t, someFiles(rnd))
	total, sent, cuts := p.m.Bytes(), int64(0), 0
	for {
		budget := rnd.IntN(piece)
		if rnd.IntN(4) == 0 {
			budget = rnd.IntN(40) // within a head, too
		}
		p.lines.bend = func(conn net.Conn) net.Conn { return &cutting{conn, budget} }
		if cuts > 60 {
			p.lines.bend = nil
		}
		n, err := p.send()
		there := <-p.ended
		if sent += n; err == nil {
			if there != nil {
				t.Fatal(there)
			}
			break
		}
		if there == nil || !fault.Is(there, fault.Unreachable) {
			t.Fatalf("the leader: %v; the follower: %v", err, there)
		}
		if _, err := p.to.claim(p.body, filepath.Join(t.TempDir(), "rows")); !fault.Is(err, fault.Conflict) {
			t.Fatalf("half a snapshot was taken: %v", err)
		}
		cuts++
	}
	p.arrived(t, p.files)
	if cuts < 5 || sent > total {
		t.Errorf("%d bytes were sent for %d, in %d pieces", sent, total, cuts+1)
	}
	t.Logf("%d cuts", cuts)
}

// TestTransferRefusesDamage: a flipped bit anywhere is noticed, and only the file that it is in is sent again.
func TestTransferRefusesDamage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	p := newPair(t, someFiles(rnd))
	// Two flips within the bytes of files: behind the heads of the three small ones.
	skip := int64(3*frameHead + 1 + 17)
	p.lines.bend = func(conn net.Conn) net.Conn {
		return &flipping{Conn: conn, flips: []int64{skip + frameHead + 5, skip + 2*frameHead + 4096 + 100}}
	}
	sent, err := p.send()
	if err != nil {
		t.Fatal(err, <-p.ended)
	}
	if again := sent - p.m.Bytes(); again != 4096+piece-frameHead {
		t.Errorf("%d bytes were sent again", again)
	}
	p.arrived(t, p.files)

	// One that is wrong each time: it is given up, and the leader hears why.
	<-p.ended
	at := p.m.Files[3].Name
	if err := os.WriteFile(filepath.Join(p.reader.rows, at), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	p.lines.bend = nil
	if _, err := p.send(); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), at) || !strings.Contains(err.Error(), "the other node says") {
		t.Errorf("the leader: %v", err)
	}
	if err := <-p.ended; !fault.Is(err, fault.Corrupt) {
		t.Errorf("the follower: %v", err)
	}
	if err := os.Truncate(filepath.Join(p.reader.rows, at), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := p.send(); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a file that became shorter: %v", err)
	}
	<-p.ended

	// What lies in the follower's folder is not trusted either.
	if err := os.WriteFile(filepath.Join(p.reader.rows, at), p.files[at], 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(p.to.folder(p.m, p.body), rowsName)
	for i, b := range map[int][]byte{4: make([]byte, piece-frameHead), 5: make([]byte, 1000), 6: make([]byte, 2*piece)} {
		if err := os.WriteFile(filepath.Join(dir, p.m.Files[i].Name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.send(); err != nil {
		t.Fatal(err)
	}
	p.arrived(t, p.files)
}

// TestTransferIsDurable: each file is made durable in the transfer that completes the snapshot, also one that was there
// before, from one that was killed or from another folder.
func TestTransferIsDurable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	p := newPair(t, someFiles(rnd))
	own := rowsOf(t, filepath.Join(t.TempDir(), "own"), map[string][]byte{"000008.sst": p.files["000008.sst"]})
	p.to.donors = func() []string { return []string{own} }
	rowsOf(t, filepath.Join(p.to.folder(p.m, p.body), rowsName), map[string][]byte{"000000.sst": nil, "000003.sst": p.files["000003.sst"], "000005.sst": p.files["000005.sst"][:100]})
	var mu sync.Mutex
	synced := map[string]int{}
	p.to.sync = func(f *os.File) error {
		mu.Lock()
		defer mu.Unlock()
		if info, err := f.Stat(); err == nil && info.Size() == int64(len(p.files[filepath.Base(f.Name())])) {
			synced[filepath.Base(f.Name())]++
		}
		return f.Sync()
	}
	if _, err := p.send(); err != nil {
		t.Fatal(err, <-p.ended)
	}
	for name := range p.files {
		if synced[name] != 1 {
			t.Errorf("%s was made durable %d times", name, synced[name])
		}
	}
	p.to.sync = func(*os.File) error { return errors.New("input/output error") }
	<-p.ended
	p.read(t, keep(t, p.store, 12, 1, p.files))
	if _, err := p.send(); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("a disk that fails: %v", err)
	}
}

// TestTransferLeavesRoom: a snapshot does not fill the disk of who receives it, and goes on when there is room.
func TestTransferLeavesRoom(t *testing.T) {
	p := newPair(t, map[string][]byte{"000001.sst": make([]byte, 10<<20), "000002.sst": make([]byte, 10<<20)})
	looks := 0
	p.to.room = func() error {
		if looks++; looks > 2 {
			return fault.New(fault.Full, "", "the disk is full")
		}
		return nil
	}
	for range 2 {
		if sent, err := p.send(); !fault.Is(err, fault.Full) || sent == p.m.Bytes() {
			t.Errorf("%d bytes were sent: %v", sent, err)
		}
		if err := <-p.ended; !fault.Is(err, fault.Full) {
			t.Errorf("the follower: %v", err)
		}
	}
	p.to.room = func() error { return nil }
	if _, err := p.send(); err != nil {
		t.Fatal(err)
	}
	p.arrived(t, p.files)
}

// TestTransferReuses: files that are here already, of an earlier transfer that did not end or of this node's own
// snapshots, do not come again.
func TestTransferReuses(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	p := newPair(t, someFiles(rnd))
	own := rowsOf(t, filepath.Join(t.TempDir(), "own"), map[string][]byte{
		"000008.sst": p.files["000008.sst"], "000004.sst": make([]byte, len(p.files["000004.sst"])), "000003.sst": p.files["000002.sst"],
	})
	p.to.donors = func() []string { return []string{filepath.Join(own, "nowhere"), own} }
	upto := int64(5*frameHead + 1 + 17 + 4096 + piece - frameHead + 100) // within the sixth file
	p.lines.bend = func(conn net.Conn) net.Conn { return &cutting{conn, int(upto)} }
	if _, err := p.send(); err == nil {
		t.Fatal("it was not cut")
	}
	<-p.ended
	p.lines.bend = nil

	files := map[string][]byte{}
	for name, b := range p.files {
		files[name] = b
	}
	files["000002.sst"] = []byte("another 17 bytes!")
	files["000020.sst"] = []byte("one more")
	delete(files, "000001.sst")
	p.read(t, keep(t, p.store, 12, 1, files))
	sent, err := p.send()
	if err != nil {
		t.Fatal(err)
	}
	want := int64(17 + 8 + piece + piece + 1 + 3*piece + 5)
	if sent != want {
		t.Errorf("%d bytes were sent, want %d", sent, want)
	}
	if left := names(t, p.to.dir); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
	p.arrived(t, files)
	if b, err := os.ReadFile(filepath.Join(own, "000008.sst")); err != nil || !bytes.Equal(b, files["000008.sst"]) {
		t.Errorf("a snapshot of the follower was changed: %v", err)
	}
}

// TestNewerOfferEndsTheEarlier: a leader that is gone, and whose stream is not, does not keep the next one out.
func TestNewerOfferEndsTheEarlier(t *testing.T) {
	p := newPair(t, someFiles(rand.New(rand.NewPCG(1, 2))))
	silent, err := p.lines.Stream(t.Context(), "b", SnapshotRoute, p.body)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := io.ReadFull(silent, make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	if _, err := p.send(); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ended; err == nil {
		t.Error("the earlier one ended well")
	}
	p.arrived(t, p.files)

	// And a node that stops takes none, and lets go of the one it has.
	<-p.ended
	second, err := p.lines.Stream(t.Context(), "b", SnapshotRoute, p.body)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if _, err := io.ReadFull(second, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.to.stop()
	if err := <-p.ended; err == nil {
		t.Error("a transfer survived the end of its node")
	}
	if _, err := p.send(); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("an offer to a node that has stopped: %v", err)
	}
	<-p.ended
	p.store.stop()
	if _, err := p.send(); err == nil {
		t.Error("a node that has stopped sends a snapshot")
	}
}

// TestOffersFromOutside: a follower takes nothing that is no list of files, and says so.
func TestOffersFromOutside(t *testing.T) {
	p := newPair(t, someFiles(rand.New(rand.NewPCG(1, 3))))
	for name, tc := range map[string]struct {
		body string
		kind fault.Kind
	}{
		"nothing": {"", fault.Corrupt},
		"garbage": {"garbage", fault.Corrupt},
		"newer":   {`{"format":2,"id":"1-1-1","files":[]}`, fault.Version},
		"a path":  {`{"format":1,"id":"1-1-1","files":[{"name":"../x","size":1,"sha256":"` + strings.Repeat("0", 64) + `"}]}`, fault.Corrupt},
		"an id":   {`{"format":1,"id":"../../x","files":[]}`, fault.Corrupt},
	} {
		p.body = []byte(tc.body)
		if _, err := p.send(); !fault.Is(err, tc.kind) || !strings.Contains(err.Error(), "the other node says") {
			t.Errorf("%s: %v", name, err)
		}
		<-p.ended
	}
	if left := names(t, p.to.dir); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// TestNoStreams: a node that was started without them says so, and sends nothing.
func TestNoStreams(t *testing.T) {
	p := newPair(t, someFiles(rand.New(rand.NewPCG(1, 4))))
	p.sender.streams = nil
	err := p.sender.InstallSnapshot("b", "b", &raft.InstallSnapshotRequest{}, &raft.InstallSnapshotResponse{}, p.reader)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "without streams") {
		t.Error(err)
	}
}
