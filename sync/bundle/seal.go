package bundle

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// A zstd bundle ends with a skippable frame (RFC 8878 section 3.1.2), which zstd programs pass over:
//
//	magic 4: 0x184D2A53, little-endian | length 4: 32, little-endian | SHA-256 of every byte of the file before the frame
//
// It says nothing of who made the file, which is the signature's part: it shows that no byte was hurt on the way, also none
// that the signature says nothing of, such as those of the compression itself.
const (
	sealMagic = 0x184D2A53
	sealSize  = 8 + sha256.Size
)

// seal reads the bytes of a file and knows at any point whether they end with their seal.
type seal struct {
	plain bool // the file is no zstd file and has no seal
	h     hash.Hash
	tail  []byte // the last sealSize bytes, which are not hashed yet
}

// add is given the file, piece by piece.
func (s *seal) add(p []byte) {
	if s.h == nil {
		s.h = sha256.New()
	}
	if len(p) >= sealSize {
		s.h.Write(s.tail)
		s.h.Write(p[:len(p)-sealSize])
		s.tail = append(s.tail[:0], p[len(p)-sealSize:]...)
		return
	}
	s.tail = append(s.tail, p...)
	if over := len(s.tail) - sealSize; over > 0 {
		s.h.Write(s.tail[:over])
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
}

// holds reports whether what was added ends with its seal.
func (s *seal) holds() bool {
	return s.h != nil && string(s.tail) == string(sealOf(s.h))
}

// sealOf returns the seal of what h has hashed.
func sealOf(h hash.Hash) []byte {
	b := binary.LittleEndian.AppendUint32(nil, sealMagic)
	b = binary.LittleEndian.AppendUint32(b, sha256.Size)
	return h.Sum(b)
}
