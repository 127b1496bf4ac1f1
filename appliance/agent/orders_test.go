package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/queue"
)

var quiet = slog.New(slog.DiscardHandler)

// bench is a journal with orders that run on it, without a link.
type bench struct {
	t     *testing.T
	host  model.HostID
	site  model.NodeID
	q     *queue.Queue
	o     *orders
	whole map[model.CommandID]model.Output
	ran   []string // kinds that ran, with the time since the start
	seq   model.Seq
	t0    time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	q, err := queue.Open(filepath.Join(t.TempDir(), "queue.db"), queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, host: newID[model.HostID](), site: newID[model.NodeID](), q: q, t0: time.Now(), whole: map[model.CommandID]model.Output{}}
	run := func(kind string, h handler) handler {
		return func(ctx context.Context) (string, error) {
			b.ran = append(b.ran, kind+" "+time.Since(b.t0).Truncate(time.Second).String())
			return h(ctx)
		}
	}
	b.o = newOrders(b.host, q, quiet, time.Now, map[string]handler{
		"ok":   run("ok", func(context.Context) (string, error) { return "done", nil }),
		"long": run("long", func(context.Context) (string, error) { return strings.Repeat("\u00e9", 4000), nil }),
		"huge": run("huge", func(context.Context) (string, error) { return strings.Repeat("x", model.MaxOutput+9) + "\xff", nil }),
		"bad":  run("bad", func(context.Context) (string, error) { return "half", errors.New("it broke \xff") }),
		"hang": run("hang", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }),
	})
	return b
}

// order makes an order; notBefore and expires are from the start, zero is none.
func (b *bench) order(kind string, notBefore, expires time.Duration) model.Order {
	c := model.Command{ID: newID[model.CommandID](), Kind: kind}
	if notBefore != 0 {
		c.NotBefore = model.TimeOf(b.t0.Add(notBefore))
	}
	if expires != 0 {
		c.ExpiresAt = model.TimeOf(b.t0.Add(expires))
	}
	return model.Order{Command: c, Hosts: []model.HostID{b.host}}
}

func (b *bench) take(orders ...model.Order) {
	b.t.Helper()
	var items []model.Item
	for _, o := range orders {
		b.seq++
		items = append(items, orderItem(b.t, b.seq, o))
	}
	if err := b.o.take(b.site, 1, items); err != nil {
		b.t.Fatal(err)
	}
}

// run runs the orders for d of the bubble's time.
func (b *bench) run(d time.Duration) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), d)
	defer cancel()
	if err := b.o.run(ctx); err != nil {
		b.t.Fatal(err)
	}
}

// task is what the site makes of the reports about a command; it fails the test where one of them is
// against the life cycle.
func (b *bench) task(id model.CommandID) model.Task {
	b.t.Helper()
	items, err := b.q.After(0, 1000, 4<<20)
	if err != nil {
		b.t.Fatal(err)
	}
	task := model.Task{Command: id, Host: b.host, State: model.CommandQueued}
	for _, it := range items {
		if it.Kind == model.ItemOutput {
			var o model.Output
			if err := model.Decode(it.Payload, &o); err != nil || it.Key != o.Command.String()+"/"+b.host.String() || o.Host != b.host {
				b.t.Fatalf("output %s of %d bytes: %v", it.Key, len(it.Payload), err)
			}
			b.whole[o.Command] = o
			continue
		}
		var m model.Move
		if err := model.Decode(it.Payload, &m); err != nil || it.Kind != model.ItemMove {
			b.t.Fatalf("item %+v: %v", it, err)
		}
		if m.Command != id {
			continue
		}
		if it.Key != id.String()+"/"+b.host.String()+"/"+string(m.State) {
			b.t.Errorf("key %q", it.Key)
		}
		if task, _, err = command.Move(task, m); err != nil {
			b.t.Error(err)
		}
	}
	return task
}

// check compares what is known of an order at both ends.
func (b *bench) check(o model.Order, want model.CommandState, reason string) model.Task {
	b.t.Helper()
	task := b.task(o.Command.ID)
	if task.State != want || task.Reason != reason {
		b.t.Errorf("%s: the site sees %s %q, want %s %q", o.Command.Kind, task.State, task.Reason, want, reason)
	}
	journal, err := b.q.Orders()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, rec := range journal {
		if rec.Order.Command.ID == o.Command.ID {
			if rec.State != want {
				b.t.Errorf("%s: the journal says %s, want %s", o.Command.Kind, rec.State, want)
			}
			return task
		}
	}
	b.t.Errorf("%s: not in the journal", o.Command.Kind)
	return task
}

func TestOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.q.Close()
		ok, bad, long, huge := b.order("ok", 0, time.Hour), b.order("bad", 0, time.Hour), b.order("long", 0, 0), b.order("huge", 0, 0)
		later, late, never := b.order("ok", 2*time.Hour, 3*time.Hour), b.order("ok", 0, -time.Second), b.order("ok", 2*time.Hour, time.Hour)
		unknown := b.order("reboot", 0, time.Hour)
		other := b.order("ok", 0, time.Hour)
		other.Hosts = []model.HostID{newID[model.HostID]()}
		b.take(ok, bad, long, huge, later, late, never, unknown, other)
		b.take(ok, later) // sent again
		b.run(90 * time.Minute)
		if task := b.check(ok, model.CommandSucceeded, ""); task.Output != "done" || len(task.History) != 3 {
			t.Errorf("%+v", task)
		}
		if task := b.check(bad, model.CommandFailed, "it broke \uFFFD"); task.Output != "half" {
			t.Errorf("%+v", task)
		}
		for _, tc := range []struct {
			o          model.Order
			size, kept int
		}{{long, 8000, 8000}, {huge, model.MaxOutput + 10, model.MaxOutput}} {
			task := b.check(tc.o, model.CommandSucceeded, "")
			whole := b.whole[tc.o.Command.ID]
			sum := sha256.Sum256([]byte(whole.Text))
			if len(task.Output) != 4096 || !utf8.ValidString(task.Output) || !strings.HasPrefix(whole.Text, task.Output) {
				t.Errorf("output of %d bytes", len(task.Output))
			}
			if len(whole.Text) != tc.kept || whole.Size != int64(tc.size) || task.OutputSize != whole.Size || task.OutputDigest != hex.EncodeToString(sum[:]) {
				t.Errorf("%d bytes of %d, the task says %d, %s", len(whole.Text), whole.Size, task.OutputSize, task.OutputDigest)
			}
		}
		if _, also := b.whole[ok.Command.ID]; also || b.task(ok.Command.ID).OutputSize != 0 {
			t.Error("a short output was sent twice")
		}
		b.check(later, model.CommandDelivered, "")
		b.check(late, model.CommandExpired, "its time had passed when the agent could run it")
		b.check(never, model.CommandExpired, "its time had passed when the agent could run it")
		b.check(unknown, model.CommandFailed, "this agent (version "+Version+") does not know reboot")
		if task := b.task(other.Command.ID); task.State != model.CommandQueued {
			t.Errorf("an order for another host: %+v", task)
		}
		b.run(time.Hour)
		b.check(later, model.CommandSucceeded, "")
		if want := []string{"ok 0s", "bad 0s", "long 0s", "huge 0s", "ok 2h0m0s"}; !slices.Equal(b.ran, want) {
			t.Errorf("ran %q, want %q", b.ran, want)
		}
	})
}

func TestOrderIsEndedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.q.Close()
		slow, next, stopped := b.order("hang", 0, 0), b.order("ok", 0, 0), b.order("hang", 30*time.Minute, 0)
		b.take(slow, next, stopped)
		b.run(35 * time.Minute)
		b.check(slow, model.CommandFailed, "it was given up after 10m0s: context deadline exceeded")
		b.check(next, model.CommandSucceeded, "")
		b.check(stopped, model.CommandFailed, "interrupted") // the agent was told to stop meanwhile
		if want := []string{"hang 0s", "ok 10m0s", "hang 30m0s"}; !slices.Equal(b.ran, want) {
			t.Errorf("ran %q, want %q", b.ran, want)
		}
	})
}

// A crash between any two steps leaves a journal that the next start makes sense of.
func TestRecover(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before func(*bench, model.CommandID) error // what the last life did
		want   model.CommandState
		reason string
		ran    int
	}{
		{"taken", func(*bench, model.CommandID) error { return nil }, model.CommandSucceeded, "", 1},
		{"taken and said", func(b *bench, id model.CommandID) error {
			return b.o.report(id, model.CommandDelivered, 1, "", "")
		}, model.CommandSucceeded, "", 1},
		{"running", func(b *bench, id model.CommandID) error {
			return errors.Join(b.o.report(id, model.CommandDelivered, 1, "", ""), b.o.step(id, model.CommandRunning, 2, "", ""))
		}, model.CommandFailed, "interrupted", 0},
		{"ended", func(b *bench, id model.CommandID) error {
			return errors.Join(b.o.report(id, model.CommandDelivered, 1, "", ""), b.o.step(id, model.CommandRunning, 2, "", ""),
				b.o.step(id, model.CommandSucceeded, 3, "", "the result"))
		}, model.CommandSucceeded, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				defer b.q.Close()
				o := b.order("ok", 0, 0)
				if err := b.q.Take(b.site, 1, []model.Item{orderItem(t, 1, o)}); err != nil {
					t.Fatal(err)
				}
				if err := tc.before(b, o.Command.ID); err != nil {
					t.Fatal(err)
				}
				for range 2 { // a second start finds nothing left to do
					b.o = newOrders(b.host, b.q, quiet, time.Now, b.o.handlers)
					if err := b.o.recover(); err != nil {
						t.Fatal(err)
					}
					b.run(time.Minute)
				}
				b.check(o, tc.want, tc.reason)
				if len(b.ran) != tc.ran {
					t.Errorf("ran %d times, want %d", len(b.ran), tc.ran)
				}
			})
		})
	}
}
