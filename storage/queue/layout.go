package queue

import (
	"encoding/binary"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"go.etcd.io/bbolt"
)

// Format is the layout described in DESIGN.md. A file of a higher format is refused.
const Format = 1

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

// load checks the format and reads the state.
func load(db *bbolt.DB) (s state, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		m := tx.Bucket(bucketMeta)
		if m == nil || len(m.Get(keyFormat)) != 4 {
			return fault.New(fault.Corrupt, "", "the file is not a queue; move it away to start anew")
		}
		if f := binary.BigEndian.Uint32(m.Get(keyFormat)); f > Format {
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
		s.terminal, err = countTerminal(tx)
		return err
	})
	return s, err
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

// encodeItem returns the value of an item. The sequence number stands in the key only, so that a new
// epoch can renumber without rewriting payloads.
func encodeItem(it model.Item) ([]byte, error) {
	it.Seq = 0
	return model.Encode(it)
}

func decodeItem(k, v []byte) (model.Item, error) {
	var it model.Item
	if err := model.Decode(v, &it); err != nil {
		return it, fault.New(fault.Corrupt, "", "a stored item does not decode (%w); restore the queue from a backup", err)
	}
	var err error
	it.Seq, err = keySeq(k)
	return it, err
}
