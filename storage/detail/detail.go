// Package detail is the detail tier of a site: what is too large for the directory and stays where it
// was observed - package inventories, certificate lists, facts of the operating system, the output of
// commands and the bodies of audit entries. It is the only package that imports Badger.
//
// It owns one Badger folder. A body is stored once under its SHA-256, however many hosts have or had the
// very same. Of what a host has (a state) it keeps the newest and the versions before it; of what happened
// (an event) each one under its id. Both expire by kind; bodies that no record names are removed by GC.
// DESIGN.md has the keys and how age is told.
//
// It never looks into a body by itself, never expires the newest of a host that exists, and sends nothing.
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
	Packages     Kind = 1 // a state: the JSON of a model.Inventory
	Certificates Kind = 2 // a state: the JSON of a []model.Certificate
	OSFacts      Kind = 3 // a state: the JSON of a model.OSFacts
	Output       Kind = 4 // an event: what a command printed, as it came; its id is the command's
	Audit        Kind = 5 // an event: what an audit entry is about; "host" is the member that it concerns
)

// event reports whether each body of the kind stands for itself, so that no newer one takes its place.
func (k Kind) event() bool { return k == Output || k == Audit }

// states are the kinds of which a host has one at a time.
var states = []Kind{Packages, Certificates, OSFacts}

// MaxBody bounds a body, in bytes before compression.
const MaxBody = model.MaxPayload

// MaxVersions bounds the versions of one kind that are kept of a host; the oldest go.
const MaxVersions = 1000

// MaxEvents bounds the events of one kind that are kept of a host; Expire removes the oldest.
const MaxEvents = 1000

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
	// Retention is how long what was replaced is kept.
	Retention Retention
	// Exists reports whether a host is in the directory; what is held of one that is not goes after
	// Retention.Retired. nil: every host exists.
	Exists func(model.HostID) (bool, error)
	// Compare counts what differs between two bodies of a state, for History. It is given what Put was given,
	// must not keep it, and is a pure function of it. nil: nothing is counted.
	Compare func(kind Kind, from, to []byte) (Counts, error)
	// Now is the site's clock, for what people are shown. Default time.Now.
	Now func() time.Time
	// Uptime rises steadily with the time that the machine runs, whatever happens to the clock; age is told by
	// it. Default: since this process began.
	Uptime func() time.Duration
}

// Counts says how many things were added, removed and changed from one version to the next.
type Counts struct{ Added, Removed, Changed int }

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
	keep     Retention
	exists   func(model.HostID) (bool, error)
	compare  func(Kind, []byte, []byte) (Counts, error)
	now      func() time.Time
	aging    *aging

	// sweep is read-held from before a Put looks for its body until the pointer to it is committed, and
	// held by GC while it removes bodies: Badger sees no conflict between "nobody points there" and a
	// pointer that is being made.
	sweep sync.RWMutex

	mu      sync.Mutex        // guards what follows
	latched error             // the first failed commit
	broken  chan struct{}     // closed when latched is set
	damaged map[digest]bool   // bodies found damaged; the next Put of such a body stores it again
	loose   bool              // a body may have lost its last record since the last sweep
	counted map[change]Counts // what was counted lately
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
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Uptime == nil {
		o.Uptime = sinceStart
	}
	s := &Store{
		dir: dir, log: o.Log, minFree: o.MinFree, interval: o.GCInterval, free: freeBytes, keep: o.Retention.withDefaults(), exists: o.Exists,
		compare: o.Compare, now: o.Now, damaged: map[digest]bool{}, loose: true, counted: map[change]Counts{},
		broken: make(chan struct{}),
	}
	if err := s.openDB(o.Uptime); err != nil {
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
	err := s.saveAge()
	if e := s.db.Close(); e != nil {
		return fault.New(fault.Other, "close detail tier "+s.dir, "%w", e)
	}
	return err
}

// Entry is one body to be stored, observed at AsOf: as the newest of its kind for a host where the kind is
// a state, else as the event ID, in the place of that event if it is there already.
type Entry struct {
	Host model.HostID
	Kind Kind
	ID   [16]byte // of an event
	AsOf model.Time
	Body []byte // at most MaxBody bytes
}

// Put is PutAll for one body of a state.
func (s *Store) Put(host model.HostID, kind Kind, asOf model.Time, body []byte) (string, error) {
	sums, err := s.PutAll([]Entry{{Host: host, Kind: kind, AsOf: asOf, Body: body}})
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
	r := record{at: model.TimeOf(s.now()), asOf: e.AsOf, age: s.aging.now(), size: uint32(len(e.Body)), sum: sum}
	if e.Kind.event() {
		return s.putEvent(tx, e, r)
	}
	old, found, err := getPointer(tx, e.Host, e.Kind)
	if err != nil {
		return err
	}
	if err := s.putBody(tx, sum, e.Body); err != nil {
		return err
	}
	if found && old.sum == sum {
		return tx.Set(pointerKey(e.Host, e.Kind), pointer{e.AsOf, sum, old.n}.encode())
	}
	n := old.n + 1
	if found {
		r.counts, r.counted = s.count(tx, e, old.sum, sum)
	}
	key := versionKey(e.Host, e.Kind, n)
	switch half, there, err := getRecord(tx, key); { // of a transaction that was cut in two, and then the power
	case err != nil:
		return err
	case there && half.sum != sum:
		if err := tx.Delete(userKey(half.sum, key)); err != nil {
			return err
		}
	}
	if err := putRecord(tx, key, r); err != nil {
		return err
	}
	if n > MaxVersions {
		key := versionKey(e.Host, e.Kind, n-MaxVersions)
		switch oldest, there, err := getRecord(tx, key); {
		case err != nil:
			return err
		case there:
			s.loosen()
			if err := dropRecord(tx, key, oldest.sum); err != nil {
				return err
			}
		}
	}
	return tx.Set(pointerKey(e.Host, e.Kind), pointer{e.AsOf, sum, n}.encode())
}

// putEvent writes an event, over the one of that id if it is there.
func (s *Store) putEvent(tx *badger.Txn, e Entry, r record) error {
	key := eventKey(e.Host, e.Kind, e.ID)
	old, found, err := getRecord(tx, key)
	if err != nil {
		return err
	}
	if err := s.putBody(tx, r.sum, e.Body); err != nil {
		return err
	}
	if found && old.sum == r.sum {
		return nil
	}
	if found {
		s.loosen()
		if err := tx.Delete(userKey(old.sum, key)); err != nil {
			return err
		}
	}
	return putRecord(tx, key, r)
}

// loosen remembers that a body may have lost its last record.
func (s *Store) loosen() {
	s.mu.Lock()
	s.loose = true
	s.mu.Unlock()
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
	d, err := parseDigest(sum)
	if err != nil {
		return nil, false, err
	}
	err = s.db.View(func(tx *badger.Txn) error {
		body, ok, err = s.getBody(tx, d)
		return err
	})
	return body, ok, fault.Wrap("read host detail", err)
}

func parseDigest(sum string) (d digest, err error) {
	if n, err := hex.Decode(d[:], []byte(sum[:min(len(sum), 2*len(d))])); err != nil || n != len(d) || len(sum) != 2*len(d) {
		return d, fault.New(fault.Invalid, "read host detail", "the digest is not 64 hexadecimal digits")
	}
	return d, nil
}

func (s *Store) getBody(tx *badger.Txn, sum digest) ([]byte, bool, error) {
	row, err := tx.Get(bodyKey(sum))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	body, err := s.readBody(row, sum)
	return body, err == nil, err
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
		if s.latched == nil {
			s.latched = err
			close(s.broken)
		}
		s.mu.Unlock()
		s.log.Error("the detail tier can no longer be written", "folder", s.dir, "err", err)
		return fault.Wrap(op, err)
	}
}

// Err returns why nothing more is written, with kind fault.ReadOnly, or nil. Once set it stays.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latched
}

// Failed is closed when Err becomes set.
func (s *Store) Failed() <-chan struct{} { return s.broken }

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

// expireEvery is the pause between two passes of Expire.
const expireEvery = time.Hour

// RunGC makes a pass of GC now and then one per Options.GCInterval, and one of Expire per hour, until ctx
// ends; it returns nil then. A failed pass is logged and tried again at the next turn.
func (s *Store) RunGC(ctx context.Context) error {
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	for due := s.aging.uptime(); ; {
		if up := s.aging.uptime(); up >= due {
			if _, err := s.Expire(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("removing old host detail failed", "folder", s.dir, "err", err)
			}
			due = up + expireEvery
		}
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
