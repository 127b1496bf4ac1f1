package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// Damage is what becomes of one file without anybody having written to it: a bit changes, or its end is gone.
type Damage struct {
	Path string
	At   int64 // the byte
	Bit  uint8
	Cut  bool // the file ends at At instead
	Size int64
}

// String says what was done to what.
func (d Damage) String() string {
	if d.Cut {
		return fmt.Sprintf("%s ends at %d of %d bytes", d.Path, d.At, d.Size)
	}
	return fmt.Sprintf("%s, bit %d of byte %d of %d", d.Path, d.Bit, d.At, d.Size)
}

// Do damages the file where it stands, so that every name and every open handle of it has the damage.
func (d Damage) Do() error {
	f, err := os.OpenFile(d.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if d.Cut {
		return f.Truncate(d.At)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], d.At); err != nil {
		return err
	}
	b[0] ^= 1 << d.Bit
	_, err = f.WriteAt(b[:], d.At)
	return err
}

// DamageKinds are what of a controller's data folder can be damaged, as patterns below it.
var DamageKinds = map[string][]string{
	"log":      {"raft/entries/*.log"},
	"vote":     {"raft/entries/state"},
	"rows":     {"index/*/*.sst"},
	"lists":    {"index/*/MANIFEST-*", "index/*/OPTIONS-*", "index/current"},
	"snapshot": {"raft/snapshots/*/meta.json", "raft/snapshots/*/rows/*"},
	"identity": {"cluster/identity.json", "cluster/key.pem", "cluster/group.key", "pki/key.pem", "pki/cert.pem"},
}

// PickDamage chooses something in a data folder to damage: what DamageKinds has of that kind, at a byte that is not 0.
func PickDamage(data, kind string, rnd *rand.Rand) (Damage, error) {
	var files []string
	for _, pattern := range DamageKinds[kind] {
		found, err := filepath.Glob(filepath.Join(data, filepath.FromSlash(pattern)))
		if err != nil {
			return Damage{}, err
		}
		for _, f := range found {
			if n, err := written(f); err == nil && n > 0 {
				files = append(files, f)
			}
		}
	}
	if len(files) == 0 {
		return Damage{}, fmt.Errorf("%s has nothing of the kind %q", data, kind)
	}
	slices.Sort(files)
	d := Damage{Path: files[rnd.IntN(len(files))], Bit: uint8(rnd.IntN(8)), Cut: rnd.IntN(3) == 0}
	var err error
	if d.Size, err = written(d.Path); err != nil {
		return d, err
	}
	f, err := os.Open(d.Path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	// Much of some files is room that nothing stands in yet.
	var b [1]byte
	for tries := 0; b[0] == 0 && tries < 100_000; tries++ {
		d.At = rnd.Int64N(d.Size)
		if _, err := f.ReadAt(b[:], d.At); err != nil {
			return d, err
		}
	}
	return d, nil
}

// written returns how far a file has anything but zeros.
func written(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	end, at := int64(0), int64(0)
	b := make([]byte, 1<<20)
	for {
		n, err := f.Read(b)
		if last := strings.TrimRight(string(b[:n]), "\x00"); last != "" {
			end = at + int64(len(last))
		}
		at += int64(n)
		if err == io.EOF {
			return end, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// Data returns the data folder of the node.
func (n *Node) Data() string { return filepath.Join(n.cluster.Dir, n.Name) }

// Whole reports whether all nodes of the group are voters that answer and are not behind, as one of them that is up
// says; why tells what is missing.
func (c *Cluster) Whole(ctx context.Context) (ok bool, why error) {
	leader := c.Leader(ctx)
	if leader == nil {
		return false, fmt.Errorf("no leader")
	}
	s, err := c.Status(ctx, leader)
	if err != nil {
		return false, err
	}
	for _, m := range s.Members {
		if !m.Voter || !m.Reachable || m.LagEntries == nil || *m.LagEntries > 1000 {
			return false, fmt.Errorf("%s (%s): voter %v, reachable %v: %s; next %s", m.Name, m.ID, m.Voter, m.Reachable, m.Error, s.Next)
		}
	}
	if len(s.Members) != len(c.Nodes) {
		return false, fmt.Errorf("%d members instead of %d", len(s.Members), len(c.Nodes))
	}
	return true, nil
}

// Rejoin makes a node that does not run a new one, by the command for that, with a token of another node.
func (c *Cluster) Rejoin(ctx context.Context, n, by *Node) error {
	var token schema.ClusterToken
	// A node counts as one that answers for a few seconds after its end.
	err := local.Until(ctx, 20*time.Second, "a token for the place of "+n.Name, func() (bool, error) {
		err := c.Ask(ctx, by.Name, &token, "cluster", "join-token", "--replace", n.Name, "--yes")
		return err == nil, err
	})
	if err != nil {
		return err
	}
	cmd := n.command("cluster", "rejoin", token.Token, "--from", "https://"+by.Addr, "--config", n.config())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rejoin %s: %w: %s", n.Name, err, out)
	}
	return nil
}

// Refound begins a group of one anew from a backup of itself, which gives it a snapshot and a log that is cut behind
// it, as one has that is older.
func (c *Cluster) Refound(ctx context.Context) error {
	n := c.Nodes[0]
	file := filepath.Join(c.Dir, "backup")
	if _, err := c.Run(ctx, n.Name, "skerry", "cluster", "backup", file); err != nil {
		return err
	}
	if err := n.Stop(); err != nil {
		return err
	}
	if err := os.RemoveAll(n.Data()); err != nil {
		return err
	}
	if out, err := n.command("cluster", "restore", file, "--yes", "--config", n.config()).CombinedOutput(); err != nil {
		return fmt.Errorf("restore: %w: %s", err, out)
	}
	return n.Start(ctx)
}
