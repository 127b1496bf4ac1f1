package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm"
)

// SnapshotRoute is where a node takes the files of a snapshot from its leader: a stream whose body is the manifest.
//
// On the stream the follower says what it misses, and the leader sends just that. Numbers are big-endian.
//
//	follower                                        leader
//	+---+--------------+-------------+
//	| W | file, 4 byte | from, 8 b.  |  it misses a file of the manifest, from there to its end; in rising order
//	+---+--------------+-------------+
//	| P |  it is at work
//	+---+
//	| G |  that was all: now send                   +---+--------------+-------------+----------------
//	+---+                                           | F | file, 4 byte | from, 8 b.  | bytes to the end
//	 … W and G again for files whose sum was wrong  +---+--------------+-------------+----------------
//	+---+                                            for each W, in their order
//	| D |  all is there, and durable
//	+---+----------------+------+
//	| E | length, 2 byte | text |  it gives up; the text is the kind, a space, and what to say
//	+---+----------------+------+
//
// A cut at any byte loses nothing: the next offer of the same snapshot goes on behind what had arrived.
const SnapshotRoute = "raft/snapshot/offer"

const (
	frameWant  = 'W'
	frameAlive = 'P'
	frameGo    = 'G'
	frameFile  = 'F'
	frameDone  = 'D'
	frameError = 'E'

	frameHead = 1 + 4 + 8
	maxSay    = 1024      // bytes of the text of E
	piece     = 256 << 10 // bytes that are read, hashed and written at once
	// quiet is how long one end may say nothing, or take nothing.
	quiet = time.Minute
	// restoreScale is how many bytes of a manifest let the transport wait for its limit once more: those of two or three
	// files, of some megabytes each. All that while the follower puts them in the place of its rows.
	restoreScale = 256
)

// Streamer opens streams to other nodes. It is safe for concurrent use; sync/peer satisfies it.
type Streamer interface {
	// Stream opens a stream to the node at addr that is handled by its handler of route, which is given body (at
	// most raftfsm.MaxManifest bytes). ctx bounds the opening only.
	Stream(ctx context.Context, addr, route string, body []byte) (net.Conn, error)
}

// sender is Raft's transport with another way for snapshots: their files go over a stream of their own, and only
// the manifest goes where Raft would send all of it.
type sender struct {
	*raft.NetworkTransport
	store   *snapshots
	streams Streamer    // nil: none
	damaged func(error) // told of a snapshot here that is damaged
	lines   pipelines   // of entries, to other nodes
}

// newSender puts snapshots of store on streams; all else is left to t.
func newSender(t *raft.NetworkTransport, store *snapshots, streams Streamer) *sender {
	t.TimeoutScale = restoreScale
	return &sender{NetworkTransport: t, store: store, streams: streams, damaged: func(error) {}}
}

// InstallSnapshot implements raft.Transport.
func (t *sender) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	r, ok := data.(*folderReader)
	if !ok {
		return t.NetworkTransport.InstallSnapshot(id, target, args, resp, data)
	}
	op := "send a snapshot to " + string(id) + " at " + string(target)
	if t.streams == nil {
		return fault.New(fault.Conflict, op, "this node was started without streams to other nodes; it can lead a group of one only")
	}
	body, m, err := r.manifest()
	if fault.Is(err, fault.Corrupt) {
		t.damaged(err)
	}
	if err != nil {
		return fault.Wrap(op, err)
	}
	began := t.store.now()
	sent, err := t.offer(string(target), body, m, r.rows)
	if fault.Is(err, fault.Corrupt) {
		// What the other end got was not what the manifest says. Perhaps the files have changed since it was made.
		if err := r.check(t.store.ctx); err != nil && t.store.ctx.Err() == nil {
			t.damaged(err)
		}
	}
	if err != nil {
		t.store.log.Debug("a snapshot was not sent to its end", "to", id, "id", m.ID, "bytes", sent, "err", err)
		return fault.Wrap(op, err)
	}
	t.store.log.Info("the files of a snapshot are at another node", "to", id, "id", m.ID, "files", len(m.Files), "bytes", m.Bytes(), "sent", sent, "took", t.store.now().Sub(began).Round(time.Millisecond))
	short := *args
	short.Size = int64(len(body))
	return t.NetworkTransport.InstallSnapshot(id, target, &short, resp, bytes.NewReader(body))
}

// AppendEntriesPipeline implements raft.Transport.
func (t *sender) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	return t.lines.keep(p, netTimeout)
}

// Close implements raft.WithClose: nothing is sent or received any more. Closing twice is allowed.
func (t *sender) Close() error {
	t.store.halt()
	t.lines.close()
	return t.NetworkTransport.Close()
}

// want is a file that the other end misses.
type want struct {
	file uint32
	from int64
}

// offer sends what the node at addr misses of the files in rows, and returns how many bytes that were.
func (t *sender) offer(addr string, body []byte, m *raftfsm.Manifest, rows string) (sent int64, err error) {
	ctx, cancel := context.WithCancel(t.store.ctx)
	defer cancel()
	conn, err := t.streams.Stream(ctx, addr, SnapshotRoute, body)
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	rounds, asked := make(chan []want), make(chan error, 1)
	go func() { // joined below
		defer close(rounds)
		asked <- readWants(ctx, conn, m, rounds)
	}()
	buf := make([]byte, piece)
	for round := range rounds {
		for _, w := range round {
			n, e := sendFile(conn, filepath.Join(rows, m.Files[w.file].Name), w, m.Files[w.file].Size, buf)
			if sent += n; e != nil {
				err = e
				break
			}
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		// Perhaps the other end has said why it takes no more. If not, this ends the reading.
		defer time.AfterFunc(time.Second, cancel).Stop()
		var told *said
		if e := <-asked; errors.As(e, &told) {
			err = e
		}
	} else {
		err = <-asked
	}
	_ = conn.Close() // all that counts was said
	return sent, err
}

// said is an error that the other end told.
type said struct{ error }

func (s *said) Unwrap() error { return s.error }

// readWants hands over what the other end asks for, round by round, until it has all; nil says that it has.
func readWants(ctx context.Context, conn net.Conn, m *raftfsm.Manifest, rounds chan<- []want) error {
	r := bufio.NewReader(conn)
	var round []want
	head := make([]byte, frameHead)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(quiet)); err != nil {
			return err
		}
		if _, err := io.ReadFull(r, head[:1]); err != nil {
			return fault.New(fault.Unreachable, "", "the stream ended: %w", err)
		}
		switch head[0] {
		case frameAlive:
		case frameDone:
			return nil
		case frameError:
			return readSaid(r)
		case frameWant:
			if _, err := io.ReadFull(r, head[1:]); err != nil {
				return fault.New(fault.Unreachable, "", "the stream ended: %w", err)
			}
			w := want{binary.BigEndian.Uint32(head[1:]), int64(binary.BigEndian.Uint64(head[5:]))}
			last := int64(-1)
			if len(round) > 0 {
				last = int64(round[len(round)-1].file)
			}
			if int64(w.file) <= last || int(w.file) >= len(m.Files) || w.from < 0 || w.from > m.Files[w.file].Size {
				return fault.New(fault.Corrupt, "", "it asks for file %d from byte %d, and there is no such thing", w.file, w.from)
			}
			round = append(round, w)
		case frameGo:
			select {
			case rounds <- round:
				round = nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		default:
			return fault.New(fault.Corrupt, "", "it sent a frame %q that this version does not know", head[:1])
		}
	}
}

func readSaid(r io.Reader) error {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return fault.New(fault.Unreachable, "", "the stream ended: %w", err)
	}
	n := binary.BigEndian.Uint16(size[:])
	if n > maxSay {
		return fault.New(fault.Corrupt, "", "it sent an error of %d bytes, the limit is %d", n, maxSay)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return fault.New(fault.Unreachable, "", "the stream ended: %w", err)
	}
	kind, text, _ := strings.Cut(strings.ToValidUTF8(string(b), "?"), " ")
	return &said{fault.New(fault.KindNamed(kind), "", "the other node says: %s", text)}
}

// sendFile sends a file from an offset to the end that it had when the manifest was made.
func sendFile(conn net.Conn, path string, w want, size int64, buf []byte) (sent int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fault.New(fault.Corrupt, "", "%w", err)
	}
	defer f.Close()
	if _, err := f.Seek(w.from, io.SeekStart); err != nil {
		return 0, fault.New(fault.Corrupt, "", "%w", err)
	}
	// The head goes out with the first bytes.
	head := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(append(buf[:0], frameFile), w.file), uint64(w.from))
	fill := len(head)
	for left := size - w.from; left > 0 || fill > 0; {
		n, err := io.ReadFull(f, buf[fill:min(int64(len(buf)), int64(fill)+left)])
		if err != nil && left > 0 {
			return sent, fault.New(fault.Corrupt, "", "%s is shorter than it was: %w", path, err)
		}
		if err := conn.SetDeadline(time.Now().Add(quiet)); err != nil {
			return sent, err
		}
		if _, err := conn.Write(buf[:fill+n]); err != nil {
			return sent, fault.New(fault.Unreachable, "", "the stream ended: %w", err)
		}
		sent, left, fill = sent+int64(n), left-int64(n), 0
	}
	return sent, nil
}
