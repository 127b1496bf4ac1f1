package exchange

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// A peer may send longer runs than this side would: they are proposed in pieces, in order, and what the
// pieces before a failure brought stays.
func TestALongRunIsProposedInPieces(t *testing.T) {
	const sick = 3 // the piece that fails
	for _, tc := range []struct {
		name    string
		items   int
		payload int
		pieces  int
		last    int // items of the last piece
	}{
		{"one", 1, 10, 1, 1},
		{"full", MaxRunItems, 10, 1, MaxRunItems},
		{"one too many", MaxRunItems + 1, 10, 2, 1},
		{"the longest run", model.MaxItemsRun, 10, model.MaxItemsRun / MaxRunItems, MaxRunItems},
		{"wide rows", 100, 64 << 10, 7, 4},
		{"larger than a piece", 3, MaxRunBytes + 1, 3, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var sizes []int
			var seqs []model.Seq
			told, fail := 0, 0
			r := &Received{
				Origin: model.NodeID{1}, Now: func() time.Time { return time.Unix(1_700_000_000, 0) },
				Propose: func(_ context.Context, changes ...model.Change) error {
					if len(sizes)+1 == fail {
						return fault.New(fault.ReadOnly, "", "the disk is full")
					}
					items := changes[0].(model.Received).Items
					for _, it := range items {
						seqs = append(seqs, it.Seq)
					}
					sizes = append(sizes, len(items))
					return nil
				},
				Accepted: func(items []model.Item) { told += len(items) },
			}
			var items []model.Item
			body := jsontext.Value(`"` + strings.Repeat("x", tc.payload-2) + `"`)
			for i := range tc.items {
				items = append(items, model.Item{Seq: model.Seq(i + 1), Kind: model.ItemHost, Payload: body})
			}
			at, err := r.Accept(t.Context(), 7, items)
			if err != nil || at != (model.Position{Epoch: 7, Seq: model.Seq(tc.items)}) {
				t.Fatalf("at %v, %v", at, err)
			}
			if len(sizes) != tc.pieces || sizes[len(sizes)-1] != tc.last || told != tc.items || len(seqs) != tc.items {
				t.Errorf("pieces of %v items, %d told; want %d, the last of %d", sizes, told, tc.pieces, tc.last)
			}
			for i, s := range seqs {
				if s != model.Seq(i+1) {
					t.Fatalf("item %d was proposed at place %d", s, i)
				}
			}
			if tc.pieces < sick {
				return
			}
			sizes, told, fail = nil, 0, sick
			if _, err := r.Accept(t.Context(), 7, items); !fault.Is(err, fault.ReadOnly) || len(sizes) != sick-1 {
				t.Errorf("with a sick disk: %v after %d pieces", err, len(sizes))
			}
		})
	}
}
