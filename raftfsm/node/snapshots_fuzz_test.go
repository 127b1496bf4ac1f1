package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
)

// scripted is a stream on which the other end says what it likes.
type scripted struct {
	net.Conn
	in *bytes.Reader
	n  atomic.Int64
}

func (s *scripted) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s *scripted) Write(b []byte) (int, error) { s.n.Add(int64(len(b))); return len(b), nil }

func script(t testing.TB, b []byte) *scripted {
	a, c := net.Pipe()
	t.Cleanup(func() { _ = errors.Join(a.Close(), c.Close()) })
	return &scripted{Conn: a, in: bytes.NewReader(b)}
}

// FuzzFollowersFrames: whatever a follower says, the leader reads no more than the files and stops.
func FuzzFollowersFrames(f *testing.F) {
	ask := func(file uint32, from uint64) []byte {
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32([]byte{frameWant}, file), from)
	}
	f.Add(bytes.Join([][]byte{{frameAlive}, ask(0, 0), ask(1, 3), {frameGo}, {frameAlive}, {frameDone}}, nil))
	f.Add(bytes.Join([][]byte{ask(1, 0), ask(0, 0), {frameGo}}, nil))
	f.Add(ask(1<<31, 1<<63))
	f.Add([]byte{frameGo, frameGo, frameGo, frameDone})
	f.Add([]byte{frameError, 0, 9, 'c', 'o', 'r', 'r', 'u', 'p', 't', ' ', 'x'})
	f.Add([]byte{frameError, 0xff, 0xff})
	m := &raftfsm.Manifest{Format: 1, ID: "1-1-1", Files: []raftfsm.File{{Name: "a", Size: 5}, {Name: "b", Size: 7}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		all := make(chan []want)
		done := make(chan error, 1)
		go func() {
			defer close(all)
			done <- readWants(t.Context(), script(t, b), m, all)
		}()
		for round := range all {
			last := -1
			for _, w := range round {
				if int(w.file) <= last || int(w.file) >= 2 || w.from < 0 || w.from > m.Files[w.file].Size {
					t.Errorf("asked for %+v after file %d", w, last)
				}
				last = int(w.file)
			}
		}
		if err := <-done; err != nil {
			var told *said
			if k := fault.KindOf(err); !errors.As(err, &told) && k != fault.Unreachable && k != fault.Corrupt {
				t.Errorf("kind %s: %v", k, err)
			}
		}
	})
}

// FuzzLeadersFrames: whatever a leader sends, a follower keeps to its folder and to the sizes that were
// announced, and says that it has a file only where the sum is right.
func FuzzLeadersFrames(f *testing.F) {
	rows := f.TempDir()
	files := map[string][]byte{"a": []byte("hello"), "b": []byte("follower"), "c": nil}
	m, err := raftfsm.MakeManifest(f.Context(), rowsOf(f, rows, files), "1-1-1", 7)
	if err != nil {
		f.Fatal(err)
	}
	body, err := model.Encode(m)
	if err != nil {
		f.Fatal(err)
	}
	send := func(file uint32, b string) []byte {
		return append(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32([]byte{frameFile}, file), 0), b...)
	}
	good := bytes.Join([][]byte{send(0, "hello"), send(1, "follower"), send(2, "")}, nil)
	f.Add(good)
	f.Add(good[:30])
	f.Add(bytes.Join([][]byte{send(0, "jello"), send(1, "follower"), send(2, ""), send(0, "hello")}, nil))
	f.Add(bytes.Repeat([]byte{frameFile}, 100))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newReceiver(t.TempDir(), func() []string { return nil }, slog.New(slog.DiscardHandler))
		err := r.receive(t.Context(), "leader", body, script(t, b))
		if k := fault.KindOf(err); err != nil && k != fault.Unreachable && k != fault.Corrupt {
			t.Fatalf("kind %s: %v", k, err)
		}
		for _, f := range m.Files {
			if info, e := os.Stat(filepath.Join(r.folder(m, body), rowsName, f.Name)); e == nil && info.Size() > f.Size {
				t.Fatalf("%s has %d bytes", f.Name, info.Size())
			}
		}
		to := filepath.Join(t.TempDir(), "rows")
		applied, e := r.claim(body, to)
		if (err == nil) != (e == nil) {
			t.Fatalf("received: %v; taken: %v", err, e)
		}
		if e != nil {
			return
		}
		again, e := raftfsm.MakeManifest(t.Context(), to, "1-1-1", applied)
		if e != nil || fmt.Sprint(again) != fmt.Sprint(m) {
			t.Fatalf("taken: %+v, %v", again, e)
		}
	})
}
