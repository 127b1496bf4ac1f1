// Package command is the life cycle of commands, strict: it says which moves of a task are legal and
// what state a whole command is in when its tasks are in theirs.
//
// It owns the rule and no rows: engine/apply stores what comes of it.
package command

import (
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// next lists the legal moves of a task. A task may fail, be cancelled or expire before it runs; it
// never leaves a terminal state.
var next = map[model.CommandState][]model.CommandState{
	model.CommandQueued: {
		model.CommandDelivered, model.CommandFailed, model.CommandCancelled, model.CommandExpired,
	},
	model.CommandDelivered: {
		model.CommandRunning, model.CommandFailed, model.CommandCancelled, model.CommandExpired,
	},
	model.CommandRunning: {model.CommandSucceeded, model.CommandFailed},
}

// Terminal reports whether a task or command in state s can never move again.
func Terminal(s model.CommandState) bool {
	switch s {
	case model.CommandSucceeded, model.CommandFailed, model.CommandPartial, model.CommandCancelled, model.CommandExpired:
		return true
	}
	return false
}

// Move returns t after m and whether that changed anything. A state that t is in, or was in before,
// changes nothing: no task comes to one twice, so that it is the same move said again, as by a node
// that crashed before it knew that it had said it. A move that the life cycle does not allow is a
// fault.Conflict and leaves t as it was.
func Move(t model.Task, m model.Move) (model.Task, bool, error) {
	if t.State == m.State || slices.ContainsFunc(t.History, func(s model.Step) bool { return s.State == m.State }) {
		return t, false, nil
	}
	for _, s := range next[t.State] {
		if s != m.State {
			continue
		}
		t.State = s
		t.Reason = clip(m.Reason, 1024)
		t.Output = clip(m.Output, 4096)
		t.OutputSize, t.OutputDigest = max(m.OutputSize, 0), clip(m.OutputDigest, 64)
		t.History = append(t.History[:len(t.History):len(t.History)], model.Step{State: s, At: m.At})
		return t, true, nil
	}
	return t, false, fault.New(fault.Conflict, "move task",
		"command %s on host %s is %s; it cannot become %s", t.Command, t.Host, t.State, m.State)
}

// State folds the tasks of a command, counted by state, into the state of the whole.
//
// While any task can still move, the command is as far as its furthest task: queued, delivered, or
// running (also where some tasks have ended). Then it is what all tasks are; tasks that ended
// differently make it partial if any succeeded, else failed.
func State(n map[model.CommandState]int) model.CommandState {
	total, ended := 0, 0
	for _, s := range states {
		total += n[s]
		if Terminal(s) {
			ended += n[s]
		}
	}
	switch {
	case total == 0:
		return model.CommandQueued
	case ended < total && (ended > 0 || n[model.CommandRunning] > 0):
		return model.CommandRunning
	case ended < total && n[model.CommandDelivered] > 0:
		return model.CommandDelivered
	case ended < total:
		return model.CommandQueued
	}
	for _, s := range states {
		if n[s] == total {
			return s
		}
	}
	if n[model.CommandSucceeded] > 0 {
		return model.CommandPartial
	}
	return model.CommandFailed
}

var states = [...]model.CommandState{
	model.CommandQueued, model.CommandDelivered, model.CommandRunning, model.CommandSucceeded,
	model.CommandFailed, model.CommandCancelled, model.CommandExpired,
}

// Known reports whether kind is a command that agents of this version run.
func Known(kind string) bool {
	return kind == model.CommandPing || kind == model.CommandInventoryRefresh
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 { // not in the middle of a character
		n--
	}
	return s[:n]
}
