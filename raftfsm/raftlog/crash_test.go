package raftlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

func reseal(slot []byte) {
	n := binary.BigEndian.Uint32(slot[8:])
	binary.BigEndian.PutUint32(slot[4:], crc32.Checksum(slot[8:stateHead+n], castagn))
}

var errCut = errors.New("the power is cut")

// disk cuts the power at one sync: of the file that is being synced, each sector is then as it was or as it is to be.
type disk struct {
	dir, left string
	rnd       *rand.Rand
	after     int               // syncs until the cut
	durable   map[string][]byte // by name, of files that were synced
}

func (d *disk) sync(f *os.File) error {
	name := filepath.Base(f.Name())
	now, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		return err
	}
	if d.after--; d.after > 0 {
		d.durable[name] = now
		return nil
	}
	if err := os.CopyFS(d.left, os.DirFS(d.dir)); err != nil {
		return err
	}
	torn, before := bytes.Clone(now), d.durable[name]
	for from := 0; from < len(torn); from += 512 {
		if d.rnd.IntN(2) == 0 {
			sector := torn[from:min(from+512, len(torn))]
			clear(sector)
			if from < len(before) {
				copy(sector, before[from:])
			}
		}
	}
	if err := os.WriteFile(filepath.Join(d.left, name), torn, 0o600); err != nil {
		return err
	}
	return errCut
}

// Wherever the power is cut, all that was acknowledged is there, and of the step that was cut off, some first part,
// all or nothing; and the log goes on from there.
func TestPowerCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	tornN := 0
	for round := range 100 {
		dir, p := t.TempDir(), newPlain()
		for range 3 { // one cut after another, of the same log
			left := filepath.Join(t.TempDir(), "left")
			l, err := Open(dir, Options{SegmentBytes: minSegment, NoSync: true})
			must(t, err)
			d := &disk{dir: dir, left: left, rnd: rnd, after: 1 + rnd.IntN(40), durable: map[string][]byte{}}
			names, err := os.ReadDir(dir)
			must(t, err)
			for _, e := range names {
				d.durable[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name()))
				must(t, err)
			}
			l.sync = d.sync
			before := p
			for err == nil {
				before = p
				p, err = p.step(l, rnd)
			}
			if !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			_ = l.Close()
			l, err = Open(left, Options{SegmentBytes: minSegment, NoSync: true})
			if err != nil {
				t.Fatalf("round %d, after the power cut: %v", round, err)
			}
			last, err := l.LastIndex()
			must(t, err)
			part := p.clone()
			if last > before.last && last < p.last {
				part.last = last
				tornN++
			}
			switch {
			case p.check(l) == nil:
			case before.check(l) == nil:
				p = before
			default:
				if err := part.check(l); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
				p = part
			}
			for range 5 {
				p, err = p.step(l, rnd)
				must(t, err)
				must(t, p.check(l))
			}
			must(t, l.Close())
			dir = left
		}
	}
	if tornN == 0 {
		t.Error("no write was torn: the test proves nothing")
	}
}

// Whatever byte of an acknowledged log changes, and wherever a file is cut off: each entry reads as it was written, or
// there is an error. No value of the stable store is another one, and nothing is missing without an error.
func TestDamage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	dir, p := t.TempDir(), newPlain()
	l := open(t, dir)
	for p.last < 200 {
		next, err := p.step(l, rnd)
		must(t, err)
		p = next
	}
	must(t, l.Close())
	names, err := os.ReadDir(dir)
	must(t, err)
	caught := 0
	for range 400 {
		broken := filepath.Join(t.TempDir(), "broken")
		must(t, os.CopyFS(broken, os.DirFS(dir)))
		name := filepath.Join(broken, names[rnd.IntN(len(names))].Name())
		b, err := os.ReadFile(name)
		must(t, err)
		at := rnd.IntN(len(b))
		if filepath.Base(name) == stateFile {
			at = rnd.IntN(2)*slotSize + rnd.IntN(1000) // where it is not empty
		}
		if rnd.IntN(4) == 0 {
			b = b[:at]
		} else {
			b[at] ^= 1 << rnd.IntN(8)
		}
		must(t, os.WriteFile(name, b, 0o600))
		l, err := Open(broken, Options{SegmentBytes: minSegment, NoSync: true})
		if err == nil {
			err = p.check(l)
			must(t, l.Close())
		}
		if err != nil && !fault.Is(err, fault.Corrupt) {
			t.Fatalf("byte %d of %s: %v", at, name, err)
		}
		caught += btoi(err != nil)
		must(t, os.RemoveAll(broken))
	}
	if caught < 40 {
		t.Errorf("only %d damages were noticed", caught)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A node that was killed after a write, and whose last batch is damaged then, cannot know it from a torn write; one
// batch earlier it can.
func TestDamageBeforeTheLastBatch(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	for i := range uint64(5) {
		must(t, l.StoreLogs([]*raft.Log{{Index: 2*i + 1, Data: []byte("one")}, {Index: 2*i + 2, Data: []byte("two")}}))
	}
	at := l.segs[0].at
	path := filepath.Join(dir, l.segs[0].name())
	whole, err := os.ReadFile(path)
	must(t, err)
	for n, from := range at { // not closed: as after a kill
		left := filepath.Join(t.TempDir(), "left")
		must(t, os.CopyFS(left, os.DirFS(dir)))
		b := bytes.Clone(whole)
		b[from+recordHead] ^= 1
		must(t, os.WriteFile(filepath.Join(left, filepath.Base(path)), b, 0o600))
		l, err := Open(left, Options{SegmentBytes: minSegment})
		if n < 8 {
			if !fault.Is(err, fault.Corrupt) {
				t.Errorf("entry %d was durable and is damaged: %v", n+1, err)
			}
			continue
		}
		must(t, err)
		if last, _ := l.LastIndex(); last != uint64(n) {
			t.Errorf("the log is torn at entry %d and ends at %d", n+1, last)
		}
		must(t, l.Close())
	}
}

// What stands behind the place where a write tore is no part of the log, also once another record of the same size
// has taken that place.
func TestWhatATornWriteLeft(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	must(t, l.StoreLog(&raft.Log{Index: 1}))
	must(t, l.StoreLogs([]*raft.Log{{Index: 2, Data: []byte("torn")}, {Index: 3, Data: []byte("left")}}))
	s := l.segs[0]
	if _, err := s.f.WriteAt([]byte{0}, int64(s.at[1])+recordHead); err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint64{1, 2} {
		next := open(t, dir) // the one before was killed
		if last, _ := next.LastIndex(); last != want {
			t.Fatalf("the log ends at %d, want %d", last, want)
		}
		must(t, next.StoreLog(&raft.Log{Index: want + 1, Data: []byte("anew")}))
	}
}

func FuzzScan(f *testing.F) {
	s := segment{id: 3, base: 7, seed: seedOf(3), end: headSize}
	b := head(3, 7)
	crc := s.seed
	for i := range uint64(4) {
		b, crc = s.appendRecord(b, &raft.Log{Index: 7 + i, Data: bytes.Repeat([]byte("x"), int(i)*9), Extensions: []byte("e")}, crc)
		s.at, s.end = append(s.at, 0), int64(len(b))
	}
	f.Add(b)
	f.Add(b[:len(b)-5])
	f.Add(s.appendIndex())
	f.Fuzz(func(t *testing.T, b []byte) {
		s := segment{id: 3, base: 7, seed: seedOf(3)}
		if err := s.scan(b, 0); err == nil && s.end > max(int64(len(b))+align, headSize) {
			t.Errorf("the end is at %d of %d", s.end, len(b))
		}
		_ = s.readIndex(b, 2)
		// With a sum that fits, so that what stands behind it is tried too.
		if len(b) > headSize+recordHead {
			binary.BigEndian.PutUint32(b[headSize:], crc32.Update(seedOf(3), castagn, b[headSize+4:]))
			_ = s.scan(b, 0)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"first":3,"nextId":4,"segments":[{"id":1,"base":2,"last":9,"index":64},{"id":3,"base":10,"end":32}],"keys":{"k":"dg=="}}`))
	f.Add([]byte(`{"version":1,"nextId":1}`))
	f.Add([]byte(`{"version":9}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b := make([]byte, stateHead, stateHead+len(body))
		binary.BigEndian.PutUint32(b, stateMagic)
		binary.BigEndian.PutUint32(b[8:], uint32(len(body)))
		b = append(b, body...)
		reseal(b)
		if s, _, ok, err := decodeState(b); ok && err == nil {
			for i, g := range s.Segments {
				if g.Base == 0 || i > 0 && g.Base <= s.Segments[i-1].Base {
					t.Errorf("accepted: %s", body)
				}
			}
		}
		_, _, _, _ = decodeState(body)
	})
}
