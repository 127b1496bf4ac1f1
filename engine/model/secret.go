package model

// Secret is something that the nodes of a controller group keep for themselves: rows, log, snapshots and backups
// hold it sealed, and only who has the group's key can read it. It never goes down to a site.
type Secret struct {
	Name   string `json:"name"`   // 1 to 128 of a-z 0-9 . _ - and /, as in signing/hq
	Sealed []byte `json:"sealed"` // at most 64 KiB
	At     Time   `json:"at"`
}
