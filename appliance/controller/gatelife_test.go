package controller

import (
	"crypto/x509"
	"log/slog"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
)

// A node of the group as it was before a restore must not get a word in, also where the backup does not know it.
func TestGateAfterARestore(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	enrolled := time.Now().Truncate(time.Second)
	leaf := func(at time.Time) *x509.Certificate {
		n, err := enroll.FoundNode(t.TempDir(), ca, enroll.Founding{
			Member: model.NodeID{7}, Group: model.NodeID{0xee}, Name: "seven", Now: func() time.Time { return at },
		})
		if err != nil {
			t.Fatal(err)
		}
		return n.Certificate().Leaf
	}
	for _, c := range []struct {
		name     string
		enrolled time.Time
		restored model.Time
		denied   bool
	}{
		{"never restored", enrolled, 0, false},
		{"restored since", enrolled, model.TimeOf(enrolled.Add(time.Minute)), true},
		{"joined the restored group", enrolled.Add(time.Minute), model.TimeOf(enrolled), false},
		{"joined within the same second", enrolled, model.TimeOf(enrolled.Add(400 * time.Millisecond)), false},
	} {
		g := &gate{restored: func() (model.Time, error) { return c.restored, nil }, log: slog.New(slog.DiscardHandler)}
		err := g.ofThisLife(leaf(c.enrolled))
		if denied := fault.Is(err, fault.Denied); denied != c.denied || err != nil && !denied {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	g := &gate{restored: func() (model.Time, error) { return 0, fault.New(fault.Corrupt, "", "x") }}
	if err := g.ofThisLife(leaf(enrolled)); !fault.Is(err, fault.Unreachable) {
		t.Errorf("with rows that cannot be read: %v", err)
	}
	if err := (&gate{}).ofThisLife(leaf(enrolled)); err != nil {
		t.Errorf("%v", err)
	}
}
