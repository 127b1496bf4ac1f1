package chaos

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/storage/index"
)

// damaged counts what came of damages.
type damaged struct {
	refused, // the node ended, and said why
	found, // the same, once all rows were read
	harmless int // nothing depended on what changed
}

// looks is how long a node may take to come up with damaged data, or to end.
const looks = 30 * time.Second

// outcome waits until a node that has a damage is well, or has ended.
func outcome(ctx context.Context, c *Cluster, n *Node) (up bool, err error) {
	err = local.Until(ctx, looks, n.Name+" coming up or ending", func() (bool, error) {
		select {
		case <-n.Ended():
			return true, nil
		default:
		}
		if ok, err := c.Whole(ctx); !ok {
			return false, err
		}
		_, err := c.Run(ctx, n.Name, "skerry", "federation", "status", "-o", "json")
		up = err == nil
		return up, err
	})
	return up, err
}

// says checks the last thing that a node said before it ended: one line with what is damaged and what to do.
func says(n *Node, d Damage) error {
	text := local.Tail(n.Log(), 40)
	if strings.Contains(text, "goroutine ") {
		return fmt.Errorf("%s: %s ended in a panic:\n%s", d, n.Name, text)
	}
	last := text[strings.LastIndex(text, "\n")+1:]
	// The file, its folder, or the snapshot that it is of.
	where := strings.Contains(last, filepath.Base(d.Path)) || strings.Contains(last, filepath.Dir(d.Path)) ||
		filepath.Base(filepath.Dir(d.Path)) == "rows" && strings.Contains(last, filepath.Base(filepath.Dir(filepath.Dir(d.Path))))
	if !where || !strings.Contains(last, "skerry cluster rejoin") {
		return fmt.Errorf("%s: %s does not say what is damaged and what to do; the end of its log:\n%s", d, n.Name, text)
	}
	return nil
}

// try damages something of a node, which runs or is stopped before, and sees to it that it is found out, or
// does no harm. back makes the node well again.
func (h *damaged) try(ctx context.Context, c *Cluster, n *Node, kind string, rnd *rand.Rand, back func() error) (what string, err error) {
	running := kind != "log" && rnd.IntN(3) == 0
	switch {
	case running:
	case rnd.IntN(2) == 0:
		n.Kill()
	default:
		if err := n.Stop(); err != nil {
			return "", err
		}
	}
	d, err := PickDamage(n.Data(), kind, rnd)
	if err != nil {
		return "", err
	}
	what = fmt.Sprintf("%s of %s (%s): %s", kind, n.Name, map[bool]string{true: "running", false: "stopped"}[running], d)
	if err := d.Do(); err != nil {
		return what, err
	}
	if running {
		select { // it goes on with it for a while
		case <-n.Ended():
		case <-time.After(time.Duration(rnd.Int64N(int64(time.Second)))):
			n.Kill()
		}
	}
	if err := n.Spawn(); err != nil {
		return what, err
	}
	up, err := outcome(ctx, c, n)
	if err != nil {
		return what, err
	}
	if up {
		// What nobody has read yet is read now. A node that finds damage leaves by itself.
		_, bad := c.Run(ctx, n.Name, "skerry", "storage", "check")
		if bad == nil {
			h.harmless++
			return what + ": harmless", nil
		}
		select {
		case <-n.Ended():
		case <-time.After(15 * time.Second):
			return what, fmt.Errorf("%s goes on after it was found: %w", n.Name, bad)
		}
		h.found++
		what += ": found"
	} else {
		h.refused++
		what += ": refused"
	}
	if err := says(n, d); err != nil {
		return what, err
	}
	return what, back()
}

// A bit changes, or a file loses its end, on one node of a group under load: the node serves nothing wrong, says what is
// damaged and ends; one command makes it a new one from the others; and nothing is lost.
func TestDamage(t *testing.T) {
	rnd := dice(t)
	c := cluster(t, 1, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// With a snapshot behind which the log is cut, everything that a node can have is there.
	if err := errors.Join(c.Refound(ctx), c.Grow(ctx, 3)); err != nil {
		t.Fatal(err)
	}
	h := NewHistory()
	load := Load{Clients: 9, Names: 10, Era: 40, Eras: 22, Writes: 50, Pause: 2 * time.Millisecond, Timeout: 2 * time.Second, Seed: rnd.Uint64()}
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		load.Drive(ctx, h, 0, func(i int) Register { return c.Nodes[i%len(c.Nodes)].API() })
	}()
	kinds := slices.Sorted(maps.Keys(DamageKinds))
	rnd.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	var came damaged
	began, rounds := time.Now(), rounds(3, 100)
	for round := range rounds {
		if err := local.Until(ctx, time.Minute, "the group being whole", func() (bool, error) { return c.Whole(ctx) }); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		settle(ctx, h, 50)
		n := c.Nodes[rnd.IntN(3)]
		if rnd.IntN(3) == 0 {
			if l := c.Leader(ctx); l != nil {
				n = l
			}
		}
		by := c.Nodes[(slices.Index(c.Nodes, n)+1)%3]
		what, err := came.try(ctx, c, n, kinds[round%len(kinds)], rnd, func() error {
			if err := c.Rejoin(ctx, n, by); err != nil {
				return err
			}
			old, err := filepath.Glob(filepath.Join(n.Data(), "replaced-*"))
			if err != nil || len(old) != 1 {
				return fmt.Errorf("%s kept %q, %w", n.Name, old, err)
			}
			return errors.Join(os.RemoveAll(old[0]), n.Start(ctx))
		})
		t.Logf("round %d: %s", round, what)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	if err := local.Until(ctx, time.Minute, "the group being whole", func() (bool, error) { return c.Whole(ctx) }); err != nil {
		t.Fatal(err)
	}
	settle(ctx, h, 50)
	cancel()
	<-loaded
	t.Logf("%d rounds, %s a round: %d refused at the start or while running, %d found by reading everything, %d harmless; %d operations, %d writes acknowledged, %d unknown",
		rounds, (time.Since(began) / time.Duration(rounds)).Round(time.Millisecond), came.refused, came.found, came.harmless, h.Len(), h.Acked(), h.Unknown)
	readAll(t, c, h, load)
	if err := h.Judge(2 * time.Minute); err != nil {
		t.Error(err)
	}
	sameRows(t, c)
}

// readAll reads every register through every node, so that the history tells what is there in the end.
func readAll(t *testing.T, c *Cluster, h *History, l Load) {
	t.Helper()
	for i, n := range c.Nodes {
		for era := range l.Eras {
			for name := range l.Names {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				_, err := h.Read(ctx, l.Clients+i, n.API(), fmt.Sprintf("%sr%d-%d", l.Prefix, era, name))
				cancel()
				if err != nil {
					t.Fatalf("%s cannot be read in the end: %v", n.Name, err)
				}
			}
		}
	}
}

// sameRows stops a group that nobody writes to, and compares the rows of its nodes.
func sameRows(t *testing.T, c *Cluster) {
	t.Helper()
	applied := map[string]uint64{}
	err := local.Until(t.Context(), 20*time.Second, "all nodes having the same entries", func() (bool, error) {
		for _, n := range c.Nodes {
			v, err := c.Metric(t.Context(), n, "skerry_raft_applied_index")
			if err != nil {
				return false, err
			}
			applied[n.Name] = uint64(v)
		}
		first := applied[c.Nodes[0].Name]
		for _, v := range applied {
			if v != first {
				return false, fmt.Errorf("%v", applied)
			}
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[string][]string{}
	for _, n := range c.Nodes {
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range c.Nodes {
		s, err := index.Open(filepath.Join(n.Data(), "index"), index.Options{NoWAL: true})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := s.Hash(t.Context())
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint(s.Applied(), " ", hex.EncodeToString(sum[:8]))
		hashes[key] = append(hashes[key], n.Name)
	}
	if len(hashes) != 1 {
		t.Errorf("the nodes have different rows: %v", hashes)
	}
	t.Logf("all nodes have the same rows: %v", hashes)
}

// A controller that is alone fails closed as well, whatever is damaged.
func TestDamageOfOne(t *testing.T) {
	rnd := dice(t)
	c := cluster(t, 1, nil)
	ctx := t.Context()
	if err := c.Refound(ctx); err != nil {
		t.Fatal(err)
	}
	n := c.Nodes[0]
	NewHistory().Write(ctx, 1, n.API(), "kept", "v")
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(c.Dir, "whole")
	restore := func() error {
		if err := os.RemoveAll(n.Data()); err != nil {
			return err
		}
		return copyTree(whole, n.Data())
	}
	if err := copyTree(n.Data(), whole); err != nil {
		t.Fatal(err)
	}
	var came damaged
	for range rounds(1, 5) {
		for _, kind := range slices.Sorted(maps.Keys(DamageKinds)) {
			if err := n.Start(ctx); err != nil {
				t.Fatal(err)
			}
			what, err := came.try(ctx, c, n, kind, rnd, restore)
			t.Log(what)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(what, ": harmless") {
				continue
			}
			if text, err := n.API().Read(ctx, "kept"); err != nil || text != "v" {
				t.Errorf("%s: it reads %q, %v", what, text, err)
			}
			if err := errors.Join(n.Stop(), restore()); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d refused, %d found by reading everything, %d harmless", came.refused, came.found, came.harmless)
	if came.refused+came.found == 0 {
		t.Error("no damage was found: this proves nothing")
	}
}

// copyTree copies a folder that nobody writes to; links become files.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		out := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(out, 0o700)
		case !e.Type().IsRegular(): // a socket
			return nil
		}
		return run("cp", "--sparse=always", "--preserve=mode", path, out)
	})
}
