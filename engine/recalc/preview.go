package recalc

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// Preview is what a change of the advisories would do to the findings of the hosts.
type Preview struct {
	Inventories int           // distinct inventories that were looked at
	Hosts       []HostPreview // in the order of the directory; those of which anything changes
}

// HostPreview is what would change on one host. Both are sorted, as "VULNERABILITY PACKAGE VERSION"; they are shared between hosts.
type HostPreview struct {
	ID        model.HostID
	Hostname  string
	Appear    []string
	Disappear []string
}

// PreviewOf says what the advisories of view would change, against what was last matched by their log: the same work as after an import, with
// nothing proposed. It ends with the error of ctx. Suppressed findings are none; acceptances are not looked at.
func PreviewOf(ctx context.Context, view View, now time.Time) (Preview, error) {
	r := newRecalc(Config{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	if err := r.load(view); err != nil {
		return Preview{}, err
	}
	t := r.table
	out := Preview{Inventories: len(t.invs)}
	n, err := r.read(view)
	if err != nil {
		return out, err
	}
	var again []uint32
	for i := range t.lookups {
		if h := &t.lookups[i]; h.id != "" && n.touches(h) {
			again = append(again, uint32(i))
		}
	}
	moved := map[uint32]moves{}
	err = r.judge(exposure.NewMatcher(view), again, func(i uint32, v exposure.Verdicts) error {
		was, is := t.lookups[i].found, t.entries(v.Findings)
		m := movesOf(t.open(was, ""), t.open(is, ""))
		for _, e := range slices.Concat(was, is) {
			for _, name := range slices.Sorted(maps.Keys(t.apartOf[e.apart].verdicts)) {
				if _, ok := m.of[name]; ok {
					continue
				}
				if m.of == nil {
					m.of = map[string]moves{}
				}
				m.of[name] = movesOf(t.open(was, name), t.open(is, name))
			}
		}
		if len(m.appear)+len(m.vanish)+len(m.of) > 0 {
			moved[i] = m
		}
		return ctx.Err()
	})
	if err != nil || len(moved) == 0 {
		return out, err
	}
	of := map[string]*HostPreview{}
	err = view.EachHost(func(h model.Host) error {
		inv := t.invs[h.PackagesDigest]
		if inv == nil {
			return ctx.Err()
		}
		p, ok := of[h.PackagesDigest]
		if !ok {
			p = t.preview(inv, moved)
			of[h.PackagesDigest] = p
		}
		if len(p.Appear)+len(p.Disappear) > 0 {
			out.Hosts = append(out.Hosts, HostPreview{h.ID, h.Hostname, p.Appear, p.Disappear})
		}
		return ctx.Err()
	})
	return out, err
}

// moves are the vulnerabilities of a Lookup that would open and close.
type moves struct {
	appear, vanish []string
	of             map[string]moves // of binary packages for which it may be otherwise
}

// open returns the vulnerabilities of a package that are not suppressed by one record or another; "" is any package for which nothing is
// said apart.
func (t *table) open(found []entry, pkg string) map[string]bool {
	out := map[string]bool{}
	for _, e := range found {
		if t.verdict(e, pkg) != suppressed {
			out[t.vulns.all[e.vuln]] = true
		}
	}
	return out
}

func movesOf(was, is map[string]bool) (m moves) {
	for _, v := range slices.Sorted(maps.Keys(is)) {
		if !was[v] {
			m.appear = append(m.appear, v)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(was)) {
		if !is[v] {
			m.vanish = append(m.vanish, v)
		}
	}
	return m
}

// preview lists what would change for whoever has an inventory.
func (t *table) preview(h *holding, moved map[uint32]moves) *HostPreview {
	p := &HostPreview{}
	for _, x := range h.parts {
		m, ok := moved[x.lookup]
		if !ok {
			continue
		}
		for _, name := range t.packages(x.set) {
			m := m
			if apart, ok := m.of[name]; ok {
				m = apart
			}
			for _, v := range m.appear {
				p.Appear = append(p.Appear, strings.Join([]string{v, name, t.lookups[x.lookup].Version}, " "))
			}
			for _, v := range m.vanish {
				p.Disappear = append(p.Disappear, strings.Join([]string{v, name, t.lookups[x.lookup].Version}, " "))
			}
		}
	}
	slices.Sort(p.Appear)
	slices.Sort(p.Disappear)
	return p
}
