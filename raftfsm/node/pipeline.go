package node

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// pipelines are those that are open to other nodes. Raft stops reading the answers of one when an answer displeases it,
// and may at that moment wait for room to send in it: neither goes on then, the other node is sent nothing any more, and
// Raft is never shut down. So nobody waits for room longer than for an answer, and none outlives the transport.
type pipelines struct {
	mu   sync.Mutex // guards what follows
	open map[*pipeline]struct{}
	shut bool
}

// pipeline is one of them.
type pipeline struct {
	raft.AppendPipeline
	of    *pipelines
	limit time.Duration
}

// keep returns p with that bound.
func (s *pipelines) keep(p raft.AppendPipeline, limit time.Duration) (raft.AppendPipeline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		_ = p.Close()
		return nil, raft.ErrTransportShutdown
	}
	if s.open == nil {
		s.open = map[*pipeline]struct{}{}
	}
	k := &pipeline{p, s, limit}
	s.open[k] = struct{}{}
	return k, nil
}

// close closes all, and lets no more in.
func (s *pipelines) close() {
	s.mu.Lock()
	s.shut = true
	open := s.open
	s.open = nil
	s.mu.Unlock()
	for p := range open {
		_ = p.AppendPipeline.Close()
	}
}

// AppendEntries implements raft.AppendPipeline.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	late := time.AfterFunc(p.limit, func() { _ = p.AppendPipeline.Close() })
	defer late.Stop()
	return p.AppendPipeline.AppendEntries(args, resp)
}

// Close implements raft.AppendPipeline.
func (p *pipeline) Close() error {
	p.of.mu.Lock()
	delete(p.of.open, p)
	p.of.mu.Unlock()
	return p.AppendPipeline.Close()
}
