package controller

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// Rows that cannot be flushed at the end hold the process up for a while and not for ever, also where nothing had failed
// before; and it says what it waited for.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		defer close(hang)
		others := 0
		k := &controller{}
		k.later(func() error { <-hang; return nil }) // the rows are opened first
		k.later(func() error { others++; return nil })
		began := time.Now()
		err := k.close()
		if took := time.Since(began); took != flushLimit || others != 1 {
			t.Errorf("after %v, with %d others closed", took, others)
		}
		if !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "rows") || !strings.Contains(err.Error(), "next start") {
			t.Error(err)
		}
	})
}
