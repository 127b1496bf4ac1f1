package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/cli"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
)

// programs is what the tests build and start. Linked into the test, a change in it ends the cached result.
var programs = []any{cli.Main}

// bin is the folder with the program under test.
var bin string

func TestMain(m *testing.M) {
	runCrowd()
	runtime.KeepAlive(programs)
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "skerry-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir+"/", "../../appliance/cmd/skerry")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
			return 1
		}
		bin = dir
		return m.Run()
	}())
}

// short is every part in its short form, which says nothing of times: a few agents, a site that expects them often, and
// the sample of advisories that ships.
func short(t *testing.T, out *bytes.Buffer) *bench {
	return &bench{
		bin: bin, out: out, advisories: filepath.Join("..", "sample", "data", "advisories.tar.zst"), shared: t.TempDir(),
		hosts: 24, quietHosts: 12, size: 150, newest: 100, seed: uint64(time.Now().UnixNano()), interval: 4 * time.Second, hourly: 2 * time.Second,
		rest: 2 * time.Second, settle: time.Second, minutes: 3 * time.Second, faster: 100_000,
		soak: 10 * time.Second, rate: 200, every: 3 * time.Second, cut: time.Second, sample: 250 * time.Millisecond, strict: true,
	}
}

func run(t *testing.T, part string, want ...string) {
	t.Helper()
	t.Parallel()
	var out bytes.Buffer
	b := short(t, &out)
	err := b.run(t.Context(), []string{part})
	t.Logf("seed %d\n%s", b.seed, out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range want {
		if !bytes.Contains(out.Bytes(), []byte(text)) {
			t.Errorf("there is no %q", text)
		}
	}
}

func TestAgents(t *testing.T) {
	run(t, "agents", "missed: 0", "late or down at some moment: 0 hosts")
}

func TestFirstReport(t *testing.T) {
	run(t, likeDistinct, "24 of 24 hosts have findings")
}

func TestRematch(t *testing.T) {
	run(t, "rematch", "from nothing: every host matched", "the newest: every host matched", "24 of 24 hosts have findings")
}

func TestQuiet(t *testing.T) {
	run(t, "quiet", "upgrades for each host a week")
}

func TestSoak(t *testing.T) {
	run(t, "soak", "at the site and at the controller", "medians of the quarters")
}

// A fleet is the same for the same seed, of the size that was asked for, of real packages; hosts are alike as was asked.
func TestFleet(t *testing.T) {
	c, err := openCatalogue(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const hosts, size = 400, 150
	for _, like := range []string{likeImages, likeDistinct} {
		seen := map[string]int{}
		for i := range hosts {
			has := c.installed(7, like, i, size)
			if n := len(has) - len(slices.DeleteFunc(slices.Clone(has), func(v int16) bool { return v >= 0 })); n != size {
				t.Fatalf("%s: host %d has %d packages", like, i, n)
			}
			if !reflect.DeepEqual(has, c.installed(7, like, i, size)) {
				t.Fatalf("%s: host %d is another one the second time", like, i)
			}
			seen[fmt.Sprint(has)]++
			was := slices.Clone(has)
			c.upgrade(has, 7, i, 1)
			body, err := c.report(has)
			if err != nil {
				t.Fatal(err)
			}
			var inv model.Inventory
			if err := model.Decode(body, &inv); err != nil || len(inv.Packages) != size {
				t.Fatalf("%s: host %d reports %d packages, %v", like, i, len(inv.Packages), err)
			}
			moved := 0
			for k := range has {
				if has[k] != was[k] {
					moved++
				}
			}
			if moved != 1 {
				t.Fatalf("%s: an upgrade changed %d packages", like, moved)
			}
		}
		most := 0
		for _, n := range seen {
			most = max(most, n)
		}
		switch {
		case like == likeDistinct && len(seen) != hosts:
			t.Errorf("%d hosts have %d different inventories", hosts, len(seen))
		case like == likeImages && (len(seen) < imageN || len(seen) > hosts/2 || most < hosts/imageN/4):
			t.Errorf("%d hosts have %d different inventories, %d hosts the same at the most", hosts, len(seen), most)
		}
	}
}

// What has grown too much is named, and what may grow is not.
func TestJudge(t *testing.T) {
	rising := func(to float64) []float64 {
		var out []float64
		for i := range 40 {
			out = append(out, 100+to*float64(i)/40)
		}
		return out
	}
	w := &world{bench: &bench{out: &bytes.Buffer{}}}
	for _, c := range []struct {
		s    series
		fine bool
	}{
		{series{name: "a", values: rising(0)}, true},
		{series{name: "b", values: rising(30)}, true},
		{series{name: "c", values: rising(100)}, false},
		{series{name: "d", values: rising(100), grows: "it may"}, true},
		{series{name: "e", values: append(rising(0), make([]float64, 3)...)}, true},
	} {
		if err := w.judge([]*series{&c.s}); (err == nil) != c.fine {
			t.Errorf("%s: %v", c.s.name, err)
		}
	}
}

// What a process and a folder take; a file with two names counts once.
func TestUsage(t *testing.T) {
	u, err := local.UsageOf(os.Getpid())
	if err != nil || u.RSS <= 0 || u.Peak < u.RSS || u.Files < 3 {
		t.Errorf("%+v, %v", u, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if s, err := sizeOf(dir); err != nil || s.logical != 5000 || s.allocated < 0 || s.allocated > 16<<10 {
		t.Errorf("%+v, %v", s, err)
	}
}
