package site

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/clock"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestHostsThatNobodyBringsAgain: the line is cut and an agent is down when the index is made anew. Its host is there at once,
// as last known and unknown; so is one of which no copy was written, by its name.
func TestHostsThatNobodyBringsAgain(t *testing.T) {
	c := configOf(t)
	enrolled(t, c)
	c.Agents.Interval = 4e9
	dir := t.TempDir()
	r := runSite(t, c, Options{})
	id := r.enrollAgent(dir, "till-1")
	r.enrollAgent(t.TempDir(), "till-2") // it never reports
	stop := r.runAgent(dir, id)
	var was schema.Host
	eventually(t, "the host is up", func() bool {
		return r.ask(http.MethodGet, "/api/v1/hosts/till-1", nil, &was) == nil && was.Status == "up" && was.AsOf.Packages != nil
	})
	stop()
	r.stop()

	for _, copied := range []bool{true, false} {
		if !copied {
			if err := os.Remove(rowsPath(c.Data)); err != nil {
				t.Fatal(err)
			}
		}
		done, err := Rebuild(t.Context(), c, []string{storeIndex}, quiet)
		if err != nil || done.Hosts != 2 {
			t.Fatalf("%+v, %v", done, err)
		}
		r = runSite(t, c, Options{})
		var row schema.Host
		if err := r.ask(http.MethodGet, "/api/v1/hosts/till-1", nil, &row); err != nil || row.Status != "unknown" || row.StatusReason == "" || row.Hostname != "till-1" {
			t.Errorf("before it is heard: %+v, %v", row, err)
		}
		if whole := row.LastSeen != nil && row.AsOf.Packages != nil && row.AsOf.Packages.Equal(*was.AsOf.Packages); whole != copied {
			t.Errorf("copied %v: %+v", copied, row)
		}
		row = schema.Host{}
		if err := r.ask(http.MethodGet, "/api/v1/hosts/till-2", nil, &row); err != nil || row.Status != "unknown" || row.LastSeen != nil {
			t.Errorf("one that never reported: %+v, %v", row, err)
		}
		if copied { // it is judged like any other
			eventually(t, "the host is down", func() bool {
				return r.ask(http.MethodGet, "/api/v1/hosts/till-1", nil, &row) == nil && row.Status == "down"
			})
		}
		var report schema.StorageReport
		if err := r.ask(http.MethodPost, "/api/v1/storage/check", nil, &report); err != nil || !report.OK {
			t.Errorf("the rows and their sums: %+v, %v", report, err)
		}
		r.stop()
	}
}

// TestWhenRowsAreCopied: at the first look, where rows differ, and at the end; not for beats alone.
func TestWhenRowsAreCopied(t *testing.T) {
	self := model.NodeID(newID(1))
	s := &site{Config: configOf(t), log: quiet}
	s.id.Member, s.Data = self, t.TempDir()
	s.clock = clock.Open(clock.Config{Path: clockPath(s.Config), Log: quiet})
	store := openStore(t, t.TempDir(), self, model.RoleSite)
	defer store.Close()
	s.rows = store.Rows
	agent := model.NodeID(newID(2))
	id := model.HostID(agent)
	must := func(changes ...model.Change) {
		t.Helper()
		if err := store.Propose(t.Context(), changes...); err != nil {
			t.Fatal(err)
		}
	}
	report := func(seq model.Seq, kernel string) {
		t.Helper()
		payload, err := model.Encode(model.Facts{Hostname: "till-1", Kernel: kernel})
		if err != nil {
			t.Fatal(err)
		}
		must(model.Received{Stamp: stamp(), Origin: agent, Epoch: 1, Items: []model.Item{
			{Seq: seq, Kind: model.ItemFacts, Key: id.String(), AsOf: stamp().At, Payload: payload},
		}})
	}
	must(model.Invite{Stamp: stamp(), Member: model.Member{ID: agent, Kind: model.MemberHost, Name: "till-1", TokenHash: "x", TokenExpires: stamp().At.Add(time.Hour)}})
	must(model.Enroll{Stamp: stamp(), Member: agent, TokenHash: "x", Pin: "p"})
	report(1, "one")

	var last rowCopy
	now := time.Now()
	var held []byte
	look := func(after time.Duration, ended, writes bool) {
		t.Helper()
		now = now.Add(after)
		if err := s.writeRows(&last, now, ended); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(rowsPath(s.Data))
		if err != nil {
			t.Fatal(err)
		}
		if wrote := !bytes.Equal(raw, held); wrote != writes {
			t.Errorf("written: %v, want %v", wrote, writes)
		}
		held = raw
	}
	look(0, false, true)
	must(model.HostStatuses{Stamp: stamp(), Hosts: []model.HostStatusAt{{Host: id, Status: model.HostUp, LastSeen: stamp().At.Add(time.Second)}}})
	look(rowsEvery, false, false)
	look(rowsAlways, false, true)
	report(2, "two")
	look(rowsSettle, false, false) // not yet
	look(rowsEvery, false, true)
	report(3, "three")
	look(time.Second, true, true)

	// What is read again, and what of it where it is damaged.
	read := func(self model.NodeID, raw []byte) (n int, err error) {
		err = decodeRows(bytes.NewReader(raw), self, func(_ rowsHead, h model.Host) error {
			if n++; h.ID != id || h.Kernel != "three" {
				t.Errorf("%+v", h)
			}
			return nil
		})
		return n, err
	}
	if n, err := read(self, held); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := read(agent, held); !fault.Is(err, fault.Conflict) {
		t.Errorf("of another site: %v", err)
	}
	for cut := range held {
		if _, err := read(self, held[:cut]); !fault.Is(err, fault.Corrupt) {
			t.Errorf("cut at %d of %d: %v", cut, len(held), err)
		}
	}
	broken := errors.New("stop")
	if err := decodeRows(bytes.NewReader(held), self, func(rowsHead, model.Host) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}
