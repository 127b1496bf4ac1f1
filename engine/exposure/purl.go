package exposure

import (
	"net/url"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// purl is a package URL (github.com/package-url/purl-spec) as far as statements need it.
type purl struct {
	kind, namespace, name, version string
	distro, epoch                  string // qualifiers
	source                         bool   // arch=source or src
	binary                         bool   // it says that it is a package built from a source
}

// purlMax bounds a package URL, in bytes.
const purlMax = 1024

// readPURL reads a package URL; false where it is none.
func readPURL(text string) (p purl, ok bool) {
	if len(text) > purlMax {
		return p, false
	}
	var qualifiers string
	if p.kind, p.namespace, p.name, p.version, qualifiers, ok = model.CutPURL(text); !ok {
		return purl{}, false
	}
	for pair := range strings.SplitSeq(qualifiers, "&") {
		k, v, _ := strings.Cut(pair, "=")
		if v, ok = unescape(v); !ok {
			return p, false
		}
		switch strings.ToLower(k) {
		case "distro":
			p.distro = strings.ToLower(v)
		case "epoch":
			p.epoch = v
		case "arch":
			p.source = v == "source" || v == "src"
			p.binary = p.binary || v != "" && !p.source
		case "upstream":
			p.binary = p.binary || v != ""
		}
	}
	return p, true
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	out, err := url.PathUnescape(s)
	return out, err == nil
}

// releases are the names of releases that stand for a number.
var releases = map[string]string{
	"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
	"bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04",
}

// of is how a package URL is about a Lookup.
type of uint8

const (
	ofOther  of = iota
	ofAll       // about the package that advisories name, so about all that is built from it
	ofBinary    // about the binary package of that name, if it is one that is built from it
)

// of says how p is about a Lookup, and whether it is so in the version that is installed. Of a binary package the version of its
// source is looked at, which is the one that is known.
func (p *purl) of(vs *versions, l *model.Lookup, f family) (how of, there bool) {
	base, release, _ := strings.Cut(l.Ecosystem, ":")
	name := p.name
	e, joint, ok := model.PURLEcosystem(p.kind, p.namespace)
	switch {
	case !ok || e != base:
		return ofOther, false
	case joint == "" && !p.ofRelease(base, release):
		return ofOther, false
	case joint != "" && p.namespace != "":
		name = p.namespace + joint + p.name
	}
	switch named := model.PackageName(l.Ecosystem, name) == l.Name; {
	case named && (l.Source == "" || !p.binary):
		how = ofAll
	case l.Source != "" && !p.source:
		how = ofBinary
	default:
		return ofOther, false
	}
	if p.version == "" {
		return how, true
	}
	version := p.version
	if p.epoch != "" && p.epoch != "0" && !strings.Contains(version, ":") {
		version = p.epoch + ":" + version
	}
	if version == l.Version {
		return how, true
	}
	c, ok := vs.compare(f, version, l.Version)
	return how, ok && c == 0
}

// ofRelease reports whether the distro qualifier, if there is one, is the release of an ecosystem.
func (p *purl) ofRelease(base, release string) bool {
	if p.distro == "" {
		return true
	}
	word := strings.TrimPrefix(p.distro, strings.ToLower(p.namespace)+"-")
	word = strings.TrimPrefix(word, strings.ToLower(base)+"-")
	if number, ok := releases[word]; ok {
		word = number
	}
	release, _, _ = strings.Cut(release, ":") // 22.04:LTS
	release, word = strings.TrimPrefix(release, "v"), strings.TrimPrefix(word, "v")
	return word == release || release != "" && strings.HasPrefix(word, release+".") // 12.5 is of 12
}
