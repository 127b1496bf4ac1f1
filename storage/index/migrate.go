package index

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/key"
)

// copyForward makes a copy of a database that has an older schema, under the next number, and brings the
// copy to the schema of today. The copy shares its files with the original until they are rewritten. The
// original is closed and stays as it is: until the pointer names the copy, a crash starts all over.
func (s *Store) copyForward(number uint64, db *pebble.DB, schema uint64) (uint64, *pebble.DB, error) {
	s.log.Info("index: moving the rows to a newer schema", "folder", s.folder(number), "from", schema, "to", key.Schema)
	next := number + 1
	err := s.copyDB(db, s.folder(next))
	if e := closeDB(db); err == nil {
		err = e
	}
	if err != nil {
		return 0, nil, diskError("copy the index", s.folder(next), err)
	}
	db, schema, err = s.openDB(next, false)
	if err == nil {
		err = s.migrate(db, next, schema)
	}
	return next, db, err
}

// setAside keeps the database of an older schema under a name that is never opened: whoever must go back
// to the older program gives it a number and names that in the pointer file.
func (s *Store) setAside(number, schema uint64) {
	to := s.disk.fs.PathJoin(s.dir, fmt.Sprintf("schema-%d", schema))
	err := s.disk.fs.RemoveAll(to)
	if err == nil {
		err = s.disk.fs.Rename(s.folder(number), to)
	}
	if err != nil {
		s.log.Warn("index: cannot keep the rows of the older schema", "folder", s.folder(number), "error", err)
		return
	}
	s.log.Info("index: the rows of the older schema are kept; remove them once you will not go back to the older program", "folder", to)
}

// migrate brings the rows to key.Schema in place, and closes the database where that fails. Only a
// database that the pointer does not name is migrated: one that is half done is thrown away.
func (s *Store) migrate(db *pebble.DB, number, schema uint64) error {
	err := caught(func() error {
		if schema == 1 {
			if err := migrateHosts(db, s.rows); err != nil {
				return err
			}
		}
		if schema < 3 {
			if err := migrateRules(db, s.rows); err != nil {
				return err
			}
		}
		if schema < 4 {
			if err := migrateCanonicals(db, s.rows); err != nil {
				return err
			}
		}
		v := binary.BigEndian.AppendUint64(nil, key.Schema)
		if err := db.Set(key.Of(key.MetaSchema), v, pebble.NoSync); err != nil {
			return err
		}
		return s.makeDurable(db)
	})
	if err == nil {
		return nil
	}
	_ = closeDB(db)
	if fault.Is(err, fault.Corrupt) {
		return fault.Wrap("move the index to a newer schema", err)
	}
	return diskError("move the index to a newer schema", s.folder(number), err)
}

// migrateHosts writes the rows of schema 1 that have a form of their own since: those of hosts, of which the
// beat becomes a row, and the counts of sites. Those have sums that schema 1 did not know, and a row for all
// sites: they are summed anew, since increments to what is not there would go below zero. A status that is
// none of the known ones becomes unknown, as it was shown. The index by site is no longer kept in the store.
func migrateHosts(db *pebble.DB, rows *rowCodec) error {
	snap := db.NewSnapshot()
	defer snap.Close()
	r := Reader{from: snap, rows: rows}
	b := db.NewBatch()
	defer func() { _ = b.Close() }() // it holds nothing that counts any more
	// full commits what has gathered, in pieces that memory holds.
	full := func(limit int) error {
		if b.Len() < limit {
			return nil
		}
		if err := b.Commit(pebble.NoSync); err != nil {
			return err
		}
		b = db.NewBatch()
		return nil
	}
	var row []byte
	var all model.SiteCounts
	sums := map[model.SiteID]*model.SiteCounts{}
	err := r.scan(key.SpaceHost.Prefix(), func(k, v []byte) error {
		id, err := key.ReadHost(k)
		if err != nil {
			return err
		}
		var h model.Host
		if err := rows.readHost(v, id, &h); err != nil {
			return readError(k, err)
		}
		h.Status = query.StatusOf(h.Status)
		n := sums[h.Site]
		if n == nil {
			n = &model.SiteCounts{Site: h.Site}
			sums[h.Site] = n
		}
		n.Add(&h, 1)
		all.Add(&h, 1)
		if row, err = compact.AppendHost(row[:0], &h); err != nil {
			return readError(k, err)
		}
		if err := b.Set(k, row, nil); err != nil {
			return err
		}
		if err := b.Set(key.HostBeat(id), compact.AppendBeat(nil, h.Beat()), nil); err != nil {
			return err
		}
		return full(1 << 20)
	})
	if err != nil {
		return err
	}
	err = r.scan(key.SpaceCounts.Prefix(), func(k, v []byte) error {
		site, err := key.ReadCounts(k)
		if err != nil {
			return err
		}
		var n model.SiteCounts
		if err := rows.readCounts(v, site, &n); err != nil {
			return readError(k, err)
		}
		sum := sums[site]
		if sum == nil {
			sum = &model.SiteCounts{Site: site}
			sums[site] = sum
		}
		sum.LastItem, sum.JudgedAt = n.LastItem, n.JudgedAt
		return nil
	})
	if err != nil {
		return err
	}
	sums[model.SiteID{}] = &all
	for site, sum := range sums { // in any order: the keys are distinct
		if err := b.Set(key.Counts(site), encodeCounts(sum), nil); err != nil {
			return err
		}
	}
	gone := key.SpaceHostSite.Prefix()
	if err := b.DeleteRange(gone, key.After(bytes.Clone(gone)), nil); err != nil {
		return err
	}
	return full(0)
}

// migrateRules gives a site of before schema 3 the alert rules that a new one begins with.
func migrateRules(db *pebble.DB, rows *rowCodec) error {
	r := Reader{from: db, rows: rows}
	self, ok, err := r.Self()
	if err != nil || !ok || self.Role != model.RoleSite {
		return err
	}
	for _, rule := range alert.Defaults() {
		rule.Origin, rule.By, rule.At = self.Self, self.Actor, self.At
		v, err := rows.encode(rule, false)
		if err != nil {
			return err
		}
		if err := db.Set(key.Rule(rule.Name), v, pebble.NoSync); err != nil {
			return err
		}
	}
	return nil
}
