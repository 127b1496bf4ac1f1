package command

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// TestMoveTable states the whole relation: every pair not listed as legal must be refused.
func TestMoveTable(t *testing.T) {
	legal := map[string]bool{}
	for _, p := range []string{
		"queued>delivered", "queued>failed", "queued>cancelled", "queued>expired",
		"delivered>running", "delivered>failed", "delivered>cancelled", "delivered>expired",
		"running>succeeded", "running>failed",
	} {
		legal[p] = true
	}
	for _, from := range states {
		for _, to := range append(states[:], model.CommandPartial, "nonsense") {
			task := model.Task{State: from, History: []model.Step{{State: from, At: 1}}}
			got, changed, err := Move(task, model.Move{State: to, At: 2})
			switch {
			case from == to:
				if changed || err != nil || len(got.History) != 1 {
					t.Errorf("%s again: changed %v, err %v", from, changed, err)
				}
			case legal[string(from+">"+to)]:
				if !changed || err != nil || got.State != to || len(got.History) != 2 {
					t.Errorf("%s > %s: changed %v, err %v", from, to, changed, err)
				}
			default:
				if changed || !fault.Is(err, fault.Conflict) || got.State != from {
					t.Errorf("%s > %s: changed %v, err %v, want a conflict", from, to, changed, err)
				}
			}
		}
	}
}

// A node that ended between two of its stores says its steps again when it is back.
func TestAStepThatWasTakenMayBeSaidAgain(t *testing.T) {
	task := model.Task{State: model.CommandQueued, History: []model.Step{{State: model.CommandQueued, At: 1}}}
	steps := []model.CommandState{model.CommandDelivered, model.CommandRunning, model.CommandSucceeded}
	for round := range 2 {
		for i, s := range steps {
			got, changed, err := Move(task, model.Move{State: s, At: model.Time(10*round + i), Output: "said"})
			if err != nil || changed != (round == 0) {
				t.Fatalf("round %d, %s: changed %v, err %v", round, s, changed, err)
			}
			task = got
		}
	}
	if task.State != model.CommandSucceeded || len(task.History) != 4 || task.History[3].At != 2 {
		t.Fatalf("%+v", task)
	}
	if _, _, err := Move(task, model.Move{State: model.CommandFailed}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("another end after the end: %v", err)
	}
}

func TestMoveDoesNotShareHistory(t *testing.T) {
	base := model.Task{State: model.CommandQueued, History: make([]model.Step, 1, 8)}
	a, _, _ := Move(base, model.Move{State: model.CommandDelivered, At: 5})
	b, _, _ := Move(base, model.Move{State: model.CommandExpired, At: 6})
	if a.History[1].State != model.CommandDelivered || b.History[1].State != model.CommandExpired {
		t.Fatal("two moves of one task wrote into the same array")
	}
}

func TestOutputIsBoundedAtACharacter(t *testing.T) {
	got, _, err := Move(model.Task{State: model.CommandRunning}, model.Move{State: model.CommandSucceeded, Output: strings.Repeat("é", 4000)})
	if err != nil || len(got.Output) > 4096 || !utf8.ValidString(got.Output) {
		t.Fatalf("%d bytes, valid %v, err %v", len(got.Output), utf8.ValidString(got.Output), err)
	}
}

func TestState(t *testing.T) {
	q, d, r, s, f, c, e := model.CommandQueued, model.CommandDelivered, model.CommandRunning, model.CommandSucceeded,
		model.CommandFailed, model.CommandCancelled, model.CommandExpired
	n := func(ss ...model.CommandState) map[model.CommandState]int {
		m := map[model.CommandState]int{}
		for _, s := range ss {
			m[s]++
		}
		return m
	}
	for _, c := range []struct {
		n    map[model.CommandState]int
		want model.CommandState
	}{
		{n(), q},
		{n(q, q), q},
		{n(q, d), d},
		{n(d, r), r},
		{n(q, s), r},
		{n(q, f), r},
		{n(s, s), s},
		{n(s, f), model.CommandPartial},
		{n(s, e), model.CommandPartial},
		{n(f, f), f},
		{n(f, e), f},
		{n(c, c), c},
		{n(e, e), e},
		{n(c, e), f},
	} {
		if got := State(c.n); got != c.want {
			t.Errorf("%v: got %s, want %s", c.n, got, c.want)
		}
	}
}
