package agentd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// slowShelf is a detail tier that keeps everything waiting until it is told, and counts what waits.
type slowShelf struct {
	open chan struct{}

	mu    sync.Mutex // guards what follows
	now   int
	most  int
	total int
}

func (s *slowShelf) PutAll(bodies []Body) ([]string, error) {
	size := 0
	for _, b := range bodies {
		size += len(b.Bytes)
	}
	s.mu.Lock()
	s.now += size
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	<-s.open
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now -= size
	s.total += len(bodies)
	return make([]string, len(bodies)), nil
}

// However many agents report at one moment, only so much of it is under way at once; what has no body does not wait
// behind it, and neither does an agent that is gone.
func TestReportsOfAWholeFleet(t *testing.T) { synctest.Test(t, reportsOfAWholeFleet) }

func reportsOfAWholeFleet(t *testing.T) {
	s := &slowShelf{open: make(chan struct{})}
	d := NewDoor(DoorConfig{
		Detail: s, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Owner: func(model.HostID) (model.NodeID, bool, error) { return model.NodeID{}, false, nil },
	})
	inv := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}}
	for i := range 8000 {
		inv.Packages = append(inv.Packages, model.Package{Manager: "dpkg", Name: fmt.Sprintf("package-%05d", i), Version: "1.2.3-4+deb12u1", Arch: "amd64"})
	}
	body, err := model.Encode(inv)
	if err != nil {
		t.Fatal(err)
	}
	hosts := 3 * maxUnderWay / len(body)
	report := func(ctx context.Context, n int, kind model.ItemKind, payload []byte) error {
		host := model.HostID{byte(n), byte(n >> 8), 7}
		m := model.Member{ID: model.NodeID(host), Kind: model.MemberHost, Name: fmt.Sprint("host-", n)}
		_, notes, err := d.Transform(ctx, m, []model.Item{{Seq: 1, Kind: kind, Key: host.String(), Payload: payload}})
		if err == nil && len(notes) > 0 {
			err = fmt.Errorf("refused: %+v", notes)
		}
		return err
	}
	var all sync.WaitGroup
	for n := range hosts {
		all.Go(func() {
			if err := report(t.Context(), n, model.ItemPackages, body); err != nil {
				t.Error(err)
			}
		})
	}
	synctest.Wait() // until whoever can go on has
	if s.now <= maxUnderWay-len(body)*2 || s.now > maxUnderWay {
		t.Errorf("%d bytes are under way, %d may be", s.now, maxUnderWay)
	}
	facts, err := model.Encode(model.Facts{Hostname: "quick"})
	if err != nil {
		t.Fatal(err)
	}
	if err := report(t.Context(), hosts, model.ItemFacts, facts); err != nil {
		t.Errorf("facts: %v", err)
	}
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the link ended"))
	if err := report(gone, hosts+1, model.ItemPackages, body); err == nil || err.Error() != "the link ended" {
		t.Errorf("an agent that is gone: %v", err)
	}
	close(s.open)
	all.Wait()
	if s.total != hosts || s.most > maxUnderWay {
		t.Errorf("%d of %d bodies were stored, %d bytes at once where %d are the most", s.total, hosts, s.most, maxUnderWay)
	}
}
