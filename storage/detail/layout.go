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
const Format = 1

// The first byte of each key.
const (
	prefixMeta    = 'm' // "mformat" -> uint32
	prefixPointer = 'p' // host(16) kind(1) -> as-of(8) digest(32)
	prefixBody    = 'b' // digest(32) -> packed body
	prefixUser    = 'u' // digest(32) host(16) kind(1) -> nothing: who points to the body
)

var keyFormat = []byte("mformat")

type digest [sha256.Size]byte

func digestOf(body []byte) digest { return sha256.Sum256(body) }

func (d digest) String() string { return hex.EncodeToString(d[:]) }

func pointerKey(host model.HostID, kind Kind) []byte {
	b := append(make([]byte, 0, 18), prefixPointer)
	return append(append(b, host[:]...), byte(kind))
}

func bodyKey(sum digest) []byte {
	return append(append(make([]byte, 0, 33), prefixBody), sum[:]...)
}

func usersKey(sum digest) []byte {
	return append(append(make([]byte, 0, 50), prefixUser), sum[:]...)
}

func userKey(sum digest, host model.HostID, kind Kind) []byte {
	return append(append(usersKey(sum), host[:]...), byte(kind))
}

// pointer is what a host has of one kind. Its value, big-endian:
//
//	0       8          40
//	| as-of | digest   |
type pointer struct {
	asOf model.Time
	sum  digest
}

func (p pointer) encode() []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 40), uint64(p.asOf)), p.sum[:]...)
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
		if len(v) != 40 {
			return fault.New(fault.Corrupt, "", "the pointer of host %s is %d bytes, not 40; have its agent send its inventory again", host, len(v))
		}
		p.asOf = model.Time(binary.BigEndian.Uint64(v))
		copy(p.sum[:], v[8:])
		return nil
	})
	return p, err == nil, err
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
	damaged := func(why string, args ...any) error {
		return fault.New(fault.Corrupt, "", "the body %s is damaged: "+why+"; have the agents that reported it send their inventory again", append([]any{sum}, args...)...)
	}
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
