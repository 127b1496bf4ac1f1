package simulate

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/skerryhq/skerry/engine/model"
)

var (
	//go:embed debian12.json
	debian12 []byte
	//go:embed releases.txt
	releases string
)

// source is one source package of Debian 12 and the versions it has had, oldest first.
type source struct {
	Source   string   `json:"source"`
	Binaries []string `json:"binaries"`
	Versions []string `json:"versions"`
}

// profileN is how many installations of Debian 12 a fleet has, from well kept (0) to never patched: real
// fleets are built from few images.
const profileN = 48

// image is the software of one sort of host; hosts share it.
type image struct {
	inv     model.Inventory // not to be changed
	encoded []byte          // of inv
	digest  string          // of encoded, as the detail tier names it

	// What the simulation says of it; a site that matches for itself finds what is so.
	found   []model.Finding // as engine/exposure sorts them
	counts  model.SeverityCounts
	fixable int
}

// images makes the images that a fleet's hosts have, each when it is first asked for. It is safe for
// concurrent use.
type images struct {
	seed     uint64
	sources  []source
	releases map[string]release // by os id and version
	// variants is how many installations there are of what is not Debian 12: from some of the packages to all.
	variants   int
	debian     map[string][]string // the versions of each source of Debian 12
	advisories int                 // how many vulnerabilities are made up

	mu   sync.Mutex // guards made
	made map[imageKey]*image
}

// release is what is known of the packages of an operating system.
type release struct {
	manager  string
	packages []model.Package
}

// imageKey is what an image follows from.
type imageKey struct {
	os      model.OS
	arch    string
	profile int // of Debian 12 alone; else the variant
}

func newImages(seed uint64, variants int) (*images, error) {
	im := &images{seed: seed, releases: map[string]release{}, variants: variants, debian: map[string][]string{}, made: map[imageKey]*image{}}
	if err := model.Decode(debian12, &im.sources); err != nil {
		return nil, fmt.Errorf("read the built-in package facts: %w", err)
	}
	for _, s := range im.sources {
		im.debian[s.Source] = s.Versions
		im.advisories += len(s.Versions) - 1
	}
	var ids []string
	var version string
	for line := range strings.Lines(releases) {
		word := strings.Fields(line)
		switch {
		case len(word) == 0 || line[0] == '#':
		case line[0] != ' ' && len(word) == 3:
			ids, version = strings.Split(word[0], ","), word[1]
			for _, id := range ids {
				im.releases[id+" "+version] = release{manager: word[2]}
			}
		case line[0] == ' ' && len(word) >= 2 && len(ids) > 0:
			for _, id := range ids {
				r := im.releases[id+" "+version]
				p := r.read(word)
				r.packages = append(r.packages, p)
				im.releases[id+" "+version] = r
				im.advisories += vulnerabilities(model.OS{ID: id, Version: version}, p.Name)
			}
		default:
			return nil, fmt.Errorf("read the built-in package facts: %q is no package", strings.TrimSpace(line))
		}
	}
	return im, nil
}

// read returns the package of one line.
func (r release) read(word []string) model.Package {
	p := model.Package{Manager: r.manager, Name: word[0], Version: word[1]}
	if r.manager != "dpkg" {
		return p // rpm's advisories name the package itself
	}
	p.Source, p.SourceVersion = p.Name, p.Version
	if len(word) > 2 {
		p.Source = word[2]
	}
	if len(word) > 3 {
		p.SourceVersion = word[3]
	}
	return p
}

// isDebian12 reports whether the system is the one of which every package is known.
func isDebian12(os model.OS) bool { return os.ID == "debian" && os.Version == "12" }

// of returns the image of a host with that system; nil where nothing is known of its packages, as of
// systems without a package manager.
func (im *images) of(os model.OS, arch string, profile int) (*image, error) {
	if !isDebian12(os) {
		profile = profile * im.variants / profileN
		if len(im.releases[os.ID+" "+os.Version].packages) == 0 {
			return nil, nil
		}
	}
	key := imageKey{os, arch, profile}
	im.mu.Lock()
	defer im.mu.Unlock()
	if i := im.made[key]; i != nil {
		return i, nil
	}
	inv := model.Inventory{OS: os}
	if isDebian12(os) {
		inv.Packages = im.installation(profile)
	} else {
		inv.Packages = im.chosen(im.releases[os.ID+" "+os.Version].packages, profile)
	}
	for i := range inv.Packages {
		inv.Packages[i].Arch = archOf(inv.Packages[i].Manager, arch)
	}
	b, err := model.Encode(inv)
	if err != nil {
		return nil, fmt.Errorf("encode the packages of %s %s: %w", os.ID, os.Version, err)
	}
	sum := sha256.Sum256(b)
	i := &image{inv: inv, encoded: b, digest: hex.EncodeToString(sum[:])}
	i.match(im.debian)
	im.made[key] = i
	return i, nil
}

// chosen returns the packages of a variant of a release: at least half of them, and in the last one all.
func (im *images) chosen(all []model.Package, variant int) []model.Package {
	out := slices.Clone(all)
	drop := len(all) * (im.variants - 1 - variant) / (2 * im.variants)
	for range drop {
		// Always the same one of those that are left, so that each variant has what the smaller ones have.
		worst := 0
		for k := range out {
			if textHash(out[k].Name) > textHash(out[worst].Name) {
				worst = k
			}
		}
		out = slices.Delete(out, worst, worst+1)
	}
	return out
}

// archOf returns how a package manager writes an architecture.
func archOf(manager, arch string) string {
	if manager == "dpkg" {
		return strings.NewReplacer("x86_64", "amd64", "aarch64", "arm64").Replace(arch)
	}
	return arch
}

// installation makes profile p of Debian 12.
func (im *images) installation(p int) []model.Package {
	r := rand.New(rand.NewPCG(im.seed, uint64(p)))
	age := float64(p) / profileN // 0: newest versions, 1: as released
	var out []model.Package
	for _, s := range im.sources {
		if r.IntN(100) < 35 {
			continue
		}
		last := len(s.Versions) - 1
		at := max(0, last-int(age*float64(last+1)+r.Float64()*0.5))
		for _, b := range s.Binaries {
			out = append(out, model.Package{Manager: "dpkg", Name: b, Version: s.Versions[at], Source: s.Source, SourceVersion: s.Versions[at]})
		}
	}
	slices.SortFunc(out, func(a, b model.Package) int {
		return strings.Compare(a.Name+"\x00"+a.Version, b.Name+"\x00"+b.Version)
	})
	return out
}

// profileOf draws how well a host is kept. Most are kept well, a few not at all: the square leans to the
// low profiles.
func profileOf(r *rand.Rand) int {
	x := r.Float64()
	return int(x * x * profileN)
}

// kernelOf returns the kernel of a Debian 12 installation.
func kernelOf(profile int, arch string) string {
	return fmt.Sprintf("6.1.0-%d-%s", 44-profile*30/profileN, archOf("dpkg", arch))
}
