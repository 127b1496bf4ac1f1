package model

// Life is one life of a controller group: it begins when the group is founded, and again whenever it is
// restored from a backup.
type Life struct {
	Epoch Epoch  `json:"epoch"`         // 1 in the first
	At    Time   `json:"at,omitzero"`   // when it was restored; zero in the first life
	From  Time   `json:"from,omitzero"` // when the backup was made
	Node  NodeID `json:"node,omitzero"` // that it was restored on
}
