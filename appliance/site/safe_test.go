package site

import (
	"bytes"
	random "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/detail"
)

// broken is a store that fails when it is told to.
type broken struct {
	failed chan struct{}
	err    error
}

func (b *broken) Failed() <-chan struct{} { return b.failed }
func (b *broken) Err() error              { return b.err }

// A site watches all of its stores, and one that fails while it serves ends all changes, with one line that says what to do.
func TestAStoreThatFailsEndsAllChanges(t *testing.T) {
	for _, tc := range []struct {
		store string
		err   error
		says  string
	}{
		{storeIndex, fault.New(fault.ReadOnly, "commit", "input/output error"), "restart the server"},
		{storeIndex, fault.New(fault.Corrupt, "read the index", "a table is damaged"), "skerry site rebuild"},
		{storeOutbox, fault.New(fault.ReadOnly, "", "input/output error"), "restart the server"},
		{storeDetail, fault.New(fault.ReadOnly, "", "input/output error"), "restart the server"},
	} {
		s := &site{Config: configOf(t), opts: Options{Log: quiet}, log: quiet, metrics: serve.NewMetrics(model.RoleSite, "test")}
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range s.inUse() {
			names = append(names, name)
		}
		if slices.Sort(names); !slices.Equal(names, []string{storeDetail, storeIndex, storeOutbox}) {
			t.Errorf("%q are watched", names)
		}
		bad := &broken{make(chan struct{}), tc.err}
		if err := s.unwell(); err != nil {
			t.Error(err)
		}
		close(bad.failed)
		s.watchStores(t.Context(), map[string]failing{tc.store: bad})
		why := s.notReady()
		if len(why) != 1 || strings.Contains(why[0], "\n") || !strings.Contains(why[0], `"`+tc.store+`"`) || !strings.Contains(why[0], tc.err.Error()) || !strings.Contains(why[0], tc.says) {
			t.Errorf("%s: it says %q", tc.store, why)
		}
		if !slices.Contains(s.readOnly(), "disk_failed") {
			t.Errorf("%s: the metrics say %q", tc.store, s.readOnly())
		}
		err := s.prop.Propose(t.Context(), model.Found{Stamp: stamp(), Self: newID(1), Role: model.RoleSite, Name: "here"})
		if !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "safe mode") {
			t.Errorf("%s: a change after it: %v", tc.store, err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}

// The first reason stays: what fails after it is mostly what follows from it.
func TestTheFirstReasonStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{log: quiet}
		one := &broken{make(chan struct{}), fault.New(fault.ReadOnly, "", "first")}
		two := &broken{make(chan struct{}), fault.New(fault.ReadOnly, "", "second")}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.watchStores(t.Context(), map[string]failing{storeIndex: one, storeOutbox: two})
		}()
		close(one.failed)
		synctest.Wait()
		close(two.failed)
		<-done
		if err := s.unwell(); err == nil || !strings.Contains(err.Error(), "first") {
			t.Error(err)
		}
	})
}

// One old body that the disk has changed is named and counted, histories that need it say so, and everything else goes on;
// it is whole again when it is reported again.
func TestADamagedBodyIsNoReasonForSafeMode(t *testing.T) {
	s := &site{Config: configOf(t), opts: Options{Log: quiet}, log: quiet, metrics: serve.NewMetrics(model.RoleSite, "test")}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	old, id := make([]byte, 8<<10), model.HostID(newID(9))
	random.NewChaCha8([32]byte{1}).Read(old)
	newer := append([]byte("newer"), old...)
	for i, body := range [][]byte{old, newer} {
		if _, err := s.detail.Put(id, detail.Packages, model.Time(i+1), body); err != nil {
			t.Fatal(err)
		}
	}
	logs, err := filepath.Glob(filepath.Join(storePath(s.Data, storeDetail), "*.vlog"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	raw, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, old[100:200]) // the first is the old one's
	f, err := os.OpenFile(logs[0], os.O_RDWR, 0)
	if err != nil || at < 0 {
		t.Fatal(at, err)
	}
	if _, err := f.WriteAt([]byte{^raw[at]}, int64(at)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.selfCheck(t.Context())
	if err := s.unwell(); err != nil {
		t.Fatalf("it is in safe mode: %v", err)
	}
	if n := s.sources().Bodies(); n != 1 {
		t.Errorf("the metric says %d", n)
	}
	report, err := s.check(t.Context())
	if err != nil || !report.OK || report.Bodies != 2 || report.DamagedN != 1 || len(report.Damaged) != 1 {
		t.Errorf("the check says %+v, %v", report, err)
	}
	var v model.Version
	if _, err := (drill{s}).version("read history", id, detail.Packages, "1", &v); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "version 1 ") {
		t.Errorf("the damaged version: %v", err)
	}
	if _, err := (drill{s}).version("read history", id, detail.Packages, "2", &v); err != nil {
		t.Errorf("the other version: %v", err)
	}
	if _, err := s.detail.Put(id, detail.Packages, 3, old); err != nil {
		t.Fatal(err)
	}
	if report, err := s.check(t.Context()); err != nil || report.DamagedN != 0 || s.sources().Bodies() != 0 {
		t.Errorf("after it was reported again: %+v, %v", report, err)
	}
}
