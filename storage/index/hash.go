package index

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/skerryhq/skerry/storage/key"
)

// Hash returns a SHA-256 over every key and value in key order, the applied position included, but for
// what is this node's own (key.Entry.Local): stores that applied the same log have the same hash. It reads everything, and ends early with the cause of
// ctx.
func (s *Store) Hash(ctx context.Context) ([]byte, error) {
	v := s.View()
	defer v.Close()
	h := sha256.New()
	var lengths [8]byte
	local := map[byte]bool{}
	for _, e := range key.Table() {
		local[byte(e.Space)] = e.Local
	}
	err := v.scanRange(nil, nil, func(k, value []byte) error {
		if len(k) > 0 && local[k[0]] {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		binary.BigEndian.PutUint32(lengths[:4], uint32(len(k)))
		binary.BigEndian.PutUint32(lengths[4:], uint32(len(value)))
		h.Write(lengths[:])
		h.Write(k)
		h.Write(value)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}
