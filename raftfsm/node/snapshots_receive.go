package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm"
)

// rounds is how often a file whose sum was wrong is asked for.
const rounds = 3

// receiver takes the files of one snapshot at a time. What arrived stays when the stream is cut, and what other
// folders of this node hold already does not come again.
type receiver struct {
	dir    string
	donors func() []string // folders with files that may be equal
	log    *slog.Logger
	sync   func(*os.File) error
	room   func() error // why the disk is too full to take more

	busy sync.Mutex // held while the folder is changed

	mu      sync.Mutex // guards what follows
	conn    net.Conn   // of the transfer that goes on; a newer one closes it
	stopped bool
}

func newReceiver(dir string, donors func() []string, log *slog.Logger) *receiver {
	return &receiver{dir: dir, donors: donors, log: log, sync: (*os.File).Sync, room: func() error { return nil }}
}

// halt ends the transfer that goes on, and takes no other.
func (r *receiver) halt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.conn != nil {
		_ = r.conn.Close()
	}
}

// stop is halt, and waits until the transfer has ended.
func (r *receiver) stop() {
	r.halt()
	r.busy.Lock()
	defer r.busy.Unlock()
}

// begin makes conn the transfer that goes on, after the one before has ended.
func (r *receiver) begin(conn net.Conn) (end func(), err error) {
	r.mu.Lock()
	if r.stopped {
		r.mu.Unlock()
		return nil, fault.New(fault.ReadOnly, "", "this node is shutting down")
	}
	if r.conn != nil {
		_ = r.conn.Close() // its leader offers again, if it still is one
	}
	r.conn = conn
	r.mu.Unlock()
	r.busy.Lock()
	return func() {
		r.busy.Unlock()
		r.mu.Lock()
		if r.conn == conn {
			r.conn = nil
		}
		r.mu.Unlock()
	}, nil
}

// folder returns where the files of a manifest are gathered. Its sum is in the name: nothing is ever added to
// a file of another one.
func (r *receiver) folder(m *raftfsm.Manifest, body []byte) string {
	sum := sha256.Sum256(body)
	return filepath.Join(r.dir, m.ID+"-"+hex.EncodeToString(sum[:8]))
}

// claim moves the files that body, a manifest, lists to the folder rows, and returns the last entry in them. They must have
// been received.
func (r *receiver) claim(body []byte, rows string) (applied uint64, err error) {
	m, err := raftfsm.ReadManifest(body)
	if err != nil {
		return 0, err
	}
	r.busy.Lock()
	defer r.busy.Unlock()
	dir := r.folder(m, body)
	done, err := readBounded(filepath.Join(dir, doneName), raftfsm.MaxManifest)
	if err != nil || !bytes.Equal(done, body) {
		return 0, fault.New(fault.Conflict, "", "the files of %s are not here; the leader sends them when it tries again", m.ID)
	}
	if err := os.Rename(filepath.Join(dir, rowsName), rows); err != nil {
		return 0, fault.New(fault.ReadOnly, "", "%w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		r.log.Warn("a folder of a received snapshot could not be removed", "dir", dir, "err", err)
	}
	return m.Applied, nil
}

func (r *receiver) receive(ctx context.Context, from string, body []byte, conn net.Conn) (err error) {
	op := "receive a snapshot from " + from
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	t := &arrival{conn: conn, in: bufio.NewReaderSize(conn, piece), sync: r.sync, room: r.room}
	defer func() {
		if err != nil {
			t.fail(err)
			r.log.Warn("a snapshot was not received to its end; the leader offers it again", "from", from, "err", err)
			err = fault.Wrap(op, err)
		}
	}()
	m, err := raftfsm.ReadManifest(body)
	if err != nil {
		return err
	}
	end, err := r.begin(conn)
	if err != nil {
		return err
	}
	defer end()
	if err := r.room(); err != nil {
		return err
	}
	t.m, t.dir, t.sums = m, r.folder(m, body), map[int]hash.Hash{}
	t.rows = filepath.Join(t.dir, rowsName)
	if err := r.prepare(t); err != nil {
		return err
	}
	if err := t.gather(); err != nil {
		return err
	}
	if err := raftfsm.SyncDir(t.rows); err != nil {
		return err
	}
	if err := writeDurable(filepath.Join(t.dir, doneName), body); err != nil {
		return err
	}
	if err := raftfsm.SyncDir(t.dir); err != nil {
		return err
	}
	if err := raftfsm.SyncDir(r.dir); err != nil {
		return err
	}
	r.log.Info("the files of a snapshot are here", "from", from, "id", m.ID, "files", len(m.Files), "bytes", m.Bytes(), "received", t.bytes)
	return t.say(frameDone)
}

// prepare makes the folder of a transfer, links into it what other folders hold, and removes those of earlier ones.
func (r *receiver) prepare(t *arrival) error {
	if err := os.MkdirAll(t.rows, 0o700); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	if err := os.Remove(filepath.Join(t.dir, doneName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	earlier, err := os.ReadDir(r.dir)
	if err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	var old []string
	donors := r.donors()
	for _, e := range earlier {
		if dir := filepath.Join(r.dir, e.Name()); dir != t.dir {
			old, donors = append(old, dir), append(donors, filepath.Join(dir, rowsName))
		}
	}
	if err := t.compare(donors); err != nil {
		return err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return fault.New(fault.ReadOnly, "", "%w", err)
		}
	}
	return nil
}

// arrival is one stream of files. Its methods are for one goroutine, but say.
type arrival struct {
	conn net.Conn
	in   *bufio.Reader
	m    *raftfsm.Manifest
	dir  string
	rows string
	sync func(*os.File) error
	room func() error

	missing []want
	sums    map[int]hash.Hash // of the bytes that are here of files that are not whole
	bytes   int64             // received
	alive   int64             // received when the other end was last told so

	saying sync.Mutex // held while a frame is written
}

func (t *arrival) path(i int) string { return filepath.Join(t.rows, t.m.Files[i].Name) }

// say sends a frame without a content.
func (t *arrival) say(frame byte) error { return t.write([]byte{frame}) }

func (t *arrival) write(b []byte) error {
	t.saying.Lock()
	defer t.saying.Unlock()
	if err := t.conn.SetWriteDeadline(time.Now().Add(quiet)); err != nil {
		return fault.New(fault.Unreachable, "", "%w", err)
	}
	if _, err := t.conn.Write(b); err != nil {
		return fault.New(fault.Unreachable, "", "the stream ended: %w", err)
	}
	return nil
}

// fail tells the other end why this one gives up.
func (t *arrival) fail(err error) {
	text := fault.KindOf(err).String() + " " + err.Error()
	text = text[:min(len(text), maxSay)]
	b := binary.BigEndian.AppendUint16([]byte{frameError}, uint16(len(text)))
	_ = t.write(append(b, text...)) // the stream may be what failed
}

// compare finds out which files are whole here, or in a donor, and from where on the others are missing.
func (t *arrival) compare(donors []string) error {
	for i, f := range t.m.Files {
		if err := t.say(frameAlive); err != nil {
			return err
		}
		from, err := t.held(i)
		if err != nil {
			return err
		}
		if from < f.Size || f.Size == 0 && from == 0 && !exists(t.path(i)) {
			if from > 0 || !borrow(donors, f, t.path(i)) {
				t.missing = append(t.missing, want{uint32(i), from})
				continue
			}
		}
		if err := t.settle(i); err != nil {
			return err
		}
	}
	return nil
}

// settle makes a file durable that was here before: who wrote it may have been killed, or have failed, before that.
func (t *arrival) settle(i int) error {
	f, err := os.Open(t.path(i))
	if err == nil {
		err = t.sync(f)
		_ = f.Close() // nothing was written through it
	}
	if err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// held returns how many bytes of a file are here. A file that is whole, and is not what it should be, goes.
func (t *arrival) held(i int) (int64, error) {
	file, err := os.Open(t.path(i))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fault.New(fault.ReadOnly, "", "%w", err)
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{sum}, file, make([]byte, piece))
	f := t.m.Files[i]
	switch {
	case err == nil && n == f.Size && hex.EncodeToString(sum.Sum(nil)) == f.SHA256:
		return n, nil
	case err == nil && n < f.Size:
		t.sums[i] = sum
		return n, nil
	}
	if err := os.Remove(t.path(i)); err != nil {
		return 0, fault.New(fault.ReadOnly, "", "%w", err)
	}
	return 0, nil
}

// borrow links a file from a donor that has the same under the same name.
func borrow(donors []string, f raftfsm.File, to string) bool {
	for _, dir := range donors {
		path := filepath.Join(dir, f.Name)
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
			continue
		}
		if got, err := raftfsm.HashFile(path); err == nil && got == f && os.Link(path, to) == nil {
			return true
		}
	}
	return false
}

// gather asks for what is missing and takes it, again where a sum was wrong, and makes it durable.
func (t *arrival) gather() error {
	for range rounds {
		if len(t.missing) == 0 {
			return nil
		}
		var ask []byte
		for _, w := range t.missing {
			ask = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(append(ask, frameWant), w.file), uint64(w.from))
		}
		if err := t.write(append(ask, frameGo)); err != nil {
			return err
		}
		if err := t.round(); err != nil {
			return err
		}
	}
	if len(t.missing) > 0 {
		return fault.New(fault.Corrupt, "", "%s came %d times with a wrong sum; its disk may be failing", t.m.Files[t.missing[0].file].Name, rounds)
	}
	return nil
}

// round takes what was asked for. Files are made durable while the next come in; the files whose sum is
// wrong are what is missing afterwards.
func (t *arrival) round() error {
	asked := t.missing
	t.missing = nil
	whole, synced := make(chan *os.File, 4), make(chan error, 1)
	go func() { // joined below
		var first error
		for f := range whole {
			err := t.sync(f)
			if e := f.Close(); err == nil {
				err = e
			}
			if err == nil {
				err = t.say(frameAlive)
			} else {
				err = fault.New(fault.ReadOnly, "", "%w", err)
			}
			if first == nil {
				first = err
			}
		}
		synced <- first
	}()
	buf := make([]byte, piece)
	var err error
	for _, w := range asked {
		var f *os.File
		if f, err = t.take(w, buf); err != nil {
			break
		}
		if f != nil {
			whole <- f
		}
	}
	close(whole)
	if e := <-synced; err == nil {
		err = e
	}
	return err
}

// take takes one file to its end. It returns nil where its sum is wrong: the file is missing then.
func (t *arrival) take(w want, buf []byte) (*os.File, error) {
	i, f := int(w.file), t.m.Files[w.file]
	head := buf[:frameHead]
	if err := t.read(head); err != nil {
		return nil, err
	}
	if head[0] != frameFile || binary.BigEndian.Uint32(head[1:]) != w.file || binary.BigEndian.Uint64(head[5:]) != uint64(w.from) {
		return nil, fault.New(fault.Corrupt, "", "the leader sent something else than %s from byte %d", f.Name, w.from)
	}
	file, err := os.OpenFile(t.path(i), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fault.New(fault.ReadOnly, "", "%w", err)
	}
	keep := false
	defer func() {
		if !keep {
			_ = file.Close() // it is not whole, or not right
		}
	}()
	sum := t.sums[i]
	delete(t.sums, i)
	if sum == nil {
		sum = sha256.New()
	}
	for left := f.Size - w.from; left > 0; {
		b := buf[:min(left, int64(len(buf)))]
		n, err := t.readSome(b)
		sum.Write(b[:n]) // never fails
		if _, e := file.Write(b[:n]); e != nil {
			return nil, fault.New(fault.ReadOnly, "", "%w", e)
		}
		left -= int64(n)
		if err != nil {
			return nil, err
		}
	}
	if hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		if err := os.Remove(t.path(i)); err != nil {
			return nil, fault.New(fault.ReadOnly, "", "%w", err)
		}
		t.missing = append(t.missing, want{w.file, 0})
		return nil, nil
	}
	keep = true
	return file, nil
}

// read fills b from the stream.
func (t *arrival) read(b []byte) error {
	for len(b) > 0 {
		n, err := t.readSome(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// readSome reads what there is, at least one byte, and lets the other end know every few megabytes. On an error it
// returns what came before it.
func (t *arrival) readSome(b []byte) (int, error) {
	if err := t.conn.SetReadDeadline(time.Now().Add(quiet)); err != nil {
		return 0, fault.New(fault.Unreachable, "", "%w", err)
	}
	n, err := io.ReadAtLeast(t.in, b, 1)
	t.bytes += int64(n)
	if err != nil {
		return n, fault.New(fault.Unreachable, "", "the stream ended: %w", err)
	}
	if t.bytes-t.alive >= 4<<20 {
		t.alive = t.bytes
		if err := t.room(); err != nil {
			return n, err
		}
		if err := t.say(frameAlive); err != nil {
			return n, err
		}
	}
	return n, nil
}
