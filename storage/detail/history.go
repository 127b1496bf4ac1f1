package detail

import (
	"encoding/binary"
	"math"

	"github.com/dgraph-io/badger/v4"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Version is one body that a host has or had.
type Version struct {
	N       uint64     // rises by one with each that differs from the one before; 0: an event
	At      model.Time // when it was stored, by the site's clock
	AsOf    model.Time // when it was observed, as the agent said
	Digest  string     // hex SHA-256 of the body
	Size    int        // bytes of the body
	Counts  Counts     // what differs from the version before, where Counted
	Counted bool
}

func (r record) version(n uint64) Version {
	return Version{
		N: n, At: r.at, AsOf: r.asOf, Digest: r.sum.String(), Size: int(r.size), Counted: r.counted,
		Counts: Counts{int(r.counts[0]), int(r.counts[1]), int(r.counts[2])},
	}
}

// History returns versions of what a host had of a state, the newest first: those before the number before
// (0: from the newest), at most most of them.
func (s *Store) History(host model.HostID, kind Kind, before uint64, most int) ([]Version, error) {
	if before == 0 {
		before = math.MaxUint64
	}
	var out []Version
	err := s.db.View(func(tx *badger.Txn) error {
		prefix := versionsKey(host, kind)
		it := tx.NewIterator(badger.IteratorOptions{Prefix: prefix, Reverse: true})
		defer it.Close()
		for it.Seek(versionKey(host, kind, before-1)); it.ValidForPrefix(prefix) && len(out) < most; it.Next() {
			r, err := readRecord(it.Item())
			if err != nil {
				return err
			}
			out = append(out, r.version(binary.BigEndian.Uint64(it.Item().Key()[len(prefix):])))
		}
		return nil
	})
	return out, fault.Wrap("read the history of host "+host.String(), err)
}

// Version returns the version n of what a host had; false where there is none, or it has expired.
func (s *Store) Version(host model.HostID, kind Kind, n uint64) (Version, bool, error) {
	return s.record(versionKey(host, kind, n), n)
}

// Event returns the body of an event and when it came; false where there is none, or it has expired.
func (s *Store) Event(host model.HostID, kind Kind, id [16]byte) (body []byte, v Version, ok bool, err error) {
	v, ok, err = s.record(eventKey(host, kind, id), 0)
	if err != nil || !ok {
		return nil, v, false, err
	}
	body, ok, err = s.Body(v.Digest)
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "read host detail", "the body %s of host %s is missing", v.Digest, host)
	}
	return body, v, ok, err
}

func (s *Store) record(key []byte, n uint64) (v Version, ok bool, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		r, found, err := getRecord(tx, key)
		v, ok = r.version(n), found
		return err
	})
	return v, ok, fault.Wrap("read host detail", err)
}

// Has reports whether a body is, or was and is still kept, the host's of that kind.
func (s *Store) Has(host model.HostID, kind Kind, sum string) (ok bool, err error) {
	d, err := parseDigest(sum)
	if err != nil {
		return false, err
	}
	prefix := versionsKey(host, kind)
	if kind.event() {
		prefix[0] = prefixEvent
	}
	err = s.db.View(func(tx *badger.Txn) error {
		prefix = userKey(d, prefix)
		it := tx.NewIterator(badger.IteratorOptions{Prefix: prefix})
		defer it.Close()
		it.Seek(prefix)
		ok = it.ValidForPrefix(prefix)
		return nil
	})
	return ok, fault.Wrap("read host detail", err)
}

// change is one body in the place of another.
type change struct {
	kind     Kind
	from, to digest
}

// maxCounted bounds the pairs of bodies whose counts are remembered: hosts that are alike change alike.
const maxCounted = 256

// count says what differs between what the host had and what comes. Not knowing is no reason to refuse it.
func (s *Store) count(tx *badger.Txn, e Entry, from, to digest) (out [3]uint32, ok bool) {
	if s.compare == nil {
		return out, false
	}
	s.mu.Lock()
	c, known := s.counted[change{e.Kind, from, to}]
	s.mu.Unlock()
	if !known {
		body, there, err := s.getBody(tx, from)
		if err == nil && there {
			c, err = s.compare(e.Kind, body, e.Body)
		}
		if err != nil || !there {
			s.log.Debug("what changed at a host could not be counted", "host", e.Host, "err", err)
			return out, false
		}
		s.mu.Lock()
		if len(s.counted) >= maxCounted {
			clear(s.counted)
		}
		s.counted[change{e.Kind, from, to}] = c
		s.mu.Unlock()
	}
	for i, n := range [...]int{c.Added, c.Removed, c.Changed} {
		out[i] = uint32(min(max(n, 0), math.MaxUint32))
	}
	return out, true
}
