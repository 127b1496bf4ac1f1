package node

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
)

// held is a log to which nothing is appended until go on is closed.
type held struct {
	disk
	goOn chan struct{}
}

func (h *held) StoreLogs(l []*raft.Log) error {
	<-h.goOn
	return h.disk.StoreLogs(l)
}

// A leader whose rows are behind the group's, as after a crash, does not leave out the name of a request because it does
// not know yet that the group uses them: who forwards to it knows, and tries again under that name.
func TestALeaderBehindNamesRequests(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(3)
	ctx := soon(t)
	if err := w.at("a").Propose(ctx, note(1)); err != nil { // the group uses requests from here on
		t.Fatal(err)
	}
	w.settle()
	for _, id := range w.ids() {
		w.kill(id)
		if err := os.RemoveAll(filepath.Join(w.dir, id, "index")); err != nil { // the log has everything
			t.Fatal(err)
		}
	}
	goOn := make(chan struct{})
	var asked atomic.Bool
	w.tune = func(_ string, c *Config) {
		c.wrap = func(d disk) disk { return &held{d, goOn} }
		c.Room = func(keepUp bool) error {
			if !keepUp {
				asked.Store(true)
			}
			return nil
		}
	}
	w.start("a", false)
	w.start("b", false)
	l := w.awaitLeader()
	id := model.RequestID{7}
	done := make(chan error, 1)
	go func() { done <- l.Propose(model.WithRequest(ctx, id), note(2)) }()
	w.until("the leader was asked", func() string {
		if !asked.Load() {
			return "it was not"
		}
		return ""
	})
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	named := false
	for i := uint64(1); i <= l.raft.LastIndex(); i++ {
		var e raft.Log
		if err := l.disk.GetLog(i, &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == raft.LogCommand {
			got, err := entry.Read(e.Data)
			if err != nil {
				t.Fatal(err)
			}
			named = named || got.Request.ID == id
		}
	}
	if !named {
		t.Error("the request was written without its name")
	}
}
