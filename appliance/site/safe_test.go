package site

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
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
