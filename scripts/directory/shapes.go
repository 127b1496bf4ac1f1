package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// shape is one reading of "the same bytes": a way in which a store could write the same deltas, batch by batch. Raw
// Pebble writes all of them under the same conditions; how much of that our ingest reaches depends on which is meant.
type shape struct {
	name    string
	batches [][]byte // in the form of Pebble
}

// size is how many bytes a row takes.
func (s shape) size(rows int) float64 {
	n := 0
	for _, b := range s.batches {
		n += len(b)
	}
	return float64(n) / float64(max(rows, 1))
}

// shapesOf makes the readings of the deliveries, of which ours are the bytes that our own store wrote for them, and
// known what the hosts were before.
func shapesOf(list []delivery, ours [][]byte, known map[string]fleet.Host) ([]shape, error) {
	arrived := shape{name: "items as they arrive"}
	whole := shape{name: "JSON rows, six index keys"}
	out := []shape{{"our own batches", ours}, arrived, whole}
	indexed := shape{name: "our batches, index keys"}
	for i, d := range list {
		var items, rows, keys repr
		for _, x := range d.Deltas {
			if err := items.arrive(x); err != nil {
				return nil, err
			}
			old, was := known[x.HostID]
			now, is := after(x, old)
			if err := rows.row(x.HostID, now, is); err != nil {
				return nil, err
			}
			rows.index(old, was, now, is, true)
			keys.index(old, was, now, is, false)
			if delete(known, x.HostID); is {
				known[x.HostID] = now
			}
		}
		out[1].batches, out[2].batches = append(out[1].batches, items.done()), append(out[2].batches, rows.done())
		if len(ours) == len(list) { // one commit for each delivery
			indexed.batches = append(indexed.batches, join(ours[i], keys))
		}
	}
	if len(indexed.batches) > 0 {
		out = append(out[:2], indexed, out[2])
	}
	return out, nil
}

// named are the hosts of the fleet that the deliveries speak of, as they were loaded.
func named(f *fleet.Fleet, list []delivery) map[string]fleet.Host {
	spoken, sites := map[string]bool{}, map[string]bool{}
	for _, d := range list {
		sites[d.SiteID] = true
		for _, x := range d.Deltas {
			spoken[x.HostID] = true
		}
	}
	out := map[string]fleet.Host{}
	for s := range f.Sites {
		if !sites[f.Sites[s].ID] {
			continue
		}
		for n := range f.Sites[s].Hosts {
			if h := f.Host(s, n); spoken[h.HostID] {
				out[h.HostID] = h
			}
		}
	}
	return out
}

// after is what a delta makes of a host; false: it is gone, or a heartbeat is of a host that nobody knows.
func after(x fleet.Delta, old fleet.Host) (fleet.Host, bool) {
	switch {
	case x.Op == fleet.OpRemove:
		return fleet.Host{}, false
	case x.Host != nil:
		return *x.Host, true
	}
	old.Status, old.LastSeen, old.ModTime, old.Seq = x.Status, x.LastSeen, x.ModTime, x.Seq
	return old, old.HostID != ""
}

// repr is a batch in Pebble's form: eight bytes of a sequence number, four of a count, then for each operation its
// kind, and the key and the value with their lengths in front.
type repr struct {
	b []byte
	n uint32
}

const (
	reprHead   = 12
	reprDelete = 0
	reprSet    = 1
)

func (r *repr) bytes(b []byte) {
	r.b = append(binary.AppendUvarint(r.b, uint64(len(b))), b...)
}

func (r *repr) set(key, value []byte) {
	r.b = append(r.b, reprSet)
	r.bytes(key)
	r.bytes(value)
	r.n++
}

func (r *repr) remove(key []byte) {
	r.b = append(r.b, reprDelete)
	r.bytes(key)
	r.n++
}

// done returns the batch.
func (r *repr) done() []byte { return join(make([]byte, reprHead), *r) }

// join appends the operations of r to a batch.
func join(batch []byte, r repr) []byte {
	out := append(bytes.Clone(batch), r.b...)
	binary.LittleEndian.PutUint32(out[8:], binary.LittleEndian.Uint32(batch[8:])+r.n)
	return out
}

// Keyspaces of the readings, out of the way of our own.
const (
	spaceItem  = 0xf0
	spaceRow   = 0xf1
	spaceIndex = 0xf2 // the first of six
	orders     = 6
)

// arrive writes the item of a delta under its host and kind.
func (r *repr) arrive(x fleet.Delta) error {
	item, err := x.Item()
	if err != nil {
		return err
	}
	r.set(fmt.Appendf([]byte{spaceItem}, "%s%s", hostKey(x.HostID), item.Kind), item.Payload)
	return nil
}

// row writes a host as a whole, or removes it.
func (r *repr) row(id string, h fleet.Host, is bool) error {
	key := append([]byte{spaceRow}, hostKey(id)...)
	if !is {
		r.remove(key)
		return nil
	}
	b, err := json.Marshal(h)
	if err == nil {
		r.set(key, b)
	}
	return err
}

// index writes the keys by which a host is found and removes those that it had before. all: those that did not change
// are written as well.
func (r *repr) index(old fleet.Host, was bool, now fleet.Host, is, all bool) {
	for i := range orders {
		var before, key []byte
		if was {
			before = indexKey(i, old)
		}
		if is {
			key = indexKey(i, now)
		}
		changed := !bytes.Equal(before, key)
		if before != nil && changed {
			r.remove(before)
		}
		if key != nil && (changed || all) {
			r.set(key, nil)
		}
	}
}

// indexKey is the i-th of the keys that the ordered kinds of questions need: by name, by address, by site and status,
// by system and status, by the last heartbeat, by it within a site. Each ends with the host.
func indexKey(i int, h fleet.Host) []byte {
	b := []byte{byte(spaceIndex + i)}
	text := func(s ...string) {
		for _, s := range s {
			b = append(append(b, s...), 0)
		}
	}
	seen := func() { b = binary.BigEndian.AppendUint64(b, uint64(h.LastSeen)) }
	name := strings.ToLower(h.Hostname)
	switch i {
	case 0:
		text(name)
	case 1:
		text(h.IPv4)
	case 2:
		b = append(b, hostKey(h.SiteID)...)
		text(h.Status, name)
	case 3:
		text(h.OSName, h.OSVersion, h.Status, name)
	case 4:
		seen()
	default:
		b = append(b, hostKey(h.SiteID)...)
		seen()
	}
	return append(b, hostKey(h.HostID)...)
}

// hostKey is an id in sixteen bytes.
func hostKey(id string) []byte {
	b := hostID(id)
	return b[:]
}
