package recalc

import (
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/recorded"
)

// realAdvisories returns the recorded advisories, oldest first by when they were published.
func realAdvisories(b *testing.B) (all []model.Advisory) {
	b.Helper()
	path, err := recorded.Path("dev-osv.tar.zst")
	if err != nil {
		b.Skipf("SKIPPED, NOTHING MEASURED: %v", err)
	}
	err = recorded.Each(path, func(name string, body []byte) error {
		if !strings.HasSuffix(name, ".json") {
			return nil
		}
		if a, err := canonical.DecodeFile(canonical.Source(name), name, body); err == nil {
			all = append(all, a)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	slices.SortStableFunc(all, func(x, y model.Advisory) int { return int(x.Published - y.Published) })
	return all
}

// realFleet returns inventories of 600 packages of Debian 12: 12 images, and for a third of the hosts one that differs from its image by up to 20
// versions; and which host has which.
func realFleet(b *testing.B, hosts int) (invs []model.Inventory, of []int) {
	b.Helper()
	path, err := recorded.Path("dev-extras.tar.zst")
	if err != nil {
		b.Skipf("SKIPPED, NOTHING MEASURED: %v", err)
	}
	versions := map[string][]model.Package{}
	err = recorded.Each(path, func(name string, body []byte) error {
		if !strings.HasPrefix(filepath.Base(name), "debian12") || !strings.HasPrefix(name, "inventories/") {
			return nil
		}
		var rows []struct {
			Name, Version, Arch, Source string
			SourceVersion               string `json:"source_version"`
		}
		if json.Unmarshal(body, &rows) != nil {
			return nil
		}
		for _, r := range rows {
			if r.Version != "" {
				p := model.Package{Manager: "dpkg", Name: r.Name, Version: r.Version, Arch: r.Arch, Source: r.Source, SourceVersion: r.SourceVersion}
				if !slices.Contains(versions[r.Name], p) {
					versions[r.Name] = append(versions[r.Name], p)
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for n := range versions {
		names = append(names, n)
	}
	slices.Sort(names)
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(n string) model.Package { return versions[n][rng.IntN(len(versions[n]))] }
	images := make([]model.Inventory, 12)
	for i := range images {
		images[i].OS = model.OS{ID: "debian", Version: "12"}
		for _, k := range rng.Perm(len(names))[:min(600, len(names))] {
			images[i].Packages = append(images[i].Packages, draw(names[k]))
		}
	}
	invs = slices.Clone(images)
	for h := range hosts {
		image := rng.IntN(len(images))
		if h%3 != 0 {
			of = append(of, image)
			continue
		}
		inv := model.Inventory{OS: images[image].OS, Packages: slices.Clone(images[image].Packages)}
		for range 1 + rng.IntN(20) {
			k := rng.IntN(len(inv.Packages))
			inv.Packages[k] = draw(inv.Packages[k].Name)
		}
		of = append(of, len(invs))
		invs = append(invs, inv)
	}
	return invs, of
}

// BenchmarkRematch matches the inventories of a site of 10,000 hosts against the recorded advisories without the newest 3,500, and then
// brings them to all: the rows, their proposals and the roll-up included, and the inventories read from JSON.
func BenchmarkRematch(b *testing.B) {
	all := realAdvisories(b)
	invs, of := realFleet(b, 10_000)
	bodies := make(map[string][]byte, len(invs))
	for b.Loop() {
		w := newWorld(b)
		digests := make([]string, len(invs))
		for i, inv := range invs {
			body, err := model.Encode(inv)
			if err != nil {
				b.Fatal(err)
			}
			digests[i] = strings.Repeat(model.Lookup{Name: string(body)}.ID(), 3)[:64]
			bodies[digests[i]] = body
		}
		for lot := range slices.Chunk(of, 500) {
			w.many(lot, digests)
		}
		for part := range slices.Chunk(all[:len(all)-3500], 5000) {
			w.must(model.Advisories{Stamp: w.stamp(), Put: part})
		}
		w.must(model.Generation{Stamp: w.stamp()})
		w.r.Inventories = read{bodies}
		b.ReportMetric(w.time("from nothing"), "s/from-nothing")
		w.must(model.Advisories{Stamp: w.stamp(), Put: all[len(all)-3500:]}, model.Generation{Stamp: w.stamp()})
		b.ReportMetric(w.time("newest"), "s/newest-3500")
		w.r.forget()
		w.must(model.Generation{Stamp: w.stamp()})
		b.ReportMetric(w.time("from the rows, nothing new"), "s/start")
	}
}

// read gives bodies from JSON, as the detail tier does.
type read struct{ bodies map[string][]byte }

func (r read) Inventory(digest string) (inv model.Inventory, ok bool, err error) {
	body, ok := r.bodies[digest]
	if ok {
		err = model.Decode(body, &inv)
	}
	return inv, ok, err
}

func (w *world) time(what string) float64 {
	start := time.Now()
	w.drain()
	took := time.Since(start)
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	findings := 0
	for i := range w.r.table.lookups {
		findings += len(w.r.table.lookups[i].found)
	}
	w.t.Logf("%s: %v; %d inventories, %d lookups with %d findings; %d judged, %d stored whole; heap %d MiB", what, took, len(w.r.table.invs), len(w.r.table.lookups), findings, w.judged, w.parts, m.HeapAlloc>>20)
	return took.Seconds()
}

// many has as many new hosts report inventories.
func (w *world) many(which []int, digests []string) {
	w.t.Helper()
	var changes []model.Change
	for _, k := range which {
		host := model.HostID(id(0))
		n := len(w.seq)
		host[13], host[14] = byte(n>>8), byte(n)
		w.seq[host] = 2
		st := w.stamp()
		facts, err := model.Encode(model.Facts{Hostname: "h" + host.String()[24:]})
		if err != nil {
			w.t.Fatal(err)
		}
		ref, err := model.Encode(model.InventoryRef{Digest: digests[k], PackageN: 600})
		if err != nil {
			w.t.Fatal(err)
		}
		m := model.Member{ID: model.NodeID(host), Kind: model.MemberHost, Name: host.String(), TokenHash: "t", TokenExpires: w.now + 1e6}
		changes = append(changes, model.Invite{Stamp: st, Member: m}, model.Enroll{Stamp: st, Member: m.ID, TokenHash: "t", Pin: m.Name},
			model.Received{Stamp: st, Origin: m.ID, Epoch: 1, Items: []model.Item{
				{Seq: 1, Kind: model.ItemFacts, Key: host.String(), AsOf: st.At, Payload: facts},
				{Seq: 2, Kind: model.ItemPackages, Key: host.String(), AsOf: st.At, Payload: ref},
			}})
	}
	w.must(changes...)
}
