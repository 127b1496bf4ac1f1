package site

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/recalc"
	"github.com/skerryhq/skerry/storage/detail"
)

// One inventory that does not read any more costs its own hosts their findings, and nobody else's: a
// site that ended for it would end again at every start.
func TestADamagedInventoryStopsNoOther(t *testing.T) {
	self := model.NodeID(newID(1))
	s := openStore(t, filepath.Join(t.TempDir(), "index"), self, model.RoleSite)
	defer s.Close()
	d, err := detail.Open(filepath.Join(t.TempDir(), "detail"), detail.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	good, err := model.Encode(model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{}})
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	changes := []model.Change{model.Advisories{Stamp: stamp(), Put: []model.Advisory{{AdvisoryKey: model.AdvisoryKey{Source: "x", ID: "X-1"}}}}}
	for i, body := range [][]byte{[]byte(`{"packages": 7}`), good} {
		host := model.HostID(newID(byte(10 + i)))
		sum, err := d.Put(host, detail.Packages, stamp().At, body)
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, sum)
		ref, err := model.Encode(model.InventoryRef{Digest: sum})
		if err != nil {
			t.Fatal(err)
		}
		m := model.Member{ID: model.NodeID(host), Kind: model.MemberHost, Name: strings.Repeat("h", i+1), TokenHash: "t", TokenExpires: stamp().At + 1e6}
		changes = append(changes, model.Invite{Stamp: stamp(), Member: m}, model.Enroll{Stamp: stamp(), Member: m.ID, TokenHash: "t", Pin: m.Name},
			model.Received{Stamp: stamp(), Origin: m.ID, Epoch: 1, Items: []model.Item{{Seq: 1, Kind: model.ItemPackages, Key: host.String(), AsOf: stamp().At, Payload: ref}}})
	}
	if err := s.Propose(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- recalc.Run(ctx, recalc.Config{
			Site: model.SiteID(self), Wait: s.Wait, Inventories: inventories{d}, Proposer: s,
			View: func() (recalc.View, func()) { v := s.Rows.Store.View(); return v, func() { _ = v.Close() } },
			Now:  time.Now, Settle: func(context.Context) error { return nil }, Log: quiet,
		})
	}()
	var dirty []string
	for {
		seen := s.Version() // before the rows, so that no commit falls between
		v := s.Rows.Store.View()
		dirty, err = v.DirtyDigests(0)
		head, matched, _ := v.MatchHead(digests[1])
		h, _, _ := v.Host(model.HostID(newID(11)))
		_ = v.Close()
		if err != nil {
			t.Fatal(err)
		}
		if matched {
			if head.FixableN == nil || h.Updates == nil || *h.Updates != *head.FixableN {
				t.Errorf("matched as %+v, and the host has updates %v", head, h.Updates)
			}
			break
		}
		woken := make(chan error, 1)
		go func() {
			_, err := s.Wait(ctx, seen)
			woken <- err
		}()
		select {
		case err := <-ended:
			t.Fatalf("the recalculation ended: %v", err)
		case err := <-woken:
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(dirty) != 1 || dirty[0] != digests[0] {
		t.Errorf("marked are %q; want the damaged one, %s", dirty, digests[0])
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
