package queue

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"go.etcd.io/bbolt"
)

var origin = model.NodeID{0xaa}

func commandID(n int) model.CommandID { return model.CommandID{byte(n >> 8), byte(n), 7} }

func orderItem(t *testing.T, n int, seq model.Seq) model.Item {
	t.Helper()
	b, err := model.Encode(model.Order{Command: model.Command{ID: commandID(n), Kind: model.CommandPing}, Hosts: []model.HostID{{9}}})
	if err != nil {
		t.Fatal(err)
	}
	return model.Item{Seq: seq, Kind: model.ItemOrder, Key: commandID(n).String(), Payload: b}
}

func takeOrder(t *testing.T, q *Queue, n int, seq model.Seq) model.CommandID {
	t.Helper()
	if err := q.Take(origin, 1, []model.Item{orderItem(t, n, seq)}); err != nil {
		t.Fatal(err)
	}
	return commandID(n)
}

func journal(t *testing.T, q *Queue) string {
	t.Helper()
	recs, err := q.Orders()
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, r := range recs {
		s.WriteString(fmt.Sprintf("%d:%s ", int(r.Order.Command.ID[0])<<8|int(r.Order.Command.ID[1]), r.State))
	}
	return s.String()
}

func TestTakeJournalsAndMoves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	q := open(t, path)
	items := []model.Item{
		orderItem(t, 1, 3),
		{Seq: 5, Kind: model.ItemSigner, Key: "k", Payload: []byte(`{}`)},
		{Seq: 6, Kind: model.ItemOrder, Key: "broken", Payload: []byte(`{"command": 1}`)},
		orderItem(t, 2, 7),
		{Seq: 9, Kind: model.ItemGeneration, Key: "generation"},
	}
	if err := q.Take(origin, 2, items); err != nil {
		t.Fatal(err)
	}
	check := func(want string, seq model.Seq) {
		t.Helper()
		at, err := q.Held(origin)
		if err != nil || at != (model.Position{Epoch: 2, Seq: seq}) {
			t.Fatalf("held %+v, %v; want epoch 2, seq %d", at, err, seq)
		}
		if got := journal(t, q); got != want {
			t.Fatalf("journal %q, want %q", got, want)
		}
	}
	check("1:delivered 2:delivered ", 9)
	if err := q.MarkOrder(commandID(1), model.CommandRunning, 5); err != nil {
		t.Fatal(err)
	}
	// A resend, an older epoch and a known id under a new number change nothing in the journal.
	if err := q.Take(origin, 2, items); err != nil {
		t.Fatal(err)
	}
	if err := q.Take(origin, 1, []model.Item{orderItem(t, 3, 99)}); err != nil {
		t.Fatal(err)
	}
	if err := q.Take(origin, 2, []model.Item{orderItem(t, 1, 10)}); err != nil {
		t.Fatal(err)
	}
	check("1:running 2:delivered ", 10)
	_ = q.Close()
	q = open(t, path)
	check("1:running 2:delivered ", 10)
	if at, err := q.Held(model.NodeID{0xbb}); err != nil || at != (model.Position{}) {
		t.Fatalf("held of a stranger: %+v, %v", at, err)
	}
}

func TestMarkOrderIsStrict(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"))
	id := takeOrder(t, q, 1, 1)
	for _, tc := range []struct {
		id   model.CommandID
		to   model.CommandState
		kind fault.Kind
		ok   bool
	}{
		{commandID(2), model.CommandRunning, fault.NotFound, false},
		{id, model.CommandQueued, fault.Invalid, false},
		{id, "", fault.Invalid, false},
		{id, model.CommandRunning, 0, true},
		{id, model.CommandRunning, 0, true},
		{id, model.CommandFailed, 0, true},
		{id, model.CommandFailed, 0, true},
		{id, model.CommandRunning, fault.Conflict, false},
		{id, model.CommandSucceeded, fault.Conflict, false},
	} {
		err := q.MarkOrder(tc.id, tc.to, 7)
		if tc.ok && err != nil || !tc.ok && !fault.Is(err, tc.kind) {
			t.Errorf("mark %s %s: %v", tc.id, tc.to, err)
		}
	}
	if got := journal(t, q); got != "1:failed " {
		t.Errorf("journal %q", got)
	}
}

// A mark and the items that report it are one write: a crash leaves both or neither.
func TestMarkOrderReportsInTheSameWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	q := open(t, path)
	id := takeOrder(t, q, 1, 1)
	said := func(s model.CommandState) model.Item { return item(model.ItemMove, string(s), `"`+string(s)+`"`) }
	check := func(record string, keys ...string) {
		t.Helper()
		items, err := q.After(0, 10, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, it := range items {
			got = append(got, it.Key)
		}
		if journal(t, q) != record || !slices.Equal(got, keys) || int(q.Head()) != len(keys) {
			t.Fatalf("journal %q, items %q, head %d; want %q, %q", journal(t, q), got, q.Head(), record, keys)
		}
	}
	for _, s := range []model.CommandState{model.CommandRunning, model.CommandRunning, model.CommandSucceeded, model.CommandSucceeded} {
		if err := q.MarkOrder(id, s, 5, said(s)); err != nil { // the second of each changes nothing
			t.Fatal(err)
		}
	}
	check("1:succeeded ", "running", "succeeded")
	if err := q.MarkOrder(id, model.CommandFailed, 6, said(model.CommandFailed)); !fault.Is(err, fault.Conflict) {
		t.Fatalf("another end: %v", err)
	}
	if err := q.MarkOrder(commandID(9), model.CommandFailed, 6, said(model.CommandFailed)); !fault.Is(err, fault.NotFound) {
		t.Fatalf("an order that never came: %v", err)
	}
	other := takeOrder(t, q, 2, 2)
	if err := q.MarkOrder(other, model.CommandRunning, 6, model.Item{}); !fault.Is(err, fault.Invalid) {
		t.Fatalf("an item that could never be sent: %v", err)
	}
	check("1:succeeded 2:delivered ", "running", "succeeded")
	q.commit = func(*bbolt.Tx) error { return errors.New("input/output error") }
	if err := q.MarkOrder(other, model.CommandRunning, 7, said(model.CommandRunning)); !fault.Is(err, fault.ReadOnly) {
		t.Fatalf("on a failing disk: %v", err)
	}
	_ = q.Close()
	q = open(t, path)
	check("1:succeeded 2:delivered ", "running", "succeeded")
}

func TestOldOrdersArePruned(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"))
	const n = KeepOrders + pruneSlack + 1
	var items []model.Item
	for i := 1; i <= n+1; i++ {
		items = append(items, orderItem(t, i, model.Seq(i)))
	}
	if err := q.Take(origin, 1, items); err != nil {
		t.Fatal(err)
	}
	// Ended in the reverse order of their ids, so that age and id disagree; the last stays open.
	done := make(chan error, n)
	for i := 1; i <= n; i++ {
		go func() { done <- q.MarkOrder(commandID(i), model.CommandSucceeded, model.Time(n-i+1)) }()
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	recs, err := q.Orders()
	if err != nil {
		t.Fatal(err)
	}
	if len(recs) != KeepOrders+1 {
		t.Fatalf("%d records are left, want %d ended and one open", len(recs), KeepOrders)
	}
	for i, r := range recs {
		if r.Order.Command.ID != commandID(i+1) && r.Order.Command.ID != commandID(n+1) {
			t.Fatalf("record %d is of order %s: not the newest were kept", i, r.Order.Command.ID)
		}
	}
	if got := q.snapshot().terminal; got != KeepOrders {
		t.Fatalf("%d ended records are counted, want %d", got, KeepOrders)
	}
}
