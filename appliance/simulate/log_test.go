package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
)

// clock always says the same.
func clock() time.Time { return start }

// say appends what cannot be computed.
func (l *siteLog) say(items ...model.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sayLocked(items)
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	b, err := model.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func judge(t testing.TB, l *siteLog) {
	t.Helper()
	if err := l.judge(); err != nil {
		t.Fatal(err)
	}
}

func newTestLog(t testing.TB, seed uint64, hosts, site int) *siteLog {
	t.Helper()
	return newTestLogOf(t, seed, hosts, 3, site)
}

func newTestLogOf(t testing.TB, seed uint64, hosts, sites, site int) *siteLog {
	t.Helper()
	im, err := newImages(seed, variants)
	if err != nil {
		t.Fatal(err)
	}
	f := fleet.New(fleet.Config{Seed: seed, Hosts: hosts, Sites: sites})
	return newLog(newWorld(f, im, site, model.TimeOf(start)), 1, clock, func(uint64, uint64) {})
}

// mirror is what a controller holds of a site: rows by the item that last wrote them.
type mirror struct {
	rows map[string]model.Host
	at   model.Seq
}

func newMirror() *mirror { return &mirror{rows: map[string]model.Host{}} }

// take applies items as a controller does, and fails where one comes twice or not in order.
func (m *mirror) take(items []model.Item) error {
	for _, i := range items {
		if i.Seq <= m.at {
			return fmt.Errorf("item %d after %d", i.Seq, m.at)
		}
		m.at = i.Seq
		h, known := m.rows[i.Key]
		switch i.Kind {
		case model.ItemHost:
			h = model.Host{}
			if err := model.Decode(i.Payload, &h); err != nil {
				return err
			}
			if h.ID.String() != i.Key {
				return fmt.Errorf("the row of %s has the key %s", h.ID, i.Key)
			}
			m.rows[i.Key] = h
		case model.ItemStatus:
			var b model.HostBeat
			if err := model.Decode(i.Payload, &b); err != nil {
				return err
			}
			if !known || h.Status == b.Status {
				return fmt.Errorf("item %d: host %s (known: %v) turned from %s to %s", i.Seq, i.Key, known, h.Status, b.Status)
			}
			h.SetBeat(b)
			m.rows[i.Key] = h
		case model.ItemHostGone:
			if !known {
				return fmt.Errorf("item %d removes %s, which is not there", i.Seq, i.Key)
			}
			delete(m.rows, i.Key)
		}
	}
	return nil
}

// drain gives a mirror everything that waits.
func (m *mirror) drain(t *testing.T, l *siteLog) {
	t.Helper()
	for {
		items, err := l.After(m.at, 64, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) == 0 {
			return
		}
		if err := m.take(items); err != nil {
			t.Fatal(err)
		}
		if err := l.DropThrough(m.at); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *mirror) bytes(t *testing.T) []byte {
	t.Helper()
	b, err := json.Marshal(m.rows) // sorted keys
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSameSeedSameRows builds the same site twice and another one, and lets things happen.
func TestSameSeedSameRows(t *testing.T) {
	rows := func(seed uint64) []byte {
		l, m := newTestLog(t, seed, 300, 0), newMirror()
		if err := l.DropThrough(0); err != nil {
			t.Fatal(err)
		}
		m.drain(t, l)
		for range 2000 {
			l.happen()
		}
		m.drain(t, l)
		if got := uint64(m.at) >> slotBits; got != l.first+2000 {
			t.Fatalf("came to virtual item %d of %d", got, l.first+2000)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if want := l.world.next - len(l.world.gone); len(m.rows) != want || len(l.world.gone) == 0 || l.world.next == int(l.first) {
			t.Fatalf("%d rows, the world has %d: %d hosts so far, %d gone", len(m.rows), want, l.world.next, len(l.world.gone))
		}
		for key, got := range m.rows {
			n := l.world.find(map[model.HostID]bool{got.ID: true}, l.world.next)[got.ID]
			want, _, err := l.world.host(n)
			if x, y := encoded(t, got), encoded(t, want); err != nil || !bytes.Equal(x, y) {
				t.Fatalf("host %s went up as\n%+v\nand is\n%+v\n%v", key, got, want, err)
			}
		}
		return m.bytes(t)
	}
	a, b, other := rows(5), rows(5), rows(6)
	if !bytes.Equal(a, b) {
		t.Error("one seed gave two federations")
	}
	if bytes.Equal(a, other) {
		t.Error("two seeds gave one federation")
	}
}

// TestRestartsLoseAndRepeatNothing ends the log at random places, with runs on the way that were held or
// not, and goes on with a new one. What a controller holds at the end is what it is without a restart.
func TestRestartsLoseAndRepeatNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	straight, m := newTestLog(t, 9, 200, 1), newMirror()
	_ = straight.DropThrough(0)
	m.drain(t, straight)
	const events = 600
	for range events {
		straight.happen()
	}
	m.drain(t, straight)
	want := m.bytes(t)

	m = newMirror()
	l := newTestLog(t, 9, 200, 1)
	end := l.first + events
	for restarts := 0; uint64(m.at)>>slotBits < end; {
		if l.Head() != math.MaxUint64 && r.IntN(3) == 0 { // a new link: from what is held
			if l.Head() < m.at {
				t.Fatalf("the log ends at %d, %d is held", l.Head(), m.at)
			}
		} else if r.IntN(4) == 0 { // a new process
			l = newTestLog(t, 9, 200, 1)
			restarts++
		}
		if err := l.DropThrough(m.at); err != nil {
			t.Fatal(err)
		}
		if r.IntN(3) == 0 {
			judge(t, l)
			l.say(model.Item{Kind: model.ItemMove, Key: "m"})
		}
		for range r.IntN(40) {
			if l.head < end {
				l.happen()
			}
		}
		after := m.at
		for range 1 + r.IntN(4) { // runs on the way; the last of them may be lost
			items, err := l.After(after, 1+r.IntN(50), 1+r.IntN(100_000))
			if err != nil {
				t.Fatal(err)
			}
			if len(items) == 0 {
				break
			}
			after = items[len(items)-1].Seq
			if r.IntN(4) == 0 {
				break
			}
			if err := m.take(items); err != nil {
				t.Fatalf("after %d restarts: %v", restarts, err)
			}
		}
	}
	if got := m.bytes(t); !bytes.Equal(got, want) {
		t.Errorf("the rows differ:\n%s\nwithout a restart:\n%s", got, want)
	}
}

// TestNothingIsToldBeforeTheRows: what was said waits behind the first rows, and nothing happens before.
func TestNothingIsToldBeforeTheRows(t *testing.T) {
	l := newTestLog(t, 2, 100, 2)
	if l.happen() || l.begun() {
		t.Error("something happened before the controller was reached")
	}
	_ = l.DropThrough(0)
	if l.happen() {
		t.Error("something happened before the first rows were held")
	}
	judge(t, l)
	l.say(model.Item{Kind: model.ItemMove, Key: "m"})
	m := newMirror()
	items, err := l.After(0, 1000, 1<<20)
	if err != nil || len(items) != int(l.first)+1 || items[l.first].Kind != model.ItemMove {
		t.Fatalf("%d items of %d hosts, %v", len(items), l.first, err)
	}
	if l.quiet() {
		t.Error("an answer waits and nobody knows")
	}
	m.drain(t, l)
	if !l.quiet() || !l.begun() || !l.happen() {
		t.Error("nothing happens after the rows are held")
	}
	for range 2 * maxBacklog {
		l.happen()
	}
	if got := l.head - l.first; got != maxBacklog {
		t.Errorf("%d events wait; the bound is %d", got, maxBacklog)
	}
	judge(t, l)
	judge(t, l)
	said := map[model.ItemKind]int{}
	for _, i := range l.said {
		said[i.Kind]++
	}
	if said[model.ItemJudged] != 1 || said[model.ItemExposure] != 1 {
		t.Errorf("what waits: %v", said)
	}
}

// TestAnotherRunWentFurther: the controller holds more than this process gave out, as where an earlier one
// was copied; the log goes on behind it.
func TestAnotherRunWentFurther(t *testing.T) {
	l, m := newTestLog(t, 2, 100, 0), newMirror()
	_ = l.DropThrough(0)
	m.drain(t, l)
	far := seqOf(l.first+50, 7)
	_ = l.DropThrough(far)
	if l.Head() != far {
		t.Fatalf("the log ends at %d; %d is held", l.Head(), far)
	}
	l.say(model.Item{Kind: model.ItemMove, Key: "m"})
	items, err := l.After(far, 10, 1<<20)
	if err != nil || len(items) != 1 || items[0].Seq != far+1 {
		t.Fatalf("after %d: %+v, %v", far, items, err)
	}
}

func TestARunIsWithinItsBounds(t *testing.T) {
	l := newTestLog(t, 3, 3000, 0)
	_ = l.DropThrough(0)
	for after := model.Seq(0); ; {
		items, err := l.After(after, 500, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) == 0 {
			break
		}
		size := 0
		for _, i := range items {
			if len(i.Payload) > maxRow-100 {
				t.Fatalf("a row of %d bytes", len(i.Payload))
			}
			size += len(i.Payload) + len(i.Key)
		}
		if len(items) > 500 || size > 100_000 {
			t.Fatalf("%d items of %d bytes", len(items), size)
		}
		after = items[len(items)-1].Seq
	}
}

func BenchmarkRows(b *testing.B) {
	l := newTestLog(b, 3, 1_000_000, 0)
	_ = l.DropThrough(0)
	after, bytes := model.Seq(0), 0
	for b.Loop() {
		items, err := l.After(after, 100, 1<<20)
		if err != nil || len(items) == 0 {
			b.Fatal(len(items), err)
		}
		for _, i := range items {
			bytes += len(i.Payload)
		}
		after = items[len(items)-1].Seq
	}
	b.ReportMetric(float64(bytes)/float64(b.N)/100, "B/row")
	b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "rows/s")
}
