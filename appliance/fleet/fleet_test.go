package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// sample writes what a fleet of each of some shapes makes. The generator's own program below does the same.
func sample(w io.Writer) error {
	e := json.NewEncoder(w)
	for _, c := range []Config{{Seed: 1, Hosts: 4000, Sites: 50}, {Seed: 7, Hosts: 90, Sites: 90}, {Seed: 3, Hosts: 150_000, Sites: 40}} {
		f := New(c)
		for _, s := range f.Sites {
			if err := e.Encode(s); err != nil {
				return err
			}
		}
		n := 0
		if err := f.Order(500, func(s, i int) error {
			if n++; c.Hosts > 4000 && n%97 != 0 {
				return nil
			}
			return e.Encode(f.Host(s, i))
		}); err != nil {
			return err
		}
		for _, k := range Kinds {
			for _, q := range f.Queries(k, 40) {
				if err := e.Encode(q); err != nil {
					return err
				}
			}
		}
		if c.Hosts < 1000 {
			continue
		}
		for _, id := range []int{0, 1} {
			d := f.Deltas(id, 2)
			for range 4 {
				if err := e.Encode(d.Next(200)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

const original = `package main
import (
	"encoding/json"
	"os"
	"perfanchor/fleet"
)
func main() {
	e := json.NewEncoder(os.Stdout)
	for _, c := range []fleet.Config{{Seed: 1, Hosts: 4000, Sites: 50}, {Seed: 7, Hosts: 90, Sites: 90}, {Seed: 3, Hosts: 150_000, Sites: 40}} {
		f := fleet.New(c)
		for _, s := range f.Sites {
			e.Encode(s)
		}
		n := 0
		f.Order(500, func(s, i int) error {
			if n++; c.Hosts > 4000 && n%97 != 0 {
				return nil
			}
			return e.Encode(f.Host(s, i))
		})
		for _, k := range fleet.Kinds {
			for _, q := range f.Queries(k, 40) {
				e.Encode(q)
			}
		}
		if c.Hosts < 1000 {
			continue
		}
		for _, id := range []int{0, 1} {
			d := f.Deltas(id, 2)
			for i := 0; i < 4; i++ {
				e.Encode(d.Next(200))
			}
		}
	}
}
`

// TestPinned: figures of different versions are comparable only while the fleet stays what it is.
func TestPinned(t *testing.T) {
	h := sha256.New()
	if err := sample(h); err != nil {
		t.Fatal(err)
	}
	const want = "ac8cade7bda0bbe1f8536ce4059f1222ac8809526292dddd4bebb89655040f10"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("the fleet is not what it was: digest %s, want %s", got, want)
	}
}

// TestOriginal holds this package against the generator that it was adapted from.
func TestOriginal(t *testing.T) {
	shared := os.Getenv("SKERRY_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	dir, err := filepath.Abs(filepath.Join(shared, "bench"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "fleet", "fleet.go")); err != nil {
		t.Skipf("SKIPPED, NOT HELD AGAINST THE ORIGINAL: %v (set SKERRY_SHARED to the folder that holds bench/fleet)", err)
	}
	program := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(program, []byte(original), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("go", "run", program)
	run.Dir = dir
	var stderr bytes.Buffer
	run.Stderr = &stderr
	want, err := run.Output()
	if err != nil {
		t.Fatalf("the original does not run: %v\n%s", err, stderr.Bytes())
	}
	var got bytes.Buffer
	if err := sample(&got); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got.Bytes(), want) {
		return
	}
	g, w := bytes.Split(got.Bytes(), []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			t.Fatalf("line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	t.Fatalf("%d lines, the original has %d", len(g), len(w))
}

func TestModel(t *testing.T) {
	f := New(Config{Seed: 5, Hosts: 3000, Sites: 20})
	statuses := map[model.HostStatus]int{}
	hosts := 0
	if err := f.Order(500, func(s, n int) error {
		h := f.Host(s, n)
		m := h.Model()
		hosts++
		statuses[m.Status]++
		if m.ID.String() != h.HostID || m.Site != f.Sites[s].Model().ID || m.Hostname != h.Hostname || m.OS.ID == "" || m.OS.Version != h.OSVersion ||
			int64(m.LastSeen) != h.LastSeen || m.Exposure.Critical != h.CVECritical || *m.Updates != h.Updates || *m.Compliance != h.Compliance || *m.RebootNeeded != h.Reboot {
			t.Fatalf("host %+v became %+v", h, m)
		}
		item, err := h.Item()
		if err != nil {
			t.Fatal(err)
		}
		var back model.Host
		if err := model.Decode(item.Payload, &back); err != nil || back.ID != m.ID || item.Kind != model.ItemHost || item.Key != h.HostID {
			t.Fatalf("item %+v: %v", item, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if hosts != 3000 {
		t.Errorf("the fleet has %d hosts", hosts)
	}
	for _, s := range []model.HostStatus{model.HostUp, model.HostLate, model.HostDown, model.HostUnknown} {
		if statuses[s] == 0 {
			t.Errorf("no host of %d is %s; there are %v", hosts, s, statuses)
		}
		hosts -= statuses[s]
	}
	if hosts != 0 {
		t.Errorf("a status that the model does not have: %v", statuses)
	}
}

// TestDeltas: the mix is what DeltaStream says, streams share no site and a batch is of one site.
func TestDeltas(t *testing.T) {
	f := New(Config{Seed: 2, Hosts: 120_000, Sites: 30})
	ops, siteOf := map[string]int{}, map[string]int{}
	for id := range 3 {
		d := f.DeltasFrom(1, id, 3)
		for range 20 {
			b := d.Next(500)
			if was, ok := siteOf[b.SiteID]; ok && was != id {
				t.Fatalf("site %s is in the streams %d and %d", b.SiteID, was, id)
			}
			siteOf[b.SiteID] = id
			named := map[string]bool{}
			for _, x := range b.Deltas {
				ops[x.Op]++
				if named[x.HostID] {
					t.Fatalf("a batch names host %s twice", x.HostID)
				}
				named[x.HostID] = true
				item, err := x.Item()
				if err != nil {
					t.Fatal(err)
				}
				want := map[string]model.ItemKind{OpBeat: model.ItemStatus, OpAttr: model.ItemHost, OpNew: model.ItemHost, OpRemove: model.ItemHostGone}
				if item.Kind != want[x.Op] || item.Key != x.HostID {
					t.Fatalf("%s became %+v", x.Op, item)
				}
				if x.Host != nil && x.Host.SiteID != b.SiteID {
					t.Fatalf("a batch of site %s holds host %s of site %s", b.SiteID, x.HostID, x.Host.SiteID)
				}
			}
		}
	}
	for op, share := range map[string]float64{OpBeat: .8, OpAttr: .15, OpNew: .025, OpRemove: .025} {
		if got := float64(ops[op]) / 30_000; got < share*.85 || got > share*1.15 {
			t.Errorf("%.3f of the deltas are %s, want %.3f", got, op, share)
		}
	}
	if _, err := (Delta{Op: "other"}).Item(); err == nil {
		t.Error("an unknown delta became an item")
	}
}
