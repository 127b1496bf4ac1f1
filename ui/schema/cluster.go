package schema

import "time"

// Cluster is a controller group as its leader sees it or, where no leader answers, as the node that was asked
// knows it.
type Cluster struct {
	ID           string          `json:"id" doc:"of the group; the federation's id, the same on all nodes"`
	Name         string          `json:"name"`
	Node         string          `json:"node" doc:"id of the node that answered"`
	SeenBy       string          `json:"seen_by" doc:"id of the node whose view this is: the leader's, where it answers"`
	Leader       string          `json:"leader,omitempty" doc:"id of the leader; absent: the group has none, and writes wait for one"`
	Term         uint64          `json:"term"`
	CommitIndex  uint64          `json:"commit_index" doc:"the last entry of the log that a majority has"`
	AppliedIndex uint64          `json:"applied_index" doc:"the last entry that is in the rows of that node"`
	EntryVersion uint32          `json:"entry_version" doc:"the highest version of entries that every node reads"`
	Epoch        uint64          `json:"epoch" doc:"rises when the group is restored from a backup"`
	ReadOnly     string          `json:"read_only,omitempty" doc:"why nothing can be changed now; absent: it can"`
	Next         string          `json:"next,omitempty" doc:"what the group does next about its members, or waits for"`
	Members      []ClusterMember `json:"members" doc:"by name"`
	// Removed are no nodes of the group any more, and count for nothing.
	Removed []ClusterRemoved `json:"removed,omitempty" doc:"nodes that the group itself took out lately, since they were dead, and that nothing has replaced yet"`
}

// ClusterRemoved is a node that was dead for so long that the group took it out.
type ClusterRemoved struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Address string    `json:"address" doc:"HOST:PORT where the other nodes reached it"`
	At      time.Time `json:"at" doc:"when it was taken out"`
	Why     string    `json:"why" doc:"by what, and since when it was dead" example:"removed by the clean-up at 2026-03-05T10:00:00Z, was dead since 2026-03-02T10:00:00Z"`
}

// ClusterMember is one node of a controller group. What nobody knows now is absent, and never a zero.
type ClusterMember struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Address      string   `json:"address" doc:"HOST:PORT where the other nodes reach it"`
	Voter        bool     `json:"voter" doc:"false: it follows, and does not count for a majority"`
	Leader       bool     `json:"leader"`
	Reachable    bool     `json:"reachable" doc:"it was heard within the last few seconds"`
	LagEntries   *uint64  `json:"lag_entries,omitempty" doc:"entries of the log that it does not have yet"`
	LastContactS *float64 `json:"last_contact_s,omitempty" doc:"seconds since it was heard last, by this leader"`
	Version      string   `json:"version,omitempty" doc:"of its program"`
	EntryVersion uint32   `json:"entry_version,omitempty" doc:"the highest version of entries that it reads"`
	Disk         string   `json:"disk,omitempty" doc:"level of the free space on its disk" example:"plenty"`
	Links        *int     `json:"links,omitempty" doc:"links of sites that it holds"`
	Ready        *bool    `json:"ready,omitempty"`
	Reasons      []string `json:"reasons,omitempty" doc:"why it is not ready"`
	Error        string   `json:"error,omitempty" doc:"why it could not be asked"`
}

// ClusterInvite asks for a token with which another controller joins the group.
type ClusterInvite struct {
	Name string `json:"name,omitempty" maxLength:"64" pattern:"^([a-z0-9][a-z0-9._-]*)?$" doc:"a label for the new node; one is made if absent"`
	TTL  string `json:"ttl,omitempty" doc:"how long the token holds, 1m to 168h; 1h if absent" example:"1h"`
}

// ClusterToken is a one-time token with which a machine becomes a node of the group. It is not retrievable
// afterwards. Whoever has it becomes a controller, with the keys of the federation: it is a secret of the first rank.
type ClusterToken struct {
	ID        string    `json:"id" doc:"the new node's id"`
	Name      string    `json:"name"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
	Pin       string    `json:"pin" doc:"hex SHA-256 of the CA key that the token carries"`
	URL       string    `json:"url,omitempty" doc:"where the new node finds this one, by its configured names"`
}

// ClusterTransfer asks for another leader.
type ClusterTransfer struct {
	To string `json:"to,omitempty" maxLength:"64" doc:"id or name of the node that is to lead; absent: the one that has come furthest"`
}
