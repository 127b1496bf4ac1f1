// Package audit chains the entries of the audit record: each holds the hash of the one before it, so
// that none can be changed, taken out or put in without every later hash being wrong.
//
// It owns the chain rule. It stores nothing and never decides what is worth an entry.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Hash returns the hex SHA-256 of the entry's canonical JSON (model.Encode).
func Hash(e model.AuditEntry) (string, error) {
	b, err := model.Encode(e)
	if err != nil {
		return "", fmt.Errorf("hash audit entry %d: %w", e.Seq, err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// Chain returns e as the successor of last; last is the zero entry where e is the first.
func Chain(last, e model.AuditEntry) (model.AuditEntry, error) {
	e.Seq = last.Seq + 1
	e.Prev = ""
	if last.Seq == 0 {
		return e, nil
	}
	h, err := Hash(last)
	if err != nil {
		return e, err
	}
	e.Prev = h
	return e, nil
}

// Verify checks that next follows last; last is the zero entry where next is the first.
func Verify(last, next model.AuditEntry) error {
	want, err := Chain(last, next)
	if err != nil {
		return err
	}
	if next.Seq != want.Seq {
		return fault.New(fault.Corrupt, "verify audit record", "entry %d follows entry %d: entries are missing", next.Seq, last.Seq)
	}
	if next.Prev != want.Prev {
		return fault.New(fault.Corrupt, "verify audit record", "entry %d does not continue entry %d: one of them was changed", next.Seq, last.Seq)
	}
	return nil
}
