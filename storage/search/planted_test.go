package search

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/storage/plain"
)

// TestPlanted plants one wrong entry after the other in an index, and wants each to be found by what
// `skerry storage check` looks at: Verify of each host, and Census.
func TestPlanted(t *testing.T) {
	plants := map[string]func(x *Index, ord uint32){
		"missing from a status": func(x *Index, ord uint32) { x.byStatus[x.shown[ord]].remove(ord) },
		"ghost of a status":     func(x *Index, ord uint32) { x.byStatus[(x.shown[ord]+1)%statusN].add(ord) },
		"missing from a site":   func(x *Index, ord uint32) { x.site.posts[x.site.of[ord]].remove(ord) },
		"ghost of a tag":        func(x *Index, ord uint32) { x.tags.words.posts[x.tags.words.take("planted")].add(ord) },
		"another name":          func(x *Index, ord uint32) { x.names.set(ord, "planted") },
		"not in the order":      func(x *Index, ord uint32) { x.byName.remove(ord) },
		"not in the n-grams":    func(x *Index, ord uint32) { x.grams.remove(ord) },
		"an old time":           func(x *Index, ord uint32) { x.columns.lastSeen[ord]++ },
		"a count":               func(x *Index, ord uint32) { x.columns.found[severityCritical][ord] += 3 },
		"another region": func(x *Index, ord uint32) {
			x.places.remove(placeRegion, placeWord(&x.places.sites[x.site.of[ord]], placeRegion), ord)
		},
		"an address": func(x *Index, ord uint32) { x.keepAddresses(ord, addresses{v4: []uint64{1, 2, 3}}) },
		"not found by an address": func(x *Index, ord uint32) {
			for _, a := range x.addresses(ord).v4 {
				x.v4.remove(a, ord)
			}
		},
		"ghost of an address": func(x *Index, ord uint32) { x.mac.add(77, ord) },
		"a removed host":      func(x *Index, ord uint32) { x.remove(x.ids[ord]) },
		"a ghost": func(x *Index, ord uint32) {
			h := numbered(1)
			x.put(&h)
		},
	}
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			rapid.Check(t, func(t *rapid.T) {
				for w.x.Len() < 5 {
					h := plain.DrawHost(t)
					h.IPv4, h.Hostname = []string{"10.9.9.9"}, "web-01"
					w.p.Hosts[h.ID] = h
					w.x.Apply([]Change{{ID: h.ID, Host: &h}})
				}
			})
			if lines := w.wrong(); len(lines) > 0 {
				t.Fatalf("before anything was planted: %s", lines[0])
			}
			for w.x.grams.freshN > 0 {
				w.x.grams.bound = 0
				w.x.Tend()
			}
			plant(w.x, w.x.alive.Minimum())
			lines := w.wrong()
			if len(lines) == 0 {
				t.Fatal("nobody noticed")
			}
			t.Log(lines[0])
		})
	}
}

// wrong is what a check of the index finds.
func (w *world) wrong() []string {
	out := w.x.Census()
	for _, h := range w.p.Hosts {
		for _, line := range w.x.Verify(&h) {
			out = append(out, fmt.Sprintf("%s: %s", h.ID, line))
		}
	}
	if w.x.Len() != len(w.p.Hosts) {
		out = append(out, fmt.Sprintf("%d hosts in the index, %d rows", w.x.Len(), len(w.p.Hosts)))
	}
	return out
}
