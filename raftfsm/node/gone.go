package node

import (
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// lastHeard returns when a node was heard last under this leader, or since when this leader leads.
func (n *Node) lastHeard(id string) time.Time {
	n.tend.mu.Lock()
	defer n.tend.mu.Unlock()
	last := n.tend.leads
	if m := n.tend.members[id]; m != nil && m.heard.After(last) {
		last = m.heard
	}
	return last
}

// Gone reports whether a node is not in the group, as far as this one knows. Where it was this node that took it out as
// dead, last is when that one was heard last.
func (n *Node) Gone(id string) (last time.Time, gone bool) {
	if slices.ContainsFunc(n.servers(), func(s raft.Server) bool { return string(s.ID) == id }) {
		return time.Time{}, false
	}
	n.tend.mu.Lock()
	defer n.tend.mu.Unlock()
	return n.tend.took[id], true
}
