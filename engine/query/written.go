package query

import "github.com/skerryhq/skerry/engine/model"

// Writer appends a host's row to b in a form of its own. The host has no beat yet, so that what is written stays
// good until the row changes; it must depend on nothing but the host. It keeps no part of the host.
type Writer func(b []byte, h *model.Host) []byte

// Written is a page of hosts in the form of a Writer.
type Written struct {
	Hosts []WrittenHost
	Total int     // hosts that match, on all pages
	Next  *Cursor // of the next page; nil on the last
}

// WrittenHost is one of them.
type WrittenHost struct {
	Text []byte // what the Writer made of the row; never to be changed
	Beat model.HostBeat
}
