package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
)

// joined enrolls a member of its own and keeps its identity in dir.
func joined(t *testing.T, s *site, dir string) enroll.Identity {
	t.Helper()
	token, err := enroll.ParseToken(s.invite(model.MemberHost, "web1"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := enroll.OpenKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	id, err := enroll.Join(t.Context(), "https://"+s.addr, token, key, enroll.Newcomer{Name: "web1"})
	if err == nil {
		err = enroll.SaveIdentity(dir, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A swap that is cut off at any point leaves an identity, the old one or the new.
func TestSwapIsFinished(t *testing.T) {
	s := newSite(t)
	for _, tc := range []struct {
		name string
		cut  func(dir string) error
		next bool // the new one is there at the end
	}{
		{"before it", func(string) error { return nil }, false},
		{"between its steps", func(dir string) error { return os.Rename(dir, dir+".old") }, true},
		{"before the old one is gone", func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Rename(nextDir(dir), dir))
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "identity")
			var pins []string
			for _, d := range []string{dir, nextDir(dir)} {
				pins = append(pins, joined(t, s, d).Pin())
			}
			if err := tc.cut(dir); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := finish(dir); err != nil {
					t.Fatal(err)
				}
			}
			id, err := enroll.LoadIdentity(dir)
			if err != nil {
				t.Fatal(err)
			}
			if want := pins[map[bool]int{false: 0, true: 1}[tc.next]]; id.Pin() != want {
				t.Errorf("the identity is %s, want %s", id.Pin(), want)
			}
			if tc.next {
				return
			}
			if err := swap(dir); err != nil {
				t.Fatal(err)
			}
			if id, err := enroll.LoadIdentity(dir); err != nil || id.Pin() != pins[1] {
				t.Errorf("after the swap: %v, %v", id.Pin(), err)
			}
			if left, _ := filepath.Glob(dir + ".*"); len(left) > 0 {
				t.Errorf("left over: %q", left)
			}
		})
	}
}

func TestMachineMark(t *testing.T) {
	machine := func(devices map[string]string, physical ...string) string {
		root := t.TempDir()
		for name, mac := range devices {
			dir := filepath.Join(root, "sys/class/net", name)
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "address"), []byte(mac+"\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range physical {
			if err := os.Mkdir(filepath.Join(root, "sys/class/net", name, "device"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return machineMark(root)
	}
	one := machine(map[string]string{"lo": "00:00:00:00:00:00", "eth0": "52:54:00:00:00:01", "docker0": "02:42:00:00:00:01"}, "eth0")
	same := machine(map[string]string{"eth0": "52:54:00:00:00:01", "docker0": "02:42:99:00:00:09"}, "eth0")
	other := machine(map[string]string{"eth0": "52:54:00:00:00:02", "docker0": "02:42:00:00:00:01"}, "eth0")
	if one == "" || one != same || one == other || len(one) > 64 {
		t.Errorf("marks %q, %q with another bridge, %q with another card", one, same, other)
	}
	if a, b := machine(map[string]string{"eth0": "02:42:00:00:00:01"}), machine(map[string]string{"eth0": "02:42:00:00:00:02"}); a == "" || a == b {
		t.Errorf("two containers have the marks %q and %q", a, b)
	}
	if m := machine(map[string]string{"lo": "00:00:00:00:00:00"}); m != "" {
		t.Errorf("a machine without a network has the mark %q", m)
	}
}

// What the site wishes holds from then on, in place of what the agent is configured with, until it wishes nothing.
func TestTheSiteSaysHowOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		var looks atomic.Int64
		p := h.probe()
		inner := p.Inventory
		p.Inventory = func(ctx context.Context) (model.Inventory, error) { looks.Add(1); return inner(ctx) }
		c := &collector{host: newID[model.HostID](), probe: p, out: &shelf{}, log: quiet, now: time.Now, paced: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.run(ctx, time.Hour) }()
		for _, tc := range []struct {
			wish time.Duration
			want int64 // looks within the next hour
		}{{0, 1}, {10 * time.Minute, 6}, {0, 1}, {time.Minute, 60}} {
			c.pace(tc.wish)
			synctest.Wait()
			was := looks.Load()
			time.Sleep(time.Hour) // of this bubble
			synctest.Wait()
			if n := looks.Load() - was; n < tc.want-1 || n > tc.want+1 {
				t.Errorf("%v is wished, and there were %d looks in an hour", tc.wish, n)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
