package simulate

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
)

// Fleet is the fleet of one gateway: hosts that do not exist, in the mix that real sites have. The site
// matches them as it matches real ones, so what appliance/fleet gives Debian or Ubuntu runs Debian 12 here,
// whose packages are known, patched from "this week" to "never"; other Linux systems have a few packages of
// their release, and the others none. What a host is and runs is a pure function of the seed and its number; its
// names and what the manufacturer gave it also depend on the site, and its id on the gateway. A Fleet is safe for
// concurrent use.
type Fleet struct {
	seed   uint64
	site   string
	owner  model.NodeID
	start  time.Time
	hosts  *fleet.Fleet // what the hosts are
	marks  *fleet.Fleet // what tells them from those of other sites
	images *images
}

// NewFleet makes the fleet of a seed at the site of that name. The host ids also depend on owner, the gateway
// that reports them. So two sites may simulate the same seed, and beside them a federation of it. No machine was
// booted after start.
func NewFleet(seed uint64, site string, owner model.NodeID, start time.Time) (*Fleet, error) {
	im, err := newImages(seed, 1)
	if err != nil {
		return nil, err
	}
	// One site, large enough that its network has room for any number.
	of := func(seed uint64) *fleet.Fleet { return fleet.New(fleet.Config{Seed: seed, Hosts: MaxHosts, Sites: 1}) }
	return &Fleet{
		seed: seed, site: site, owner: owner, start: start, images: im, hosts: of(seed), marks: of(mix(seed, textHash(site))),
	}, nil
}

var debianOS = model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12", Codename: "bookworm"}

// ID returns the id of host n.
func (f *Fleet) ID(n int) model.HostID {
	var b [32]byte
	copy(b[:16], f.owner[:])
	binary.BigEndian.PutUint64(b[16:], f.seed)
	binary.BigEndian.PutUint64(b[24:], uint64(n))
	sum := sha256.Sum256(b[:])
	id := model.HostID(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // UUID version 8: made by our own rule
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Host returns the facts of host n, from 0, and its inventory as JSON; nil: it has none to report.
func (f *Fleet) Host(n int) (model.Facts, []byte, error) {
	h, mark := f.hosts.Host(0, n), f.marks.Host(0, n)
	h.Serial, h.MAC, h.IPv6 = mark.Serial, mark.MAC, mark.IPv6
	rename(&h, f.site, n)
	facts := h.Model().Facts
	r := rand.New(rand.NewPCG(f.seed, 1<<32+uint64(n)))
	p := profileOf(r)
	facts.BootedAt = model.TimeOf(f.start.Add(-time.Duration(r.IntN(90*24*3600)) * time.Second).Truncate(time.Second))
	if facts.OS.ID == "debian" || facts.OS.ID == "ubuntu" {
		reboot := p > 12 && r.IntN(4) == 0
		facts.OS, facts.Kernel, facts.RebootNeeded = debianOS, kernelOf(p, facts.Arch), &reboot
	}
	i, err := f.images.of(facts.OS, facts.Arch, p)
	if err != nil || i == nil {
		return facts, nil, err
	}
	return facts, i.encoded, nil
}

// System returns the facts of host n's system, which are those of the host that Host returns.
func (f *Fleet) System(n int, facts model.Facts) model.OSFacts {
	return systemOf(rand.New(rand.NewPCG(f.seed, 1<<33+uint64(n))), facts)
}

// Inventoried returns how many of the first hosts of a seed's fleet have an inventory, which a site can match.
func Inventoried(seed uint64, hosts int) (int, error) {
	f, err := NewFleet(seed, "", model.NodeID{}, time.Time{})
	if err != nil {
		return 0, err
	}
	n := 0
	for i := range hosts {
		_, packages, err := f.Host(i)
		if err != nil {
			return 0, fmt.Errorf("host %d: %w", i, err)
		}
		if packages != nil {
			n++
		}
	}
	return n, nil
}
