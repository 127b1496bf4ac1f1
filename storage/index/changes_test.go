package index

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// changeLog is a log of n changes: keys in no order, every seventh a removal, every ninth from first on of size bytes that compress badly.
func changeLog(t testing.TB, s *Store, r *rand.Rand, n, first, size int) []model.AdvisoryChange {
	t.Helper()
	var log []model.AdvisoryChange
	for i, number := range r.Perm(n) {
		c := model.AdvisoryChange{
			Key:    model.AdvisoryKey{Source: []string{"osv", "nvd"}[number%2], ID: fmt.Sprintf("X-%05d", number)},
			Cursor: model.Cursor{At: 1_700_000_000_000, Seq: model.Seq(i + 1)},
		}
		if number%7 != 0 {
			c.Advisory = &model.Advisory{AdvisoryKey: c.Key, Cursor: c.Cursor, Summary: fmt.Sprintf("change %d", i), Aliases: []string{fmt.Sprintf("CVE-2024-%05d", number)}}
			if i >= first && i%9 == 0 {
				b := make([]byte, size/2)
				for j := range b {
					b[j] = byte(r.Uint32())
				}
				c.Advisory.Summary = hex.EncodeToString(b)
			}
			c.Canonical = fmt.Sprintf("CVE-2024-%05d", number)
		}
		log = append(log, c)
	}
	write(t, s, func(tx *Tx) {
		for _, c := range log {
			if c.Advisory == nil {
				ok(t, tx.DeleteAdvisory(c.Key, c.Cursor))
				continue
			}
			ok(t, tx.PutAdvisory(*c.Advisory))
			ok(t, tx.PutCanonical(model.Canonical{ID: c.Canonical, Members: []model.Edge{{AdvisoryKey: c.Key}}}))
		}
	})
	return log
}

// The log is read in batches, each by key, and comes in its own order: from any place, across batches, with rows that find no room.
func TestChangesComeInTheirOrder(t *testing.T) {
	s := openMem(t)
	log := changeLog(t, s, seeded(t), 2500, 1200, 200<<10)
	large := 0
	for _, c := range log {
		if c.Advisory != nil {
			large += len(c.Advisory.Summary)
		}
	}
	if large < 3*changesRoom {
		t.Fatalf("the large rows are %d bytes: all found room", large)
	}
	v := s.View()
	defer v.Close()
	for _, from := range []int{0, 1, leastChanges, 1199, 1200, len(log) - mostChanges, len(log) - 1, len(log)} {
		var after model.Cursor
		if from > 0 {
			after = log[from-1].Cursor
		}
		at := from
		check := func(c model.AdvisoryChange) error {
			if at == len(log) {
				return errors.New("one too many")
			}
			want := log[at]
			if c.Key != want.Key || c.Cursor != want.Cursor || c.Canonical != want.Canonical || c.Removed() != want.Removed() {
				return fmt.Errorf("change %d is %v, not %v", at, c.Key, want.Key)
			}
			if row := c.Advisory; row != nil && (row.ID != want.Key.ID || row.Summary != want.Advisory.Summary) {
				return fmt.Errorf("change %d has another record", at)
			}
			at++
			return nil
		}
		ok(t, v.AdvisoriesAfter(after, check))
		if at != len(log) {
			t.Errorf("decoded from %d: %d of %d", from, at-from, len(log)-from)
		}
		at = from
		ok(t, v.ChangesAfter(after, func(c model.AdvisoryChange) error {
			if c.Raw != nil {
				want, err := model.Encode(log[at].Advisory)
				ok(t, err)
				if !bytes.Equal(c.Raw, want) {
					return fmt.Errorf("change %d is stored as %.200s", at, c.Raw)
				}
			}
			return check(c)
		}))
		if at != len(log) {
			t.Errorf("stored from %d: %d of %d", from, at-from, len(log)-from)
		}
	}
}

// Whoever reads the log may take long, and must not hold the memory of what is written meanwhile: no iterator is open then. The first
// error ends it.
func TestNothingIsHeldWhileAChangeIsLookedAt(t *testing.T) {
	s := openMem(t)
	changeLog(t, s, seeded(t), 300, 300, 0)
	ok(t, s.life.db.Flush())
	v := s.View()
	defer v.Close()
	enough := errors.New("seen enough")
	n := 0
	err := v.ChangesAfter(model.Cursor{}, func(model.AdvisoryChange) error {
		if open := s.life.db.Metrics().TableIters; open != 0 {
			return fmt.Errorf("change %d: %d iterators are open", n, open)
		}
		if n++; n == 100 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 100 {
		t.Errorf("%d changes, %v", n, err)
	}
	ok(t, s.life.db.Flush())
	it, err := s.life.db.NewIter(nil)
	ok(t, err)
	it.First()
	if s.life.db.Metrics().TableIters == 0 {
		t.Error("an open iterator is not counted: this test shows nothing")
	}
	ok(t, it.Close())
}
