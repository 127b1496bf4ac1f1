package raftfsm

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/index"
)

var env = apply.Env{Role: model.RoleController}

func openStore(t *testing.T, dir string) *index.Store {
	t.Helper()
	s, err := index.Open(dir, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newFSM(t *testing.T) (*FSM, *index.Store) {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "index"))
	f := New(s, env, nil)
	f.Scratch = filepath.Join(dir, "scratch")
	return f, s
}

func hash(t *testing.T, s *index.Store) string {
	t.Helper()
	h, err := s.Hash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h)
}

// seen, where it is set, is told what logged writes.
var seen func([]model.Change)

func logged(t *testing.T, index uint64, changes ...model.Change) *raft.Log {
	t.Helper()
	if seen != nil {
		seen(changes)
	}
	b, err := entry.Encode(changes)
	if err != nil {
		t.Fatal(err)
	}
	return &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: b}
}

func stamp(n int) model.Stamp {
	return model.Stamp{Actor: "account:ann", At: 1_700_000_000_000 + model.Time(n)}
}

func nodeID(n int) model.NodeID { return model.NodeID{1, byte(n >> 8), byte(n)} }

func account(n int, name string) model.PutAccount {
	return model.PutAccount{Stamp: stamp(n), Account: model.Account{Name: name, PasswordHash: "x", CreatedAt: stamp(n).At}}
}

func found() model.Found {
	return model.Found{Stamp: stamp(0), Self: nodeID(1), Role: model.RoleController, Name: "group"}
}

// refused is a change that a store with found() refuses.
func refused(n int) model.Change {
	return model.Found{Stamp: stamp(n), Self: nodeID(99), Role: model.RoleController, Name: "another"}
}

// history is a log with sites that enrol and report, advisories, refusals, and entries that are not
// for the state machine. Indexes have gaps, as elections make them.
func history(t *testing.T, rnd *rand.Rand, length int) []*raft.Log {
	logs := []*raft.Log{logged(t, 3, found())}
	at := uint64(3)
	seqs := map[int]model.Seq{}
	for n := 1; n < length; n++ {
		at += 1 + rnd.Uint64N(2)
		site := 10 + rnd.IntN(3)
		var c []model.Change
		switch rnd.IntN(8) {
		case 0:
			c = append(c, model.Invite{
				Stamp: stamp(n), Site: &model.Site{ID: model.SiteID(nodeID(site)), Name: fmt.Sprint("site", site)},
				Member: model.Member{ID: nodeID(site), Kind: model.MemberSite, Name: fmt.Sprint("site", site), TokenHash: "aa", TokenExpires: stamp(n + 1_000_000).At},
			})
		case 1:
			c = append(c, model.Enroll{Stamp: stamp(n), Member: nodeID(site), TokenHash: "aa", Pin: fmt.Sprint("pin", site)})
		case 2, 3:
			r := model.Received{Stamp: stamp(n), Origin: nodeID(site), Epoch: 1}
			for range 1 + rnd.IntN(4) {
				seqs[site]++
				h := model.Host{ID: model.HostID(nodeID(100 + rnd.IntN(20))), Site: model.SiteID(nodeID(site)), Agent: nodeID(5), Status: model.HostUp, FactsAt: stamp(n).At}
				h.Hostname = fmt.Sprint("host", n)
				b, err := model.Encode(h)
				if err != nil {
					t.Fatal(err)
				}
				item := model.Item{Seq: seqs[site], Kind: model.ItemHost, Key: h.ID.String(), AsOf: stamp(n).At, Payload: b}
				switch rnd.IntN(8) {
				case 0, 1, 2:
					if item.Payload, err = model.Encode(model.HostBeat{Status: model.HostDown, StatusAt: stamp(n).At}); err != nil {
						t.Fatal(err)
					}
					item.Kind = model.ItemStatus
				case 3:
					item.Kind, item.Payload = model.ItemHostGone, nil
				case 4:
					item.Payload = jsontext.Value(`{"hostname":7}`) // refused
				case 5:
					item.Key = model.HostID(nodeID(99)).String() // refused: not that of the row
				}
				r.Items = append(r.Items, item)
			}
			c = append(c, r)
		case 4:
			c = append(c, model.Advisories{Stamp: stamp(n), Put: []model.Advisory{{
				AdvisoryKey: model.AdvisoryKey{Source: "test", ID: fmt.Sprint("A-", rnd.IntN(9))}, Summary: fmt.Sprint(n),
				Affected: []model.Affected{{Ecosystem: "Debian:12", Name: "pkg"}},
			}}}, model.Generation{Stamp: stamp(n)})
		case 5:
			c = append(c, account(n, fmt.Sprint("user", rnd.IntN(5))), refused(n)) // all of it is refused
		case 6:
			logs = append(logs, &raft.Log{Index: at, Term: 1, Type: raft.LogConfiguration, Data: []byte("of raft")})
			continue
		default:
			c = append(c, model.Note{Stamp: stamp(n), Action: "test.note", OK: true, Detail: map[string]string{"b": "2", "a": "1", "n": fmt.Sprint(n)}})
		}
		logs = append(logs, logged(t, at, c...))
	}
	return logs
}

// first writes an entry as version 1 did.
func first(t *testing.T, changes ...model.Change) []byte {
	t.Helper()
	b := binary.AppendUvarint([]byte{1, 0}, uint64(len(changes)))
	for _, c := range changes {
		j, err := model.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		b = append(binary.AppendUvarint(append(b, byte(c.Tag())), uint64(len(j))), j...)
	}
	return b
}

// A log of version 1 gives the same rows, the refused items in the audit record included.
func TestEntriesOfVersion1(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var changes [][]model.Change
	seen = func(c []model.Change) { changes = append(changes, c) }
	logs := history(t, rand.New(rand.NewPCG(seed, 4)), 300)
	seen = nil
	f, s := newFSM(t)
	old, rows := newFSM(t)
	next, runs := 0, 0
	for _, l := range logs {
		if l.Type != raft.LogCommand {
			continue
		}
		was := *l
		was.Data = first(t, changes[next]...)
		next++
		if l.Data[0] == 2 {
			runs++
		}
		got, want := old.Apply(&was), f.Apply(l)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("entry %d: %v as version 1, %v now", l.Index, got, want)
		}
	}
	if runs == 0 || hash(t, rows) != hash(t, s) {
		t.Errorf("%d runs gave other rows", runs)
	}
}

// The same log gives the same bytes, however it is cut into batches, and however often a start
// repeats a part of it.
func TestSameLogSameState(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Run("without requests", func(t *testing.T) { sameLogSameState(t, rnd, history(t, rnd, 400)) })
	t.Run("with requests", func(t *testing.T) { sameLogSameState(t, rnd, requested(rnd, history(t, rnd, 400))) })
}

func sameLogSameState(t *testing.T, rnd *rand.Rand, logs []*raft.Log) {
	single, one := newFSM(t)
	refusals := 0
	for _, l := range logs {
		if single.Apply(l) != nil {
			refusals++
		}
	}
	want := hash(t, one)
	if refusals == 0 {
		t.Fatal("nothing was refused: the history proves too little")
	}
	if r, err := one.Check(t.Context()); err != nil || !r.OK() || r.Rows < 20 {
		t.Fatalf("the store after the history: %+v, %v", r, err)
	}

	batched, two := newFSM(t)
	again := 0
	for rest := logs; len(rest) > 0; {
		n := min(1+rnd.IntN(20), len(rest))
		for _, r := range batched.ApplyBatch(rest[:n]) {
			if r != nil {
				again++
			}
		}
		rest = rest[n:]
	}
	if got := hash(t, two); got != want || again != refusals {
		t.Errorf("in batches: hash %s with %d refusals, want %s with %d", got, again, want, refusals)
	}

	dir := t.TempDir()
	for from := 0; ; {
		s, err := index.Open(dir, index.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := New(s, env, nil)
		to := min(from+100, len(logs))
		f.ApplyBatch(logs[max(0, from-rnd.IntN(150)):to]) // some of it again
		from = to
		if to == len(logs) {
			if got := hash(t, s); got != want {
				t.Errorf("with restarts: hash %s, want %s", got, want)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}

	// The hash itself must be able to differ.
	single.Apply(logged(t, logs[len(logs)-1].Index+1, model.Note{Stamp: stamp(9999), Action: "test.note", OK: true}))
	if hash(t, one) == want {
		t.Error("another entry did not change the hash")
	}
}

func hasAccount(t *testing.T, s *index.Store, name string) bool {
	t.Helper()
	v := s.View()
	defer v.Close()
	_, ok, err := v.Account(name)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestARefusalDropsItsEntryAlone(t *testing.T) {
	f, s := newFSM(t)
	out := f.ApplyBatch([]*raft.Log{
		logged(t, 1, found()),
		logged(t, 2, account(2, "first")),
		logged(t, 3, account(3, "half"), refused(3)),
		logged(t, 4, account(4, "last")),
		logged(t, 5, refused(5)),
	})
	for i, wantErr := range []bool{false, false, true, false, true} {
		err, _ := out[i].(error)
		if (err != nil) != wantErr || wantErr && !fault.Is(err, fault.Conflict) {
			t.Errorf("entry %d: %v", i+1, out[i])
		}
	}
	for name, want := range map[string]bool{"first": true, "half": false, "last": true} {
		if hasAccount(t, s, name) != want {
			t.Errorf("account %q: %t, want %t", name, !want, want)
		}
	}
	if s.Applied() != 5 || f.Err() != nil {
		t.Errorf("applied %d, %v; want 5", s.Applied(), f.Err())
	}
}

// Large entries are cut into several commits, with the same result.
func TestLargeBatch(t *testing.T) {
	f, s := newFSM(t)
	logs := []*raft.Log{logged(t, 1, found())}
	noise := make([]byte, groupBytes/3)
	for i := range noise {
		noise[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[rand.IntN(64)]
	}
	for i := uint64(2); i < 12; i++ {
		logs = append(logs, logged(t, i, model.Note{Stamp: stamp(int(i)), Action: "test.note", OK: true, Reason: string(noise)}))
	}
	before := s.Version()
	for i, r := range f.ApplyBatch(logs) {
		if r != nil {
			t.Errorf("entry %d: %v", i+1, r)
		}
	}
	if n := s.Version() - before; n < 3 || n > 5 || s.Applied() != 11 {
		t.Errorf("%d commits, applied %d", n, s.Applied())
	}
}

// What this node alone cannot apply must not be passed over.
func TestStopsWhereItCannotApply(t *testing.T) {
	unknown := logged(t, 3, account(3, "never"))
	unknown.Data = []byte{1, 0, 1, 200, 2, '{', '}'} // a tag of the future
	garbage := &raft.Log{Index: 3, Type: raft.LogCommand, Data: []byte("garbage")}
	for name, bad := range map[string]*raft.Log{"a change of the future": unknown, "garbage": garbage} {
		t.Run(name, func(t *testing.T) {
			f, s := newFSM(t)
			out := f.ApplyBatch([]*raft.Log{logged(t, 1, found()), logged(t, 2, account(2, "before")), bad, logged(t, 4, account(4, "after"))})
			for i, wantErr := range []bool{false, false, true, true} {
				err, _ := out[i].(error)
				if (err != nil) != wantErr || wantErr && !fault.Is(err, fault.ReadOnly) {
					t.Errorf("entry %d: %v", i+1, out[i])
				}
			}
			if s.Applied() != 2 || !hasAccount(t, s, "before") || hasAccount(t, s, "after") {
				t.Errorf("applied %d", s.Applied())
			}
			select {
			case <-f.Failed():
			default:
				t.Error("Failed is not closed")
			}
			if err, _ := f.Apply(logged(t, 5, account(5, "later"))).(error); !fault.Is(err, fault.ReadOnly) || s.Applied() != 2 {
				t.Errorf("an entry after the stop: %v, applied %d", err, s.Applied())
			}
			if _, err := f.Snapshot(); !fault.Is(err, fault.ReadOnly) {
				t.Errorf("a snapshot after the stop would cut the log: %v", err)
			}
			if err := f.Restore(nil); !fault.Is(err, fault.ReadOnly) {
				t.Errorf("a restore after the stop: %v", err)
			}
			// A version that knows the change goes on from there.
			f = New(s, env, nil)
			if out := f.ApplyBatch([]*raft.Log{logged(t, 2, account(2, "before")), logged(t, 3, account(3, "now")), logged(t, 4, account(4, "after"))}); out[0] != nil || out[1] != nil || out[2] != nil {
				t.Errorf("after the repair: %v", out)
			}
			if !hasAccount(t, s, "now") || !hasAccount(t, s, "after") {
				t.Error("the repaired node did not catch up")
			}
		})
	}
}

// The line between what the change is to blame for and what this node is.
func TestRefusalKinds(t *testing.T) {
	blamed := map[fault.Kind]bool{
		fault.Invalid: true, fault.NotFound: true, fault.Exists: true, fault.Conflict: true,
		fault.Denied: true, fault.Login: true, fault.Expired: true, fault.TooLarge: true,
	}
	for k := fault.Other; k <= fault.Version; k++ {
		if refusal(fmt.Errorf("outer: %w", fault.New(k, "op", "x"))) != blamed[k] {
			t.Errorf("kind %s: refusal is %t", k, !blamed[k])
		}
	}
	if refusal(errors.New("input/output error")) {
		t.Error("an error without a kind is taken for a refusal")
	}
}
