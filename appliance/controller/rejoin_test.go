package controller

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
)

// oldNode is the data folder of a node that has joined, with stores in it.
func oldNode(t *testing.T, token, url string) config.Config {
	t.Helper()
	c := configOf(filepath.Join(t.TempDir(), "data"))
	c.Listen = "127.0.0.1:0"
	if _, err := Join(t.Context(), c, token, url, "", "test"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index", "raft", "keys"} {
		if err := os.Mkdir(filepath.Join(c.Data, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.Data, name, "old"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestRejoin(t *testing.T) {
	t.Parallel()
	h := openHome(t, filepath.Join(t.TempDir(), "data"))
	url := hq(t, h)
	first := h.invite(model.MemberController, 1, time.Hour)
	c := oldNode(t, first, url)
	if err := os.Truncate(filepath.Join(c.Data, "cluster", "identity.json"), 10); err != nil {
		t.Fatal(err)
	}
	before := namesIn(t, c.Data)
	rejoin := func(c config.Config, token string) error {
		_, _, err := Rejoin(t.Context(), c, token, url, "", "test")
		return err
	}
	refused(t, "no token", rejoin(c, "x"), fault.Invalid, "token")
	refused(t, "a site's token", rejoin(c, h.invite(model.MemberSite, 9, time.Hour)), fault.Invalid, "for a controller")
	refused(t, "a token that has expired", rejoin(c, h.invite(model.MemberController, 8, -time.Hour)), fault.Expired, "expired")
	empty := configOf(filepath.Join(t.TempDir(), "data"))
	empty.Listen = "127.0.0.1:0"
	refused(t, "an empty folder", rejoin(empty, h.invite(model.MemberController, 7, time.Hour)), fault.NotFound, "skerry cluster join")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	running := c
	running.Listen = busy.Addr().String()
	if err := rejoin(running, h.invite(model.MemberController, 6, time.Hour)); err == nil {
		t.Error("a server that runs was replaced")
	}
	left := slices.DeleteFunc(namesIn(t, c.Data), func(n string) bool { return ok(filepath.Match(rejoinPart+"*", n)) })
	if !slices.Equal(left, before) {
		t.Errorf("refused, and the folder has %q instead of %q", left, before)
	}

	token := h.invite(model.MemberController, 5, time.Hour)
	n, kept, err := Rejoin(t.Context(), c, token, url, "", "test")
	if err != nil || n.Group != "hq" || n.Name != "nf" {
		t.Fatalf("%+v, %v", n, err)
	}
	if got, want := namesIn(t, c.Data), []string{"cluster", "pki", filepath.Base(kept)}; !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
	if got, want := namesIn(t, kept), []string{"cluster", "index", "keys", "pki", "raft"}; !slices.Equal(got, want) {
		t.Errorf("kept are %q, want %q", got, want)
	}
	me, err := enroll.LoadNode(c.Data)
	if err != nil || me.Member != (model.NodeID{5}) || me.Founder() || !slices.Equal(me.Secrets.GroupKey, h.me.Secrets.GroupKey) {
		t.Errorf("%+v, %v", me.Identity, err)
	}
	refused(t, "the same token again", rejoin(c, token), fault.Conflict, "joined already")
}

func ok(yes bool, err error) bool { return yes && err == nil }

// Wherever it is cut off, the folder is that of the old node as a whole, or becomes that of the new one.
func TestRejoinCutOff(t *testing.T) {
	t.Parallel()
	h := openHome(t, filepath.Join(t.TempDir(), "data"))
	url := hq(t, h)
	for cut := range 8 {
		c := oldNode(t, h.invite(model.MemberController, byte(10+2*cut), time.Hour), url)
		// As Rejoin leaves it once it has what the group gave.
		inner := c
		inner.Data = filepath.Join(c.Data, rejoinReady)
		if _, err := Join(t.Context(), inner, h.invite(model.MemberController, byte(11+2*cut), time.Hour), url, "", "test"); err != nil {
			t.Fatal(err)
		}
		aside := filepath.Join(c.Data, replacedDir+model.NodeID{byte(11 + 2*cut)}.String())
		steps := []func() error{
			func() error { return os.Mkdir(aside, 0o700) },
			func() error { return moveOut(c.Data, aside, "cluster") },
			func() error { return moveOut(c.Data, aside, "index") },
			func() error { return errors.Join(moveOut(c.Data, aside, "raft"), moveOut(c.Data, aside, "pki")) },
			func() error { return moveOut(c.Data, aside, "keys") },
			func() error {
				return os.Rename(filepath.Join(c.Data, rejoinReady), filepath.Join(c.Data, restoreReady))
			},
			func() error { return moveOut(filepath.Join(c.Data, restoreReady), c.Data, "pki") },
		}
		for _, step := range steps[:cut] {
			if err := step(); err != nil {
				t.Fatalf("cut %d: %v", cut, err)
			}
		}
		if done, err := ResumeRestore(c.Data); !done || err != nil {
			t.Fatalf("cut %d: %v, %v", cut, done, err)
		}
		if me, err := enroll.LoadNode(c.Data); err != nil || me.Member != (model.NodeID{byte(11 + 2*cut)}) {
			t.Errorf("cut %d: %v, %v", cut, me.Member, err)
		}
		if was, err := enroll.LoadNode(aside); err != nil || was.Member != (model.NodeID{byte(10 + 2*cut)}) {
			t.Errorf("cut %d: kept is %v, %v", cut, was.Member, err)
		}
		if got, want := namesIn(t, c.Data), []string{"cluster", "pki", filepath.Base(aside)}; !slices.Equal(got, want) {
			t.Errorf("cut %d: the folder has %q, want %q", cut, got, want)
		}
	}
}

func TestAdvise(t *testing.T) {
	k := newController(configOf("data"), Options{Log: discard})
	deep := fault.New(fault.ReadOnly, "", "reading failed (%w)", fmt.Errorf("again: %w", fault.New(fault.Corrupt, "", "entry 5 is damaged")))
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{fs.ErrNotExist, false},
		{fault.New(fault.ReadOnly, "", "the disk hangs"), false},
		{fault.New(fault.Corrupt, "", "x"), true},
		{deep, true},
		{errors.Join(errors.New("a"), deep), true},
	} {
		got := k.advise(tc.err)
		if says := contains(got, "skerry cluster rejoin") && contains(got, "--replace two"); says != tc.want || fault.KindOf(got) != fault.KindOf(tc.err) {
			t.Errorf("%v becomes %v", tc.err, got)
		}
	}
}
