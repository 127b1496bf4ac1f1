package storagetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/skerryhq/skerry/storage/index"
)

// pebbleStore fits index.Store to the suite.
type pebbleStore struct{ *index.Store }

func (s pebbleStore) Begin() Tx { return s.Store.Begin() }

func (s pebbleStore) Check() error {
	r, err := s.Store.Check(context.Background())
	if err == nil && !r.OK() {
		err = fmt.Errorf("%d faults: %q", r.FaultN, r.Faults)
	}
	return err
}

type pebbleDisk struct{ disk *index.Disk }

func (d pebbleDisk) Open() (Store, error) {
	s, err := index.Open("/data/index", index.Options{Disk: d.disk, CacheBytes: 1 << 20})
	if err != nil {
		return nil, err
	}
	return pebbleStore{s}, nil
}

func (d pebbleDisk) Crash(keepPercent int, seed uint64) Disk {
	return pebbleDisk{d.disk.Crash(keepPercent, seed)}
}

func TestIndexConformance(t *testing.T) {
	Conformance(t, func(t *testing.T) Store {
		s, err := pebbleDisk{index.NewMemDisk()}.Open()
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return s
	})
}

func TestIndexConformanceOnFiles(t *testing.T) {
	Conformance(t, func(t *testing.T) Store {
		s, err := index.Open(t.TempDir(), index.Options{CacheBytes: 1 << 20})
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return pebbleStore{s}
	})
}

func TestIndexCrash(t *testing.T) { Crash(t, pebbleDisk{index.NewMemDisk()}) }
