package detail

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/dgraph-io/badger/v4"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Format is the layout described in DESIGN.md. A folder of a higher format is refused.
const Format = 2

// The first byte of each key.
const (
	prefixMeta    = 'm' // "mformat", "mage", "mmigrate"
	prefixPointer = 'p' // host(16) kind(1) -> as-of(8) digest(32) n(8)
	prefixVersion = 'h' // host(16) kind(1) n(8) -> record: what the host has or had
	prefixEvent   = 'e' // host(16) kind(1) id(16) -> record: what happened once
	prefixBody    = 'b' // digest(32) -> packed body
	prefixUser    = 'u' // digest(32) key-of-a-record -> nothing: which record names the body
	prefixRetired = 'r' // host(16) -> age(8) at which the host was first missed
)

var keyFormat = []byte("mformat")

type digest [sha256.Size]byte

func digestOf(body []byte) digest { return sha256.Sum256(body) }

func (d digest) String() string { return hex.EncodeToString(d[:]) }

func pointerKey(host model.HostID, kind Kind) []byte {
	b := append(make([]byte, 0, 18), prefixPointer)
	return append(append(b, host[:]...), byte(kind))
}

// versionsKey is what the keys of all versions of a host's kind begin with.
func versionsKey(host model.HostID, kind Kind) []byte {
	b := append(make([]byte, 0, versionKeyLen), prefixVersion)
	return append(append(b, host[:]...), byte(kind))
}

func versionKey(host model.HostID, kind Kind, n uint64) []byte {
	return binary.BigEndian.AppendUint64(versionsKey(host, kind), n)
}

func eventKey(host model.HostID, kind Kind, id [16]byte) []byte {
	b := append(make([]byte, 0, eventKeyLen), prefixEvent)
	return append(append(append(b, host[:]...), byte(kind)), id[:]...)
}

func hostKey(prefix byte, host model.HostID) []byte {
	return append(append(make([]byte, 0, 17), prefix), host[:]...)
}

// The lengths of the keys of records.
const (
	versionKeyLen = 1 + 16 + 1 + 8
	eventKeyLen   = 1 + 16 + 1 + 16
)

// recordKey takes the key of a record apart: whose it is, of which kind, and its number (a version) or zero.
func recordKey(k []byte) (host model.HostID, kind Kind, n uint64, ok bool) {
	switch {
	case len(k) == versionKeyLen && k[0] == prefixVersion:
		n = binary.BigEndian.Uint64(k[18:])
	case len(k) == eventKeyLen && k[0] == prefixEvent:
	default:
		return host, 0, 0, false
	}
	return model.HostID(k[1:17]), Kind(k[17]), n, true
}

func bodyKey(sum digest) []byte {
	return append(append(make([]byte, 0, 33), prefixBody), sum[:]...)
}

func usersKey(sum digest) []byte {
	return append(append(make([]byte, 0, 33+eventKeyLen), prefixUser), sum[:]...)
}

// userKey says that the record with that key names the body.
func userKey(sum digest, record []byte) []byte { return append(usersKey(sum), record...) }

// pointer is what a host has of one kind. Its value, big-endian:
//
//	0       8          40     48
//	| as-of | digest   | n    |
//
// n is the number of the version. Format 1 had no versions, and 40 bytes.
type pointer struct {
	asOf model.Time
	sum  digest
	n    uint64
}

const pointerLen1, pointerLen = 40, 48

func (p pointer) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, pointerLen), uint64(p.asOf))
	return binary.BigEndian.AppendUint64(append(b, p.sum[:]...), p.n)
}

func decodePointer(v []byte) (p pointer, ok bool) {
	if len(v) != pointerLen && len(v) != pointerLen1 {
		return p, false
	}
	p.asOf = model.Time(binary.BigEndian.Uint64(v))
	copy(p.sum[:], v[8:])
	if len(v) == pointerLen {
		p.n = binary.BigEndian.Uint64(v[pointerLen1:])
	}
	return p, true
}

func getPointer(tx *badger.Txn, host model.HostID, kind Kind) (p pointer, found bool, err error) {
	row, err := tx.Get(pointerKey(host, kind))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return p, false, nil
	}
	if err != nil {
		return p, false, err
	}
	err = row.Value(func(v []byte) error {
		var ok bool
		if p, ok = decodePointer(v); !ok {
			return fault.New(fault.Corrupt, "", "the pointer of host %s is %d bytes, not %d; have its agent send its inventory again", host, len(v), pointerLen)
		}
		return nil
	})
	return p, err == nil, err
}

// record is one version of what a host has, or one event. Its value, big-endian:
//
//	0       1    9       17    25     29       61      65        69        73
//	| flags | at | as-of | age | size | digest | added | removed | changed |
//
// at is the site's clock when it was stored, age the store's own (see aging), size the body's bytes before
// compression. Flag 1: the three counts say what differs from the version before.
type record struct {
	at, asOf model.Time
	age      int64 // milliseconds
	size     uint32
	sum      digest
	counted  bool
	counts   [3]uint32
}

const (
	recordLen   = 73
	flagCounted = 1
)

func (r record) encode() []byte {
	b := make([]byte, 1, recordLen)
	if r.counted {
		b[0] = flagCounted
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.at))
	b = binary.BigEndian.AppendUint64(b, uint64(r.asOf))
	b = binary.BigEndian.AppendUint64(b, uint64(r.age))
	b = binary.BigEndian.AppendUint32(b, r.size)
	b = append(b, r.sum[:]...)
	for _, n := range r.counts {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// decodeRecord reads what encode wrote; false where it is nothing of that kind.
func decodeRecord(v []byte) (r record, ok bool) {
	if len(v) != recordLen || v[0]&^flagCounted != 0 {
		return r, false
	}
	r.counted = v[0]&flagCounted != 0
	r.at, r.asOf = model.Time(binary.BigEndian.Uint64(v[1:])), model.Time(binary.BigEndian.Uint64(v[9:]))
	r.age, r.size = int64(binary.BigEndian.Uint64(v[17:])), binary.BigEndian.Uint32(v[25:])
	copy(r.sum[:], v[29:])
	for i := range r.counts {
		r.counts[i] = binary.BigEndian.Uint32(v[61+4*i:])
	}
	return r, true
}

// readRecord returns the record of that row.
func readRecord(row *badger.Item) (r record, err error) {
	err = row.Value(func(v []byte) error {
		var ok bool
		if r, ok = decodeRecord(v); !ok {
			return fault.New(fault.Corrupt, "", "a record of %d bytes cannot be read; restore the folder from a backup, or move it away: the agents send their inventories again when asked", len(v))
		}
		return nil
	})
	return r, err
}

// getRecord returns the record with that key, if there is one.
func getRecord(tx *badger.Txn, key []byte) (r record, found bool, err error) {
	row, err := tx.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return r, false, nil
	}
	if err == nil {
		r, err = readRecord(row)
	}
	return r, err == nil, err
}

// putRecord stores a record and that it names its body.
func putRecord(tx *badger.Txn, key []byte, r record) error {
	if err := tx.Set(key, r.encode()); err != nil {
		return err
	}
	return tx.Set(userKey(r.sum, key), nil)
}

// dropRecord removes a record; its body goes with the next GC if nobody else names it.
func dropRecord(tx *badger.Txn, key []byte, sum digest) error {
	if err := tx.Delete(key); err != nil {
		return err
	}
	return tx.Delete(userKey(sum, key))
}

// A packed body:
//
//	0      1           5
//	| 0x01 | raw bytes | zstd frame …
//
// The first byte is the packing, 1 for zstd; the length is big-endian.
const packZstd = 1

func (s *Store) pack(body []byte) []byte {
	b := make([]byte, 5, 5+len(body)/4)
	b[0] = packZstd
	binary.BigEndian.PutUint32(b[1:], uint32(len(body)))
	return s.enc.EncodeAll(body, b)
}

// unpack reads what pack wrote, and trusts neither its length nor its content.
func (s *Store) unpack(v []byte, sum digest) ([]byte, error) {
	damaged := func(why string, args ...any) error { return damagedBody(sum, why, args...) }
	if len(v) < 5 {
		return nil, damaged("it is cut short")
	}
	if v[0] != packZstd {
		return nil, fault.New(fault.Version, "", "the body %s is packed in a way (%d) that this version does not know; run the version that wrote it, or a newer one", sum, v[0])
	}
	n := binary.BigEndian.Uint32(v[1:])
	if n > MaxBody {
		return nil, damaged("it says that it has %d bytes", n)
	}
	body, err := s.dec.DecodeAll(v[5:], make([]byte, 0, n))
	if err != nil {
		return nil, damaged("%w", err)
	}
	if uint32(len(body)) != n || digestOf(body) != sum {
		return nil, damaged("its bytes do not have its digest")
	}
	return body, nil
}
