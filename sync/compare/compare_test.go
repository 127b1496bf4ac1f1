package compare

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// ends are the rows of a controller and of its sites, and what was asked of the sites.
type ends struct {
	t        *testing.T
	mu       sync.Mutex // guards what follows: sites are asked at the same time
	here     map[model.HostID]model.Host
	there    map[model.SiteID]map[model.HostID]model.Host
	down     map[model.SiteID]bool
	gathers  bool
	form     int
	mends    bool // a site that is asked to send again does
	asked    []string
	repaired []model.HostID
	// answer, if set, may answer in the place of a site; nil: it does not.
	answer  func(ctx context.Context, site model.SiteID, route string) (any, error)
	waiting []model.HostID
}

func host(site byte, n int) model.Host {
	h := model.Host{Site: model.SiteID{site}, Status: model.HostUp, Facts: model.Facts{Hostname: fmt.Sprint("host-", n)}}
	h.ID[0] = site
	binary.BigEndian.PutUint64(h.ID[8:], uint64(n)*0x9e3779b97f4a7c15)
	return h
}

// newEnds returns two sites with so many hosts each, which the controller has as they are.
func newEnds(t *testing.T, hosts int) *ends {
	e := &ends{t: t, here: map[model.HostID]model.Host{}, there: map[model.SiteID]map[model.HostID]model.Host{}, down: map[model.SiteID]bool{}, form: inventory.DigestForm, mends: true}
	for _, site := range []byte{1, 2} {
		rows := map[model.HostID]model.Host{}
		for n := range hosts {
			h := host(site, n)
			rows[h.ID], e.here[h.ID] = h, h
		}
		e.there[model.SiteID{site}] = rows
	}
	return e
}

func (e *ends) ask(ctx context.Context, id model.NodeID, route string, params map[string]string) ([]byte, error) {
	site := model.SiteID(id)
	if e.answer != nil {
		if a, err := e.answer(ctx, site, route); a != nil || err != nil {
			raw, _ := model.Encode(a)
			return raw, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, route)
	if e.down[site] {
		return nil, errors.New("no link")
	}
	switch route {
	case model.RouteDigest:
		a := model.DigestAnswer{Form: e.form, Gathering: e.gathers, Waiting: e.waiting}
		if b, ok := params[model.ParamBucket]; ok {
			at, err := strconv.Atoi(b)
			if err != nil {
				e.t.Error(err)
			}
			for id, h := range e.there[site] {
				if inventory.Bucket(id) == at {
					sum, err := inventory.Digest(h)
					if err != nil {
						return nil, err
					}
					a.Rows = append(a.Rows, model.RowDigest{Host: id, Sum: sum})
				}
			}
			return model.Encode(a)
		}
		var sums inventory.Digests
		for _, h := range e.there[site] {
			if err := sums.Add(h); err != nil {
				return nil, err
			}
		}
		a.Buckets = sums[:]
		return model.Encode(a)
	case model.RouteRepair:
		var done model.Repaired
		for _, word := range strings.Fields(params[model.ParamHosts]) {
			id, err := model.ParseHostID(word)
			if err != nil {
				return nil, err
			}
			e.repaired = append(e.repaired, id)
			h, ok := e.there[site][id]
			switch {
			case ok && e.mends:
				e.here[id] = h
				done.Sent++
			case !ok && e.mends:
				delete(e.here, id)
				done.Gone++
			}
		}
		return model.Encode(done)
	}
	return nil, errors.New("no such route " + route)
}

func (e *ends) comparer() *Comparer {
	return New(Config{
		Linked: func() []model.NodeID { return []model.NodeID{{1}, {2}} },
		Ask:    e.ask,
		EachHost: func(fn func(model.Host) error) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			for _, h := range e.here {
				if err := fn(h); err != nil {
					return err
				}
			}
			return nil
		},
		Host: func(id model.HostID) (model.Host, bool, error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			h, ok := e.here[id]
			return h, ok, nil
		},
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
}

// same reports whether the controller has what the sites have, and nothing else.
func (e *ends) same() bool {
	n := 0
	for _, rows := range e.there {
		for id, h := range rows {
			n++
			if e.here[id].Hostname != h.Hostname {
				return false
			}
		}
	}
	return n == len(e.here)
}

func (e *ends) once(c *Comparer) {
	e.t.Helper()
	if err := c.Once(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
}

// TestOnlyWhatDiffersIsSentAgain: a row that changed, one that is gone and one too many, at either end.
func TestOnlyWhatDiffersIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 200)
		c := e.comparer()
		e.once(c)
		if len(e.asked) != 2 || e.repaired != nil {
			t.Fatalf("nothing differs, and %q were asked and %d sent again", e.asked, len(e.repaired))
		}
		changed, lost, ghost := host(1, 3), host(2, 5), host(2, 9_999)
		changed.Hostname = "something else"
		e.here[changed.ID] = changed
		delete(e.here, lost.ID)
		e.here[ghost.ID] = ghost
		e.once(c)
		want := []model.HostID{changed.ID, lost.ID, ghost.ID}
		for _, l := range [][]model.HostID{want, e.repaired} {
			slices.SortFunc(l, func(a, b model.HostID) int { return slices.Compare(a[:], b[:]) })
		}
		if !slices.Equal(e.repaired, want) || !e.same() {
			t.Errorf("sent again: %v, want %v; the same now: %v", e.repaired, want, e.same())
		}
	})
}

// TestOnItsWayIsNoFault: what differs at the first look and not at the second, or in another way, is left alone.
func TestOnItsWayIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 50)
		h := host(1, 7)
		h.Hostname = "new at the site"
		e.there[h.Site][h.ID] = h
		moving := host(1, 8)
		moving.Hostname = "newer"
		e.there[h.Site][moving.ID] = moving
		go func() {
			time.Sleep(Settle / 2) // of the bubble's clock
			e.mu.Lock()
			defer e.mu.Unlock()
			e.here[h.ID] = h
			moving.Hostname = "newest"
			e.there[h.Site][moving.ID] = moving
		}()
		e.once(e.comparer())
		if len(e.repaired) != 0 {
			t.Errorf("%d rows that were on their way were sent again", len(e.repaired))
		}
	})
}

// TestARepairThatMendsNothing is not asked for again within a day, unless the rows changed.
func TestARepairThatMendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 10)
		e.mends = false
		h := host(1, 1)
		h.Hostname = "a"
		e.here[h.ID] = h
		c := e.comparer()
		for range 5 {
			e.once(c)
		}
		if len(e.repaired) != 1 {
			t.Fatalf("asked for %d times", len(e.repaired))
		}
		h.Hostname = "b"
		e.here[h.ID] = h
		e.once(c)
		if len(e.repaired) != 2 {
			t.Fatalf("another difference was asked for %d times", len(e.repaired)-1)
		}
		time.Sleep(again)
		e.once(c)
		if len(e.repaired) != 3 {
			t.Errorf("after a day it was asked for %d times more", len(e.repaired)-2)
		}
	})
}

// TestASiteThatCannotBeCompared holds nobody up: one without a link, one of another form, one that gathers its rows.
func TestASiteThatCannotBeCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 30)
		one, two := host(1, 1), host(2, 1)
		delete(e.here, one.ID)
		delete(e.here, two.ID)
		e.down[one.Site] = true
		c := e.comparer()
		e.once(c)
		if !slices.Equal(e.repaired, []model.HostID{two.ID}) {
			t.Errorf("sent again: %v", e.repaired)
		}
		e.down[one.Site] = false
		e.form++
		e.once(c)
		if len(e.repaired) != 1 {
			t.Error("sums of another form were compared")
		}
		e.form--
		e.gathers = true
		delete(e.there[one.Site], host(1, 2).ID) // it is not back from its agent yet
		e.once(c)
		if !slices.Equal(e.repaired, []model.HostID{two.ID, one.ID}) {
			t.Errorf("a site that gathers its rows: %v", e.repaired)
		}
		time.Sleep(gathers)
		e.once(c)
		if !slices.Equal(e.repaired, []model.HostID{two.ID, one.ID, host(1, 2).ID}) {
			t.Errorf("a site that gathers its rows for ever: %v", e.repaired)
		}
	})
}

// TestManyDifferencesGoInTurns: each comparison looks into some groups, and the next one into others.
func TestManyDifferencesGoInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 3*inventory.DigestBuckets)
		for id, h := range e.here {
			if h.Site == (model.SiteID{1}) {
				delete(e.here, id)
			}
		}
		c := e.comparer()
		rounds := 0
		for had := -1; !e.same(); rounds++ {
			if len(e.repaired) == had || rounds > inventory.DigestBuckets {
				t.Fatalf("round %d mended nothing; %d of %d are here", rounds, len(e.here), 6*inventory.DigestBuckets)
			}
			had = len(e.repaired)
			e.once(c)
		}
		if want := inventory.DigestBuckets / maxBuckets; rounds < want {
			t.Errorf("%d rounds, want at least %d", rounds, want)
		}
	})
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.comparer().Run(ctx) }()
		time.Sleep(first + time.Second)
		synctest.Wait()
		if len(e.asked) != 2 {
			t.Errorf("%d questions after the first pause", len(e.asked))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
