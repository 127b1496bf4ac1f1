package queue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime/debug"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"go.etcd.io/bbolt"
)

// Format is the layout described in DESIGN.md. A file of a higher format is refused; one of a lower format is read as
// it is, and is of this one from then on.
const Format = 2

var (
	bucketMeta    = []byte("meta")
	bucketItems   = []byte("items")
	bucketKeys    = []byte("keys")
	bucketHeld    = []byte("held")
	bucketJournal = []byte("journal")

	keyFormat = []byte("format")
	keyState  = []byte("state")
	// keyOvertaken is there where the receiver named a number of this epoch that was never given out here;
	// the value is that number, big-endian.
	keyOvertaken = []byte("overtaken")
)

// state is what the meta bucket says about the whole queue.
type state struct {
	epoch    model.Epoch
	head     model.Seq
	dropped  model.Seq
	count    uint64 // items stored
	bytes    uint64 // sum of their values' lengths
	terminal int    // journal records in a terminal state; counted at open, not stored
	// overtaken says that this file is an older copy of itself; stored under its own key.
	overtaken bool
}

// The state's value, big-endian:
//
//	0     4          12           20       28       36
//	| epoch | head     | dropped    | count  | bytes  |
const stateLen = 36

func (s state) encode() []byte {
	b := make([]byte, 0, stateLen)
	b = binary.BigEndian.AppendUint32(b, uint32(s.epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(s.head))
	b = binary.BigEndian.AppendUint64(b, uint64(s.dropped))
	b = binary.BigEndian.AppendUint64(b, s.count)
	return binary.BigEndian.AppendUint64(b, s.bytes)
}

func decodeState(b []byte) (state, error) {
	if len(b) != stateLen {
		return state{}, fault.New(fault.Corrupt, "", "its state is %d bytes, not %d; restore it from a backup", len(b), stateLen)
	}
	return state{
		epoch:   model.Epoch(binary.BigEndian.Uint32(b)),
		head:    model.Seq(binary.BigEndian.Uint64(b[4:])),
		dropped: model.Seq(binary.BigEndian.Uint64(b[12:])),
		count:   binary.BigEndian.Uint64(b[20:]),
		bytes:   binary.BigEndian.Uint64(b[28:]),
	}, nil
}

// initialise makes the buckets of an empty queue.
func initialise(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketItems, bucketKeys, bucketHeld, bucketJournal} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	m := tx.Bucket(bucketMeta)
	if err := m.Put(keyFormat, binary.BigEndian.AppendUint32(nil, Format)); err != nil {
		return err
	}
	return m.Put(keyState, state{epoch: 1}.encode())
}

// examine reads every page and every row of the file at path, which nothing has opened for writing, so that what is
// damaged is known before anything relies on it.
func examine(path string, lock time.Duration) (err error) {
	// A page that makes no sense is a panic in bbolt, and one beyond the end of a cut file a fault of memory.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damaged(fmt.Errorf("a page of it makes no sense: %v", r))
		}
	}()
	o := boltOptions(lock)
	o.ReadOnly = true
	db, err := bbolt.Open(path, 0o600, o)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.View(complete); err != nil {
		return err
	}
	_, _, err = load(db)
	return err
}

// load checks the format and every row, and returns the state, and whether the format is an older one.
func load(db *bbolt.DB) (s state, older bool, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		m := tx.Bucket(bucketMeta)
		if m == nil || len(m.Get(keyFormat)) != 4 {
			return fault.New(fault.Corrupt, "", "the file is not a queue; move it away to start anew")
		}
		f := binary.BigEndian.Uint32(m.Get(keyFormat))
		if older = f < Format; f > Format {
			return fault.New(fault.Version, "", "the file has format %d and this program reads up to %d; run the version that wrote it, or a newer one", f, Format)
		}
		for _, name := range [][]byte{bucketItems, bucketKeys, bucketHeld, bucketJournal} {
			if tx.Bucket(name) == nil {
				return fault.New(fault.Corrupt, "", "the bucket %q is missing; restore the file from a backup", name)
			}
		}
		if s, err = decodeState(m.Get(keyState)); err != nil {
			return err
		}
		s.overtaken = m.Get(keyOvertaken) != nil
		if s.terminal, err = countTerminal(tx); err != nil {
			return err
		}
		return sound(tx, s)
	})
	return s, older, err
}

// raise marks the file as one of this format.
func raise(db *bbolt.DB) error {
	return db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketMeta).Put(keyFormat, binary.BigEndian.AppendUint32(nil, Format))
	})
}

// sound reads all items and holds them against the state.
func sound(tx *bbolt.Tx, s state) error {
	var count, size uint64
	last := model.Seq(0)
	err := tx.Bucket(bucketItems).ForEach(func(k, v []byte) error {
		it, err := decodeItem(k, v)
		if err != nil {
			return err
		}
		count, size, last = count+1, size+uint64(len(v)), it.Seq
		return nil
	})
	if err != nil {
		return err
	}
	if count != s.count || size != s.bytes || last > s.head {
		return damaged(fmt.Errorf("it has %d items of %d bytes up to number %d, and its state says %d, %d and %d", count, size, last, s.count, s.bytes, s.head))
	}
	return nil
}

// complete reads every byte of every row and the order of the keys, which whoever opens the file for writing relies on.
func complete(tx *bbolt.Tx) error {
	info, err := os.Stat(tx.DB().Path())
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return damaged(fmt.Errorf("it ends after %d bytes of %d", info.Size(), tx.Size()))
	}
	file, err := os.Open(tx.DB().Path())
	if err != nil {
		return err
	}
	defer file.Close()
	if err := tree(tx, file, tx.DB().Info().PageSize); err != nil {
		return err
	}
	return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		var last []byte
		sum := uint32(0)
		return b.ForEach(func(k, v []byte) error {
			if last != nil && bytes.Compare(last, k) >= 0 {
				return damaged(fmt.Errorf("the rows of %q are not in order", name))
			}
			last = k
			sum = crc32.Update(sum, castagnoli, v)
			return nil
		})
	})
}

// damaged is the error of a file that cannot be relied on.
func damaged(why error) error {
	return fault.New(fault.Corrupt, "", "the file is damaged: %w; restore it from a backup, or move it away to start anew", why)
}

// summed begins a value that has a sum:
//
//	0   1         5
//	| 1 | CRC-32C | JSON
//
// A value of format 1 is the JSON alone, which begins with a brace.
const summed = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal returns JSON with its sum in front: bbolt has none for what it stores.
func seal(v []byte) []byte {
	b := make([]byte, 5, 5+len(v))
	b[0] = summed
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(v, castagnoli))
	return append(b, v...)
}

// unseal returns the JSON of a stored value.
func unseal(v []byte) ([]byte, error) {
	switch {
	case len(v) > 0 && v[0] == '{':
		return v, nil
	case len(v) < 5 || v[0] != summed:
		return nil, damaged(errors.New("a row has no known form"))
	case binary.BigEndian.Uint32(v[1:]) != crc32.Checksum(v[5:], castagnoli):
		return nil, damaged(errors.New("a row is not what its sum says"))
	}
	return v[5:], nil
}

func seqKey(s model.Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(s)) }

func keySeq(b []byte) (model.Seq, error) {
	if len(b) != 8 {
		return 0, fault.New(fault.Corrupt, "", "a sequence number is %d bytes, not 8; restore the queue from a backup", len(b))
	}
	return model.Seq(binary.BigEndian.Uint64(b)), nil
}

// family is the group of kinds among which the newest item of a key takes the place of the others.
func family(k model.ItemKind) model.ItemKind {
	switch k {
	case model.ItemHostGone:
		return model.ItemHost
	case model.ItemAdvisoryGone:
		return model.ItemAdvisory
	case model.ItemPolicyGone:
		return model.ItemPolicy
	case model.ItemRuleGone:
		return model.ItemRule
	}
	return k
}

// part is the kind whose waiting item of the same key a whole item makes void, since it says that and
// more; empty for most. The other way round nothing is void: a status does not replace a row.
func part(k model.ItemKind) model.ItemKind {
	if k == model.ItemHost || k == model.ItemHostGone {
		return model.ItemStatus
	}
	return ""
}

// placeKey names what an item is the newest state of: family, a zero byte, key.
func placeKey(it model.Item) []byte { return place(family(it.Kind), it.Key) }

func place(f model.ItemKind, key string) []byte {
	b := make([]byte, 0, len(f)+1+len(key))
	b = append(b, f...)
	b = append(b, 0)
	return append(b, key...)
}

// encodeItem returns the value of an item. The sequence number stands in the key only.
func encodeItem(it model.Item) ([]byte, error) {
	it.Seq = 0
	v, err := model.Encode(it)
	if err != nil {
		return nil, err
	}
	return seal(v), nil
}

func decodeItem(k, v []byte) (model.Item, error) {
	var it model.Item
	raw, err := unseal(v)
	if err != nil {
		return it, err
	}
	if err := model.Decode(raw, &it); err != nil {
		return it, fault.New(fault.Corrupt, "", "a stored item does not decode (%w); restore the queue from a backup", err)
	}
	it.Seq, err = keySeq(k)
	return it, err
}
