package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/appliance/simulate"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/recorded"
)

// How alike the hosts of a fleet are.
const (
	likeImages   = "images"   // a few images; a third of the hosts differ from theirs by some versions
	likeDistinct = "distinct" // no two hosts have the same software
)

// imageN is how many images a fleet is made from, oddOf of how many hosts one differs from its image, and maxOdd by how
// many packages at the most.
const (
	imageN = 12
	oddOf  = 3
	maxOdd = 20
)

// debian is the system of every host.
var debian = model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12", Codename: "bookworm"}

// choice is one real package and the versions that it was seen in, oldest first.
type choice struct {
	model.Package // without versions
	versions      []release
}

type release struct{ version, source string }

// catalogue is the software that fleets are made of.
type catalogue struct {
	From    string // for people
	choices []choice
	several []int // those with more than one version
}

// openCatalogue reads the recorded inventories of Debian 12 below shared, oldest first; where there are none it takes
// the package facts that are built into simulated fleets.
func openCatalogue(shared string) (*catalogue, error) {
	path := filepath.Join(shared, "data", "dev-extras.tar.zst")
	lists, err := machines(path)
	from := "recorded inventories"
	if err != nil {
		from = fmt.Sprintf("the built-in package facts (SKERRY_SHARED names no folder with recorded inventories: %v)", err)
		if lists, err = builtIn(); err != nil {
			return nil, err
		}
	}
	c := &catalogue{From: from}
	at := map[string]int{}
	for _, list := range lists {
		for _, p := range list {
			r := release{p.Version, p.SourceVersion}
			p.Version, p.SourceVersion = "", ""
			key := p.Name + "/" + p.Arch
			i, known := at[key]
			if !known {
				i = len(c.choices)
				at[key] = i
				c.choices = append(c.choices, choice{Package: p})
			}
			if !slices.Contains(c.choices[i].versions, r) {
				c.choices[i].versions = append(c.choices[i].versions, r)
			}
		}
	}
	slices.SortFunc(c.choices, func(a, b choice) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch))
	})
	for i, ch := range c.choices {
		if len(ch.versions) > 1 {
			c.several = append(c.several, i)
		}
	}
	if len(c.several) == 0 {
		return nil, errors.New("no package was seen in two versions")
	}
	return c, nil
}

// machines returns the lists of packages of one Debian 12 machine at several times.
func machines(path string) ([][]model.Package, error) {
	found := map[string][]model.Package{}
	err := recorded.Each(path, func(name string, body []byte) error {
		name = filepath.Base(name)
		if !strings.HasPrefix(name, "debian12") || !strings.HasSuffix(name, ".json") {
			return nil
		}
		var rows []struct {
			Name, Version, Arch, Source string
			SourceVersion               string `json:"source_version"`
		}
		if err := json.Unmarshal(body, &rows); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, r := range rows {
			if r.Version == "" {
				continue // of a list of what could be upgraded
			}
			found[name] = append(found[name], model.Package{
				Manager: "dpkg", Name: r.Name, Version: r.Version, Arch: r.Arch, Source: r.Source, SourceVersion: r.SourceVersion,
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out [][]model.Package
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[name])
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no inventory of Debian 12", path)
	}
	return out, nil
}

// builtIn returns the lists of packages of simulated hosts.
func builtIn() ([][]model.Package, error) {
	fleet, err := simulate.NewFleet(1, "catalogue", model.NodeID{1}, time.Unix(0, 0))
	if err != nil {
		return nil, err
	}
	var out [][]model.Package
	for n := range 200 {
		_, body, err := fleet.Host(n)
		if err != nil {
			return nil, err
		}
		var inv model.Inventory
		if body == nil || model.Decode(body, &inv) != nil || inv.OS.Version != debian.Version || inv.OS.ID != debian.ID {
			continue
		}
		out = append(out, inv.Packages)
	}
	return out, nil
}

// installed returns which version of each package a host has, by the place in choices; -1: it is not there. Each
// host has size packages, or all there are.
func (c *catalogue) installed(seed uint64, like string, host, size int) []int16 {
	of := uint64(host) + imageN
	r := rand.New(rand.NewPCG(seed, uint64(host)))
	if like == likeImages {
		of = r.Uint64N(imageN)
	}
	base := rand.New(rand.NewPCG(seed^0x696d616765, of))
	has := make([]int16, len(c.choices))
	for i := range has {
		has[i] = -1
	}
	for _, i := range base.Perm(len(has))[:min(size, len(has))] {
		has[i] = int16(base.IntN(len(c.choices[i].versions)))
	}
	if like == likeImages && r.IntN(oddOf) == 0 {
		for range 1 + r.IntN(maxOdd) {
			c.move(has, r)
		}
	}
	return has
}

// upgrade gives the host another version of one package; the k-th is the same for the same seed.
func (c *catalogue) upgrade(has []int16, seed uint64, host, k int) {
	c.move(has, rand.New(rand.NewPCG(seed^0x7570, uint64(host)<<32|uint64(k))))
}

// move gives one package another of its versions.
func (c *catalogue) move(has []int16, r *rand.Rand) {
	for i := r.IntN(len(c.several)); ; i = (i + 1) % len(c.several) {
		if p := c.several[i]; has[p] >= 0 {
			has[p] = int16((int(has[p]) + 1 + r.IntN(len(c.choices[p].versions)-1)) % len(c.choices[p].versions))
			return
		}
	}
}

// report returns what the agent of such a host sends.
func (c *catalogue) report(has []int16) ([]byte, error) {
	inv := model.Inventory{OS: debian}
	for i, v := range has {
		if v >= 0 {
			p := c.choices[i].Package
			p.Version, p.SourceVersion = c.choices[i].versions[v].version, c.choices[i].versions[v].source
			inv.Packages = append(inv.Packages, p)
		}
	}
	return model.Encode(inv)
}
