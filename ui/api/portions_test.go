package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

// commits returns how many runs were taken in.
func (s *rowStore) commits() (n int) {
	for _, c := range s.proposed {
		if _, ok := c.(model.Commit); ok {
			n++
		}
	}
	return n
}

// TestMoreThanARunTakes: a large ingest becomes visible in several runs, each whole; the last says that it is complete; and what broke off
// goes on where it ended.
func TestMoreThanARunTakes(t *testing.T) {
	const all = 900
	var versions []string // so that a part is full with few records
	for i := range 400 {
		versions = append(versions, fmt.Sprintf(`"7.%07d"`, i))
	}
	files := records(all, "8.0")
	for name, text := range files {
		files[name] = strings.Replace(text, `"ranges"`, `"versions":[`+strings.Join(versions, ",")+`],"ranges"`, 1)
	}
	body := packed(t, files)
	r := newHQ(t)
	r.server.runBytes = 1 // each part that is full
	got := r.ingest(body)
	if got.Read != all || got.Created != all || got.AdvisoryN != all || got.Runs < 3 || r.rows.commits() != got.Runs {
		t.Errorf("%+v, %d runs", got, r.rows.commits())
	}
	audit := r.audited("advisories.ingest") // the newest first
	if len(audit) != got.Runs || audit[0].Detail["complete"] != "yes" || audit[1].Detail["complete"] != "no" || audit[len(audit)-1].Detail["portion"] != "1" {
		t.Errorf("audited as %+v", audit)
	}
	again := r.ingest(body)
	if again.Unchanged != all || again.Created+again.Updated != 0 || again.Runs != 0 {
		t.Errorf("the same again: %+v", again)
	}

	// A crash, as of the whole server, after the second run.
	broken := newHQ(t)
	broken.server.runBytes = 1
	broken.rows.refuse = func(model.Change) error {
		if broken.rows.commits() == 2 {
			return errors.New("gone")
		}
		return nil
	}
	w := broken.do("POST", "/api/v1/advisories/ingest", body, "Content-Type", "application/zstd")
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "are stored") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	held := broken.shelf().AdvisoryN
	if held == 0 || held == all {
		t.Fatalf("%d are held", held)
	}
	broken.rows.refuse = nil
	if got := broken.ingest(body); got.Unchanged != held || got.Created != all-held || got.AdvisoryN != all {
		t.Errorf("%d were held: %+v", held, got)
	}
	if a, b := r.named(), broken.named(); !slices.Equal(a, b) {
		t.Error("not the same records")
	}
}

// TestNoRoomOnTheDisk: what cannot fit is refused before anything is written.
func TestNoRoomOnTheDisk(t *testing.T) {
	full := fault.New(fault.Full, "", "the disk with X has 1 B left")
	hq := newHQ(t)
	hq.ingest(packed(t, records(300, "8.0")))
	bundle := hq.exported("")
	var asked int64
	var room error
	site := newBerlin(t, func(c *Config) { c.Room = func(n int64) error { asked = n; return room } })
	site.trusts(hq.rig, "federation")
	room = full
	before := len(site.rows.proposed)
	site.refused(site.imports(bundle, ""), 507, fault.Full, "1 B left")
	if asked < 300*200*perByte {
		t.Errorf("%d bytes were asked for", asked)
	}
	for _, c := range site.rows.proposed[before:] {
		if _, ok := c.(model.Stage); ok {
			t.Error("something was staged")
		}
	}
	read[schema.ImportResult](site.rig, site.imports(bundle, "dry_run=true"), 200)
	room = nil
	read[schema.ImportResult](site.rig, site.imports(bundle, ""), 200)

	other := newHQ(t, func(c *Config) { c.Room = func(n int64) error { asked = n; return full } })
	other.refused(other.do("POST", "/api/v1/advisories/ingest", packed(t, records(300, "8.0")), "Content-Type", "application/zstd"), 507, fault.Full, "1 B left")
	if _, open := look2(other, func(v View) (any, bool, error) { run, ok, err := v.OpenRun(); return run, ok, err }); open || asked == 0 {
		t.Errorf("a run is open, or nobody asked: %d", asked)
	}
}

// TestWhatIsAsideIsNotAskedForTwice: bytes of a run that are kept aside are off what is free. What a bundle says of its set never turns over.
func TestWhatIsAsideIsNotAskedForTwice(t *testing.T) {
	var asked []int64
	s := &Server{c: Config{Room: func(n int64) error { asked = append(asked, n); return nil }}}
	for _, x := range [][2]int64{{100, 0}, {100, 1000}, {math.MaxInt64, 0}, {math.MaxInt64, math.MaxInt64}} {
		if err := s.room(x[0], x[1]); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int64{300, 2300}; !slices.Equal(asked[:2], want) || asked[2] < mostBytes-perByte || asked[3] < asked[2] {
		t.Errorf("%v, want %v and two that are beyond any disk", asked, want)
	}
	for name, x := range map[string]struct {
		edges, deletions int
		want             int64
	}{
		"a set of two like it": {20, 0, 2000},
		"of no size at all":    {1 << 62, 0, mostBytes},
		"nor number":           {math.MaxInt, math.MaxInt, mostBytes},
		"one that turns over":  {1 << 60, 1 << 60, mostBytes},
	} {
		m := bundle.Manifest{Parts: []bundle.Part{{Size: 1000}}, Counts: bundle.Counts{Edges: 10}, Split: &bundle.Split{Counts: bundle.Counts{Edges: x.edges, Deletions: x.deletions}}}
		if got := bytesOf(m); got != x.want {
			t.Errorf("%s: %d, want %d", name, got, x.want)
		}
	}

	var last int64
	full := newHQ(t)
	full.server.c.Room = func(n int64) error { last = n; return nil }
	full.ingest(packed(t, records(6000, "8.0")))
	var staged int64
	parts := 0
	for _, c := range full.rows.proposed {
		if c, ok := c.(model.Stage); ok {
			parts++
			for _, a := range c.Put {
				raw, err := bare(a)
				if err != nil {
					t.Fatal(err)
				}
				staged += int64(len(raw)) + 64
			}
		}
	}
	if parts < 2 || last < staged*(perByte-1) || last > staged*(perByte-1)+2*maxChunk {
		t.Errorf("%d parts of %d bytes: %d were asked for at their end", parts, staged, last)
	}
}
