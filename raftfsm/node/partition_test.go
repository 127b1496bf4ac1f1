package node

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// register is one value that is written and read on any node: the hash of an account's password.
type register struct {
	write bool
	value string
}

var registerModel = porcupine.Model{
	Init: func() any { return "none" },
	Step: func(state, input, output any) (bool, any) {
		in := input.(register)
		if in.write {
			return true, in.value
		}
		return output.(string) == state.(string), state
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input, output) },
}

// recorder is the history of a register.
type recorder struct {
	began time.Time
	mu    sync.Mutex // guards what follows
	ops   []porcupine.Operation
	reads int
}

func put(value string) model.PutAccount {
	return model.PutAccount{Stamp: stamp(1), Account: model.Account{Name: "register", PasswordHash: value, CreatedAt: stamp(1).At}}
}

// do writes or reads the register on a node, and records what is known of it.
func (r *recorder) do(t testing.TB, n *world, client int, in register) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	op := porcupine.Operation{ClientId: client, Input: in, Call: int64(time.Since(r.began))}
	var err error
	if in.write {
		err = n.Propose(ctx, put(in.value))
	} else if err = n.Fresh(ctx); err == nil {
		v := n.store.View()
		a, _, e := v.Account("register")
		_ = v.Close()
		if e != nil {
			t.Error(e)
		}
		op.Output = a.PasswordHash
	}
	op.Return = int64(time.Since(r.began))
	if err != nil {
		if !in.write {
			return err
		}
		op.Return = math.MaxInt64 // it may happen at any time, or never
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
	if !in.write {
		r.reads++
	}
	return err
}

// Links are cut in every way while all nodes write and read: what was read was never stale, nothing that was
// acknowledged is lost, and writing resumes on the side with the majority.
func TestPartitions(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	w := newTown(t)
	w.group(3)
	if err := w.at("a").Propose(soon(t), put("none")); err != nil {
		t.Fatal(err)
	}
	w.settle()
	r := &recorder{began: time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for client := range 6 {
		n := w.at(w.ids()[client%3])
		mine := rand.New(rand.NewPCG(seed, uint64(client)))
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				in := register{write: mine.IntN(3) == 0}
				if in.write {
					in.value = fmt.Sprint(client, "-", i)
				}
				if r.do(t, n, client, in) != nil {
					client += 6 // the call may be under way still, and a client does one thing at a time
				}
			}
		})
	}
	var worst time.Duration
	for round := range 6 {
		l := w.awaitLeader()
		from, to := l.id, w.other(l.id).id
		began := time.Now()
		switch round % 6 {
		case 0:
			w.isolate(from)
		case 1: // the leader hears nothing
			for _, id := range w.ids() {
				if id != from {
					w.split(id, from)
				}
			}
		case 2: // it says nothing
			for _, id := range w.ids() {
				if id != from {
					w.split(from, id)
				}
			}
		case 3:
			w.isolate(to)
		case 4: // one follower is cut off the leader alone
			w.split(from, to)
			w.split(to, from)
		case 5: // a link that comes and goes
			for range 5 {
				w.isolate(from)
				pauseFor(time.Duration(rnd.IntN(150)) * time.Millisecond)
				w.heal()
				pauseFor(time.Duration(rnd.IntN(60)) * time.Millisecond)
			}
		}
		side := w.other(from, to)
		if round == 3 {
			side = l
		}
		for k := 0; ; k++ {
			if err := r.do(t, side, 1_000_000+1000*round+k, register{write: true, value: fmt.Sprint("round", round, k)}); err == nil {
				break
			} else if time.Since(began) > 10*time.Second {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		worst = max(worst, time.Since(began))
		pauseFor(time.Duration(rnd.IntN(200)) * time.Millisecond)
		w.heal()
		if round < 2 { // at once: what was held up arrives now
			_ = r.do(t, l, 2_000_000+round, register{})
		}
	}
	cancel()
	all.Wait()
	w.settle()
	if res := porcupine.CheckOperationsTimeout(registerModel, r.ops, 20*time.Second); res != porcupine.Ok {
		t.Errorf("the history of %d operations is %s", len(r.ops), res)
	}
	t.Logf("%d operations, %d of them reads; writing resumed after %s at worst", len(r.ops), r.reads, worst)
	if r.reads < 50 {
		t.Error("the history proves too little")
	}
}

// pauseFor lets a fault last for a while.
func pauseFor(d time.Duration) { <-time.After(d) }

// A leader that nobody hears any more reads nothing, and does not say that it wrote.
func TestLeaderAlone(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.tune = func(_ string, c *Config) { c.ApplyTimeout = 1500 * time.Millisecond }
	w.group(3)
	if err := w.at("a").Propose(soon(t), account(1)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	l := w.awaitLeader()
	w.isolate(l.id)
	if err := w.other(l.id).Propose(soon(t), account(2)); err != nil {
		t.Fatal(err)
	}
	if err := l.Fresh(soon(t)); !fault.Is(err, fault.Unreachable) {
		t.Errorf("a read on the lonely leader: %v", err)
	}
	if l.has(t, 2) {
		t.Fatal("it has what it cannot have: the test proves nothing")
	}
	if err := l.Propose(soon(t), note(3)); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("a change on the lonely leader: %v", err)
	}
	if age := l.Age(); age < time.Second {
		t.Errorf("its rows are %s old", age)
	}
	if s, err := l.Status(soon(t)); err != nil || s.Leader != "" || len(s.Members) != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	w.heal()
	if err := l.Fresh(soon(t)); err != nil || !l.has(t, 2) {
		t.Errorf("after the link came back: %v", err)
	}
	if age := l.Age(); age > 10*time.Second {
		t.Errorf("its rows are %s old", age)
	}
	w.settle()
}

// The answers to heartbeats of long ago are no proof that a leader still leads: a machine that stood still finds
// them when it goes on.
func TestConfirmAsksAnew(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(3)
	l := w.awaitLeader()
	ctx := soon(t)
	term := l.raft.CurrentTerm()
	if err := l.confirm(ctx, term); err != nil {
		t.Fatal(err)
	}
	if err := l.confirm(ctx, term-1); err == nil {
		t.Error("an earlier term was confirmed though the voters are in a later one")
	}
	var others []string
	for _, id := range w.ids() {
		if id != l.id {
			others = append(others, id)
		}
	}
	w.kill(others[0])
	if err := l.confirm(ctx, term); err != nil {
		t.Errorf("with one of three away: %v", err)
	}
	w.kill(others[1])
	if err := l.confirm(ctx, term); !fault.Is(err, fault.Unreachable) {
		t.Errorf("with two of three away: %v", err)
	}
}

// Reads that wait at the same time share the question, and none shares one that began before it.
func TestReadsShare(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(3)
	l := w.awaitLeader()
	hold := make(chan struct{})
	w.losing(func(_, _, route string) bool {
		if route == routeTerm {
			<-hold
		}
		return false
	})
	first := l.reads.join(l.Node)
	w.until("the question is asked", func() string { // one that was on its way goes first
		l.reads.mu.Lock()
		defer l.reads.mu.Unlock()
		if l.reads.running != first {
			return "another one is"
		}
		return ""
	})
	if second := l.reads.join(l.Node); first == second {
		t.Error("a read shares a question that began before it")
	}
	rounds := map[*round]bool{}
	for range 100 {
		rounds[l.reads.join(l.Node)] = true
	}
	if len(rounds) != 1 || rounds[first] {
		t.Errorf("100 reads ask %d times", len(rounds))
	}
	close(hold)
	for q := range rounds {
		if <-q.done; q.err != nil {
			t.Error(q.err)
		}
	}
	if err := l.Fresh(soon(t)); err != nil {
		t.Error(err)
	}
}

// A read on a follower waits for what the group has, and finds it also where the log that said so was cut.
func TestReadBehindACutLog(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(2)
	ctx := soon(t)
	l := w.awaitLeader()
	for i := range 20 {
		if err := l.Propose(ctx, account(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.TakeSnapshot(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.TakeSnapshot(ctx); err != nil { // nothing new
		t.Fatal(err)
	}
	// As a start would leave it.
	l.reads.walk.Lock()
	l.reads.upto, l.reads.command = 0, 0
	l.reads.walk.Unlock()
	got, err := l.lastCommand(l.raft.CommitIndex())
	if err != nil || got != l.store.Applied() {
		t.Errorf("the last command is %d, %v; the rows are at %d", got, err, l.store.Applied())
	}
	if err := l.Barrier(ctx); err != nil { // an entry that never comes to the rows
		t.Fatal(err)
	}
	if err := w.other(l.id).Fresh(ctx); err != nil || !w.other(l.id).has(t, 19) {
		t.Errorf("a read on the follower: %v", err)
	}
}
