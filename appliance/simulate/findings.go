package simulate

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// What simulated software is vulnerable to. Of Debian 12 the versions are known, so that each version but the
// first of a source package fixes one vulnerability; of the other systems one version is known, and a few
// packages have vulnerabilities, most of them with a version to come that fixes them. Hosts of one image have
// the same, as where a site matches inventories. The names say that they are made up.

// match fills in what an image's packages are vulnerable to.
func (i *image) match(debian map[string][]string) {
	for _, p := range i.inv.Packages {
		if isDebian12(i.inv.OS) {
			versions := debian[p.Source]
			for k := slices.Index(versions, p.Version) + 1; k < len(versions); k++ {
				i.found = append(i.found, finding(i.inv.OS, p, k, versions[k]))
			}
			continue
		}
		for k := 1; k <= vulnerabilities(i.inv.OS, p.Name); k++ {
			fixed := ""
			if mix(textHash(p.Name, p.Version), uint64(k))%5 > 0 {
				fixed = p.Version + "+simulated"
			}
			i.found = append(i.found, finding(i.inv.OS, p, k, fixed))
		}
	}
	slices.SortFunc(i.found, func(a, b model.Finding) int {
		return cmp.Or(cmp.Compare(a.Vulnerability, b.Vulnerability), cmp.Compare(a.Package, b.Package))
	})
	sum := exposure.NewRollup()
	sum.Add(model.Match{Findings: i.found}, 1)
	i.counts, i.fixable = sum.Result().Counts, exposure.FixableN(i.found)
}

// vulnerabilities returns how many a package of an operating system other than Debian 12 has.
func vulnerabilities(os model.OS, name string) int {
	switch x := mix(textHash(os.ID, os.Version, name), 4) % 100; {
	case x < 80:
		return 0
	case x < 93:
		return 1
	}
	return 2
}

// finding is the k-th vulnerability of a package.
func finding(os model.OS, p model.Package, k int, fixed string) model.Finding {
	source := cmp.Or(p.Source, p.Name)
	id := strings.ToUpper(fmt.Sprintf("simulated-%s%s-%s-%d", os.ID, os.Version, source, k))
	f := model.Finding{
		Vulnerability: id, Advisory: model.AdvisoryKey{Source: "simulated", ID: id}, Package: p.Name, Source: p.Source,
		Version: cmp.Or(p.SourceVersion, p.Version), Fixed: fixed, Severity: model.SeverityLow, Verdict: model.VerdictAffected,
	}
	switch x := textHash(id) % 100; {
	case x < 6:
		f.Severity = model.SeverityCritical
	case x < 30:
		f.Severity = model.SeverityHigh
	case x < 80:
		f.Severity = model.SeverityMedium
	}
	return f
}

func textHash(texts ...string) uint64 {
	h := fnv.New64a()
	for _, t := range texts {
		_, _ = h.Write([]byte(t)) // never fails
		_, _ = h.Write([]byte{0})
	}
	return mix(h.Sum64())
}

// regimes are the tags of hosts to which policies apply, each with that many rules.
var regimes = [...]string{"gdpr", "hipaa", "pci", "sox"}

const regimeRules = 20

// compliance returns which part of the rules that apply a host meets, in percent; nil: none apply. A rule of
// each regime is about findings of high severity. failed is how many others are broken.
func compliance(h *model.Host, failed int) *float64 {
	n := 0
	for _, tag := range regimes {
		if slices.Contains(h.Tags, tag) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	rules := n * regimeRules
	failed = min(failed, rules-n)
	if h.Exposure.Critical+h.Exposure.High > 0 {
		failed += n
	}
	pct := float64(1000*(rules-failed)/rules) / 10
	return &pct
}

// tally is how many of a site's hosts run each image. It holds the hosts below upto; the rest are counted when
// their rows go up, or when somebody asks.
type tally struct {
	hosts map[*image]int
	upto  int
}

// tallyStep bounds how many hosts are counted at once, since nothing else happens at the site meanwhile.
const tallyStep = 20_000

// count puts host n, which is there, on the tally (by 1), or takes it off (by -1).
func (w *world) count(n, by int) error {
	i, err := w.image(n)
	if err != nil || i == nil {
		return err
	}
	if w.tally.hosts == nil {
		w.tally.hosts = map[*image]int{}
	}
	if w.tally.hosts[i] += by; w.tally.hosts[i] == 0 {
		delete(w.tally.hosts, i)
	}
	return nil
}

// recount does with a host, which may be on the tally, what changes its image.
func (w *world) recount(n int, change func()) error {
	if n >= w.tally.upto {
		change()
		return nil
	}
	if err := w.count(n, -1); err != nil {
		return err
	}
	change()
	if !w.there(n) {
		return nil
	}
	return w.count(n, 1)
}

// exposure returns the roll-up of the site's findings; false: not all hosts are counted yet.
func (w *world) exposure(at model.Time) (model.Exposure, bool, error) {
	for end := w.tally.upto + tallyStep; w.tally.upto < min(end, w.next); w.tally.upto++ {
		if w.there(w.tally.upto) {
			if err := w.count(w.tally.upto, 1); err != nil {
				return model.Exposure{}, false, err
			}
		}
	}
	if w.tally.upto < w.next {
		return model.Exposure{}, false, nil
	}
	sum := exposure.NewRollup()
	for i, hosts := range w.tally.hosts { // sums, so that their order does not matter
		sum.Add(model.Match{Findings: i.found}, hosts)
	}
	e := sum.Result()
	e.Site, e.At, e.Generation, e.AdvisoryN = model.SiteID(w.fleet.Sites[w.site].Model().ID), at, 1, w.images.advisories
	return e, true, nil
}
