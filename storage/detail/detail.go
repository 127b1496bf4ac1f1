// Package detail is the detail tier of a site: what is too large for the directory and stays where it
// was observed - package inventories and certificate lists. It is the only package that imports
// Badger.
//
// It owns one Badger folder. A body is stored once under its SHA-256, however many hosts have the very
// same, and each host points to its bodies. Bodies that nobody points to are removed by GC. DESIGN.md
// has the keys.
//
// It never looks into a body, never expires one that a host points to, and sends nothing.
package detail

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/klauspost/compress/zstd"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Kind says which of a host's bodies is meant. Kinds are part of keys: append, never reorder.
type Kind uint8

// The kinds.
const (
	Packages     Kind = 1 // the JSON of a model.Inventory
	Certificates Kind = 2 // the JSON of a []model.Certificate
)

// MaxBody bounds a body, in bytes before compression.
const MaxBody = model.MaxPayload

// Options are the settings of Open. The zero value is usable.
type Options struct {
	// Log receives what an operator should know, and Badger's own messages at debug; nil: nothing is logged.
	Log *slog.Logger
	// MinFree is the free disk space, in bytes, below which Put is refused. Badger writes through memory
	// maps, and on a full disk those end the process with a signal, at once and again at each start;
	// so a full disk must never happen. Default 128 MiB; negative: no limit.
	MinFree int64
	// GCInterval is the time between two passes of RunGC. Default 10 minutes.
	GCInterval time.Duration
}

// Store is an open detail tier. All methods are safe for concurrent use.
type Store struct {
	dir      string
	log      *slog.Logger
	minFree  int64
	interval time.Duration
	db       *badger.DB
	enc      *zstd.Encoder
	dec      *zstd.Decoder
	free     func(dir string) (int64, error) // tests put a full disk here

	// sweep is read-held from before a Put looks for its body until the pointer to it is committed, and
	// held by GC while it removes bodies: Badger sees no conflict between "nobody points there" and a
	// pointer that is being made.
	sweep sync.RWMutex

	mu      sync.Mutex      // guards what follows
	latched error           // the first failed commit
	damaged map[digest]bool // bodies found damaged; the next Put of such a body stores it again
}

// Open opens the detail tier in dir and makes it (mode 0700) if there is none. It fails with
// fault.Conflict where another process has it open, fault.Version where a newer Skerry wrote it,
// fault.ReadOnly where it cannot be written or the disk is nearly full, and fault.Corrupt otherwise.
// The caller must Close it.
func Open(dir string, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MinFree == 0 {
		o.MinFree = 128 << 20
	}
	if o.GCInterval <= 0 {
		o.GCInterval = 10 * time.Minute
	}
	s := &Store{dir: dir, log: o.Log, minFree: o.MinFree, interval: o.GCInterval, free: freeBytes, damaged: map[digest]bool{}}
	if err := s.openDB(); err != nil {
		return nil, err
	}
	var err error
	if s.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(1<<20)); err == nil {
		s.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(MaxBody), zstd.WithDecoderMaxWindow(8<<20))
	}
	if err != nil {
		_ = s.db.Close()
		return nil, fault.New(fault.Other, "open detail tier "+dir, "%w", err)
	}
	return s, nil
}

// Close ends the store; no other method may run or be called after it.
func (s *Store) Close() error {
	s.dec.Close()
	if err := s.db.Close(); err != nil {
		return fault.New(fault.Other, "close detail tier "+s.dir, "%w", err)
	}
	return nil
}

// Entry is one body to be stored as the newest of its kind for a host, observed at AsOf.
type Entry struct {
	Host model.HostID
	Kind Kind
	AsOf model.Time
	Body []byte // at most MaxBody bytes
}

// Put is PutAll for one body.
func (s *Store) Put(host model.HostID, kind Kind, asOf model.Time, body []byte) (string, error) {
	sums, err := s.PutAll([]Entry{{host, kind, asOf, body}})
	if err != nil {
		return "", err
	}
	return sums[0], nil
}

// PutAll stores the entries and returns their digests: the hex SHA-256 of each body. They are durable
// on return, for the price of one fsync unless they are very many; where it fails, some of them may be
// stored. It fails with fault.TooLarge above MaxBody, and with fault.ReadOnly where the disk is nearly
// full or failed.
func (s *Store) PutAll(entries []Entry) ([]string, error) {
	const op = "store host detail"
	sums := make([]digest, len(entries))
	out := make([]string, len(entries))
	for i, e := range entries {
		if len(e.Body) > MaxBody {
			return nil, fault.New(fault.TooLarge, op, "it is %d bytes, the limit is %d", len(e.Body), MaxBody)
		}
		sums[i] = digestOf(e.Body)
		out[i] = sums[i].String()
	}
	if err := s.writable(op); err != nil {
		return nil, err
	}
	s.sweep.RLock()
	defer s.sweep.RUnlock()
	for done := 0; done < len(entries); {
		// Badger bounds a transaction; what does not fit goes into the next one.
		n := 0
		err := s.update(op, func(tx *badger.Txn) error {
			for n = 0; done+n < len(entries); n++ {
				err := s.put(tx, entries[done+n], sums[done+n])
				if errors.Is(err, badger.ErrTxnTooBig) && n > 0 {
					return nil
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		done += n
	}
	for _, sum := range sums {
		s.markDamaged(sum, false)
	}
	return out, nil
}

// put writes one entry. What an entry that did not fit has left in tx is harmless: it is written again.
func (s *Store) put(tx *badger.Txn, e Entry, sum digest) error {
	old, found, err := getPointer(tx, e.Host, e.Kind)
	if err != nil {
		return err
	}
	if err := s.putBody(tx, sum, e.Body); err != nil {
		return err
	}
	if !found || old.sum != sum {
		if err := tx.Set(userKey(sum, e.Host, e.Kind), nil); err != nil {
			return err
		}
		if found {
			if err := tx.Delete(userKey(old.sum, e.Host, e.Kind)); err != nil {
				return err
			}
		}
	}
	return tx.Set(pointerKey(e.Host, e.Kind), pointer{e.AsOf, sum}.encode())
}

// putBody stores body unless it is there, whole as far as we know.
func (s *Store) putBody(tx *badger.Txn, sum digest, body []byte) error {
	_, err := tx.Get(bodyKey(sum))
	if errors.Is(err, badger.ErrKeyNotFound) || err == nil && s.isDamaged(sum) {
		return tx.Set(bodyKey(sum), s.pack(body))
	}
	return err
}

func (s *Store) isDamaged(sum digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damaged[sum]
}

func (s *Store) markDamaged(sum digest, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if is {
		s.damaged[sum] = true
	} else {
		delete(s.damaged, sum)
	}
}

// Get returns the host's newest body of that kind, when it was observed, and its digest. ok is false
// where there is none. The body is the caller's.
func (s *Store) Get(host model.HostID, kind Kind) (body []byte, asOf model.Time, sum string, ok bool, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		p, found, err := getPointer(tx, host, kind)
		if err != nil || !found {
			return err
		}
		body, ok, err = s.getBody(tx, p.sum)
		if err == nil && !ok {
			err = fault.New(fault.Corrupt, "", "the body %s of host %s is missing; have its agent send its inventory again", p.sum, host)
		}
		asOf, sum = p.asOf, p.sum.String()
		return err
	})
	if err != nil {
		return nil, 0, "", false, fault.Wrap("read host detail", err)
	}
	return body, asOf, sum, ok, nil
}

// Body returns the body with that digest, whoever has it; false where there is none. The body is the
// caller's.
func (s *Store) Body(sum string) (body []byte, ok bool, err error) {
	var d digest
	if n, err := hex.Decode(d[:], []byte(sum[:min(len(sum), 2*len(d))])); err != nil || n != len(d) || len(sum) != 2*len(d) {
		return nil, false, fault.New(fault.Invalid, "read host detail", "the digest is not 64 hexadecimal digits")
	}
	err = s.db.View(func(tx *badger.Txn) error {
		body, ok, err = s.getBody(tx, d)
		return err
	})
	return body, ok, fault.Wrap("read host detail", err)
}

func (s *Store) getBody(tx *badger.Txn, sum digest) ([]byte, bool, error) {
	row, err := tx.Get(bodyKey(sum))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	var body []byte
	err = row.Value(func(v []byte) error {
		body, err = s.unpack(v, sum)
		return err
	})
	if fault.Is(err, fault.Corrupt) {
		s.markDamaged(sum, true)
	}
	return body, err == nil, err
}

// Delete removes every pointer of the host, durable on return; bodies that nobody else has go with
// the next GC. An unknown host is no error.
func (s *Store) Delete(host model.HostID) error {
	const op = "delete host detail"
	return s.update(op, func(tx *badger.Txn) error {
		for _, kind := range []Kind{Packages, Certificates} {
			p, found, err := getPointer(tx, host, kind)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			if err := tx.Delete(pointerKey(host, kind)); err != nil {
				return err
			}
			if err := tx.Delete(userKey(p.sum, host, kind)); err != nil {
				return err
			}
		}
		return nil
	})
}

// update commits fn's work, again where another writer of the same host came between. A commit that
// fails for another reason latches: what the disk holds is then unknown.
func (s *Store) update(op string, fn func(*badger.Txn) error) error {
	s.mu.Lock()
	latched := s.latched
	s.mu.Unlock()
	if latched != nil {
		return fault.Wrap(op, latched)
	}
	for {
		tx := s.db.NewTransaction(true)
		err := fn(tx)
		if err != nil {
			tx.Discard()
			return fault.Wrap(op, err)
		}
		err = tx.Commit()
		tx.Discard()
		if err == nil {
			return nil
		}
		if errors.Is(err, badger.ErrConflict) {
			continue
		}
		err = fault.New(fault.ReadOnly, "", "writing to %s failed (%w); nothing more is written to it until the disk is put right and the program is started again", s.dir, err)
		s.mu.Lock()
		s.latched = err
		s.mu.Unlock()
		s.log.Error("the detail tier can no longer be written", "folder", s.dir, "err", err)
		return fault.Wrap(op, err)
	}
}

// writable refuses when the disk is nearly full.
func (s *Store) writable(op string) error {
	if s.minFree < 0 {
		return nil
	}
	free, err := s.free(s.dir)
	if err == nil && free < s.minFree {
		return fault.New(fault.ReadOnly, op, "only %d MiB are free at %s and %d MiB must stay free; make room on that disk", free>>20, s.dir, s.minFree>>20)
	}
	return nil // not knowing is no reason to stop
}

// RunGC makes a pass of GC now and then one per Options.GCInterval, until ctx ends; it returns nil
// then. A failed pass is logged and tried again at the next turn.
func (s *Store) RunGC(ctx context.Context) error {
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	for {
		if err := s.GC(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("cleaning the detail tier failed", "folder", s.dir, "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
