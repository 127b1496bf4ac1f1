package node

import (
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// full is a pipeline without room, of which nobody takes what comes: sending in it ends when it is closed.
type full struct {
	raft.AppendPipeline
	once   sync.Once
	closed chan struct{}
}

func newFull() *full { return &full{closed: make(chan struct{})} }

func (f *full) AppendEntries(*raft.AppendEntriesRequest, *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	<-f.closed
	return nil, raft.ErrPipelineShutdown
}

func (f *full) Close() error { f.once.Do(func() { close(f.closed) }); return nil }

// TestNobodyWaitsForAPipeline for longer than for an answer, nor when the transport is closed.
func TestNobodyWaitsForAPipeline(t *testing.T) {
	for name, c := range map[string]struct {
		limit time.Duration
		close bool
	}{"late": {time.Millisecond, false}, "closed": {time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			var all pipelines
			p, err := all.keep(newFull(), c.limit)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				_, err := p.AppendEntries(nil, nil)
				ended <- err
			}()
			if c.close {
				all.close()
				if _, err := all.keep(newFull(), time.Hour); err == nil {
					t.Error("a closed transport opens a pipeline")
				}
			}
			select {
			case err := <-ended:
				if err == nil {
					t.Error("it was sent")
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it still waits")
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
