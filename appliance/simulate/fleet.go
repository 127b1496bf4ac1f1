package simulate

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

//go:embed debian12.json
var debian12 []byte

// source is one source package of the release and the versions it has had, oldest first.
type source struct {
	Source   string   `json:"source"`
	Binaries []string `json:"binaries"`
	Versions []string `json:"versions"`
}

// roles are what the simulated machines do, with how many in a hundred do it.
var roles = []struct {
	name   string
	weight int
	tags   []string
}{
	{"web", 28, []string{"dmz", "web"}},
	{"app", 24, []string{"app"}},
	{"db", 12, []string{"db", "pci"}},
	{"pos", 16, []string{"pci", "pos"}},
	{"file", 6, []string{"storage"}},
	{"ci", 8, []string{"lab"}},
	{"vdi", 6, []string{"desktop"}},
}

// Fleet is a fleet of hosts that do not exist: Debian 12 machines, patched from "this week" to
// "never". Everything but the host ids is a pure function of the seed and the host's number. A Fleet
// is safe for concurrent use.
type Fleet struct {
	seed     uint64
	owner    model.NodeID
	start    time.Time
	profiles []model.Inventory
	encoded  [][]byte // of profiles
}

// profileN is how many different installations the fleet has. Real fleets are built from few images.
const profileN = 48

// NewFleet makes the fleet of a seed. The host ids also depend on owner, the gateway that reports
// them, so that two sites may simulate the same seed. No machine was booted after start.
func NewFleet(seed uint64, owner model.NodeID, start time.Time) (*Fleet, error) {
	var sources []source
	if err := model.Decode(debian12, &sources); err != nil {
		return nil, fmt.Errorf("read the built-in package facts: %w", err)
	}
	f := &Fleet{seed: seed, owner: owner, start: start}
	for p := range profileN {
		inv := installation(rand.New(rand.NewPCG(seed, uint64(p))), p, sources)
		b, err := model.Encode(inv)
		if err != nil {
			return nil, fmt.Errorf("encode simulated installation %d: %w", p, err)
		}
		f.profiles, f.encoded = append(f.profiles, inv), append(f.encoded, b)
	}
	return f, nil
}

var debianOS = model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12", Codename: "bookworm"}

// installation makes profile p: the lower p, the better it is kept.
func installation(r *rand.Rand, p int, sources []source) model.Inventory {
	age := float64(p) / profileN // 0: newest versions, 1: as released
	inv := model.Inventory{OS: debianOS}
	for _, s := range sources {
		if r.IntN(100) < 35 {
			continue
		}
		last := len(s.Versions) - 1
		at := max(0, last-int(age*float64(last+1)+r.Float64()*0.5))
		for _, b := range s.Binaries {
			inv.Packages = append(inv.Packages, model.Package{
				Manager: "dpkg", Name: b, Version: s.Versions[at], Arch: "amd64", Source: s.Source, SourceVersion: s.Versions[at],
			})
		}
	}
	slices.SortFunc(inv.Packages, func(a, b model.Package) int {
		return strings.Compare(a.Name+"\x00"+a.Version, b.Name+"\x00"+b.Version)
	})
	return inv
}

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

// Host returns the facts of host n, from 0, and which of the fleet's installations it has.
func (f *Fleet) Host(n int) (model.Facts, int) {
	r := rand.New(rand.NewPCG(f.seed, 1<<32+uint64(n)))
	role := roles[0]
	for w, i := r.IntN(100), 0; i < len(roles); i++ {
		if w -= roles[i].weight; w < 0 {
			role = roles[i]
			break
		}
	}
	// Most machines are kept well, a few not at all: the square leans to the low profiles.
	x := r.Float64()
	p := int(x * x * profileN)
	name := fmt.Sprintf("%s-%05d", role.name, n)
	reboot := p > 12 && r.IntN(4) == 0
	facts := model.Facts{
		Hostname: name,
		FQDN:     name + ".sim.example",
		IPv4:     []string{fmt.Sprintf("10.%d.%d.%d", 64+n>>16&63, n>>8&255, n&255)},
		IPv6:     []string{fmt.Sprintf("2001:db8:%x::%x", f.seed&0xffff, n+1)},
		MAC:      []string{fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", byte(n>>24), byte(n>>16), byte(n>>8), byte(n))},
		OS:       debianOS,
		Kernel:   fmt.Sprintf("6.1.0-%d-amd64", 44-p*30/profileN),
		Arch:     "x86_64",
		BootedAt: model.TimeOf(f.start.Add(-time.Duration(r.IntN(90*24*3600)) * time.Second).Truncate(time.Second)),

		RebootNeeded: &reboot,
		AgentVersion: "simulated",
		Tags:         role.tags,
		Simulated:    true,
	}
	return facts, p
}

// Inventory returns installation p. It is shared between hosts and must not be changed.
func (f *Fleet) Inventory(p int) model.Inventory { return f.profiles[p] }
