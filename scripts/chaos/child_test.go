package chaos

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/raftfsm/raftlog"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/queue"
)

const (
	childDir    = "SKERRY_CHAOS_CHILD_DIR"
	childStores = "SKERRY_CHAOS_CHILD_STORES"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeForEver(dir, strings.Fields(os.Getenv(childStores)))
	}
	if os.Getenv(stormAddr) != "" {
		runSites()
	}
	code := m.Run()
	_ = os.RemoveAll(builtDir)
	os.Exit(code)
}

// rounds is Rounds, and a tenth of the short form with -short.
func rounds(short, long int) int {
	if testing.Short() {
		short = max(2, short/10)
	}
	return Rounds(short, long)
}

// writer is a store under test. open also reads everything, and returns n: the store holds exactly the writes 1 to n.
type writer struct {
	open  func(dir string) (n uint64, err error)
	write func(n uint64) error // returns when n is durable, as the store says
}

// writeForEver is the program of the rounds: all stores at once, each with a writer.
func writeForEver(dir string, stores []string) {
	for _, name := range stores {
		go func() {
			w, ok := writers[name]
			if !ok {
				fmt.Println("bad", name, "there is no such store")
				return
			}
			at := w()
			n, err := at.open(filepath.Join(dir, name))
			if err != nil {
				fmt.Println("bad", name, oneLine(err))
				return
			}
			fmt.Println("held", name, n)
			for n++; ; n++ {
				if err := at.write(n); err != nil {
					fmt.Println("gone", name, oneLine(err))
					return
				}
				fmt.Println("ack", name, n)
			}
		}()
	}
	select {}
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

var writers = map[string]func() writer{
	"log":          func() writer { return logWriter(false) },
	"log-unsynced": func() writer { return logWriter(true) },
	"vote":         voteWriter,
	"node":         nodeWriter,
	"index":        func() writer { return indexWriter(true) },
	// A store that is opened without sync: it says "durable" of what is in memory alone.
	"index-unsynced": func() writer { return indexWriter(false) },
	"queue":          queueWriter,
	"detail":         detailWriter,
}

// content is what write n consists of.
func content(n uint64) []byte {
	sum := sha256.Sum256(fmt.Append(nil, n))
	return fmt.Appendf(nil, "%d %x %s", n, sum, strings.Repeat("x", int(sum[0])*int(sum[1])/16))
}

// replaced is an entry that is not kept, as those of a leader that was replaced.
const replaced = "not kept"

// logWriter appends entries to the Raft log alone, cuts its front, and now and then its end.
func logWriter(noSync bool) writer {
	var l *raftlog.Log
	return writer{
		open: func(dir string) (n uint64, err error) {
			if l, err = raftlog.Open(dir, raftlog.Options{SegmentBytes: 1 << 20, NoSync: noSync}); err != nil {
				return 0, err
			}
			first, err := l.FirstIndex()
			if err != nil {
				return 0, err
			}
			if n, err = l.LastIndex(); err != nil || n == 0 {
				return 0, err
			}
			if first > 1 && first+498 > n {
				return 0, fmt.Errorf("it has %d to %d, and was never cut that short", first, n)
			}
			var e raft.Log
			for i := first; i <= n; i++ {
				if err := l.GetLog(i, &e); err != nil {
					return 0, err
				}
				if i%37 == 0 && i+1 >= n && string(e.Data) == replaced {
					return i - 1, l.DeleteRange(i, n) // the cut came before it was taken away
				}
				if e.Index != i || string(e.Data) != string(content(i)) {
					return 0, fmt.Errorf("entry %d is another one", i)
				}
			}
			return n, nil
		},
		write: func(n uint64) error {
			if n%37 == 0 { // an entry that a new leader replaces
				if err := l.StoreLogs([]*raft.Log{{Index: n, Data: []byte(replaced)}, {Index: n + 1}}); err != nil {
					return err
				}
				if err := l.DeleteRange(n, n+1); err != nil {
					return err
				}
			}
			if n%100 == 0 && n > 1000 {
				first, err := l.FirstIndex()
				if err != nil {
					return err
				}
				if err := l.DeleteRange(first, n-500); err != nil {
					return err
				}
			}
			return l.StoreLog(&raft.Log{Index: n, Term: 1, Data: content(n)})
		},
	}
}

// voteWriter stores terms and votes beside the log.
func voteWriter() writer {
	var l *raftlog.Log
	return writer{
		open: func(dir string) (n uint64, err error) {
			if l, err = raftlog.Open(dir, raftlog.Options{SegmentBytes: 1 << 20}); err != nil {
				return 0, err
			}
			return l.GetUint64([]byte("CurrentTerm"))
		},
		write: func(n uint64) error { return l.SetUint64([]byte("CurrentTerm"), n) },
	}
}

// ring is how many rows or bodies there are; write n replaces n-ring.
const ring = 200

// account is write n as a row.
func account(n uint64) model.Account {
	return model.Account{Name: fmt.Sprint("user", n%ring), PasswordHash: string(content(n)), CreatedAt: 1}
}

// newest returns n if exactly the writes 1 to n are there, of which the last of each name is seen.
func newest(v interface {
	Accounts() ([]model.Account, error)
},
) (n uint64, err error) {
	list, err := v.Accounts()
	if err != nil {
		return 0, err
	}
	have := map[string]string{}
	for _, a := range list {
		var i uint64
		if _, err := fmt.Sscan(a.PasswordHash, &i); err != nil {
			return 0, err
		}
		n = max(n, i)
		have[a.Name] = a.PasswordHash
	}
	for i := n; i > 0 && n-i < ring; i-- {
		if want := account(i); have[want.Name] != want.PasswordHash {
			return 0, fmt.Errorf("it has write %d and not write %d", n, i)
		}
	}
	return n, nil
}

// indexWriter commits rows, each commit durable by itself.
func indexWriter(durable bool) writer {
	var s *index.Store
	return writer{
		open: func(dir string) (n uint64, err error) {
			if s, err = index.Open(dir, index.Options{CacheBytes: 4 << 20, RowBytes: 1 << 20}); err != nil {
				return 0, err
			}
			v := s.View()
			defer v.Close()
			if n, err = newest(v); err == nil && s.Applied() != n {
				err = fmt.Errorf("it has the rows of %d and says %d", n, s.Applied())
			}
			return n, err
		},
		write: func(n uint64) error {
			tx := s.Begin()
			if err := tx.PutAccount(account(n)); err != nil {
				return err
			}
			return tx.Commit(n, durable)
		},
	}
}

// alone is the transport of a group of one, which nobody calls.
type alone struct{ net.Listener }

func (alone) Dial(a raft.ServerAddress, limit time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(a), limit)
}

// nodeWriter proposes to a group of one: log, rows without a log of their own, snapshots, as a controller has them.
func nodeWriter() writer {
	var n *node.Node
	ctx := context.Background()
	return writer{
		open: func(dir string) (uint64, error) {
			store, err := index.Open(filepath.Join(dir, "index"), index.Options{CacheBytes: 4 << 20, RowBytes: 1 << 20, NoWAL: true, MemBytes: 1 << 20})
			if err != nil {
				return 0, err
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return 0, err
			}
			n, err = node.Open(ctx, node.Config{
				Dir: filepath.Join(dir, "raft"), ID: "one", Stream: alone{l}, Store: store, Bootstrap: true,
				FSM: raftfsm.New(store, apply.Env{Role: model.RoleController}, nil),
			})
			if err != nil {
				return 0, err
			}
			if err := errors.Join(n.WaitLeader(ctx), n.Barrier(ctx)); err != nil {
				return 0, err
			}
			err = n.Propose(ctx, model.Found{Stamp: model.Stamp{Actor: "system", At: 1}, Self: model.NodeID{1}, Role: model.RoleController, Name: "chaos"})
			if err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Exists) {
				return 0, err
			}
			v := store.View()
			defer v.Close()
			return newest(v)
		},
		write: func(i uint64) error {
			return n.Propose(ctx, model.PutAccount{Stamp: model.Stamp{Actor: "system", At: 1}, Account: account(i)})
		},
	}
}

// queueWriter appends events to an outbox, and drops what it no longer needs.
func queueWriter() writer {
	var q *queue.Queue
	return writer{
		open: func(dir string) (n uint64, err error) {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return 0, err
			}
			if q, err = queue.Open(filepath.Join(dir, "queue"), queue.Options{CompactBytes: 256 << 10}); err != nil {
				return 0, err
			}
			items, err := q.After(0, 1<<30, 1<<30)
			if err != nil {
				return 0, err
			}
			next := q.Dropped() + 1
			for _, it := range items {
				if it.Seq != next || string(it.Payload) != `"`+string(content(uint64(next)))+`"` {
					return 0, fmt.Errorf("item %d stands where %d belongs, or is another one", it.Seq, next)
				}
				next++
			}
			if q.Head() != next-1 {
				return 0, fmt.Errorf("it ends with item %d and says %d", next-1, q.Head())
			}
			return uint64(q.Head()), nil
		},
		write: func(n uint64) error {
			seq, err := q.Append([]model.Item{{Kind: model.ItemMove, Key: "k", AsOf: 1, Payload: []byte(`"` + string(content(n)) + `"`)}})
			if err == nil && uint64(seq) != n {
				err = fmt.Errorf("write %d got the number %d", n, seq)
			}
			if err == nil && n%150 == 0 {
				err = q.DropThrough(seq - 50)
			}
			return err
		},
	}
}

// detailWriter puts bodies of hosts into the detail tier.
func detailWriter() writer {
	var s *detail.Store
	host := func(n uint64) model.HostID { return model.HostID{1, byte(n % ring)} }
	body := func(n uint64) []byte { return []byte(`"` + string(content(n)) + `"`) }
	return writer{
		open: func(dir string) (n uint64, err error) {
			if s, err = detail.Open(dir, detail.Options{MinFree: 1 << 20}); err != nil {
				return 0, err
			}
			have := map[model.HostID]string{}
			for i := range uint64(ring) {
				b, at, _, ok, err := s.Get(host(i), detail.Packages)
				if err != nil {
					return 0, err
				}
				if ok {
					n = max(n, uint64(at))
					have[host(i)] = string(b)
				}
			}
			for i := n; i > 0 && n-i < ring; i-- {
				if have[host(i)] != string(body(i)) {
					return 0, fmt.Errorf("it has write %d and not write %d", n, i)
				}
			}
			return n, nil
		},
		write: func(n uint64) error {
			_, err := s.Put(host(n), detail.Packages, model.Time(n), body(n))
			return err
		},
	}
}
