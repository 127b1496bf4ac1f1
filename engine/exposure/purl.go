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
	source                         bool   // arch=source
}

// purlMax bounds a package URL, in bytes.
const purlMax = 1024

// readPURL reads a package URL; false where it is none.
func readPURL(text string) (p purl, ok bool) {
	rest, ok := strings.CutPrefix(text, "pkg:")
	if !ok || len(text) > purlMax {
		return p, false
	}
	rest = strings.TrimLeft(rest, "/")
	rest, _, _ = strings.Cut(rest, "#")
	rest, qualifiers, _ := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at > strings.LastIndexByte(rest, '/') {
		if p.version, ok = unescape(rest[at+1:]); !ok {
			return p, false
		}
		rest = rest[:at]
	}
	rest = strings.TrimRight(rest, "/")
	p.kind, rest, ok = strings.Cut(rest, "/")
	if !ok || p.kind == "" {
		return p, false
	}
	p.kind = strings.ToLower(p.kind)
	if at := strings.LastIndexByte(rest, '/'); at >= 0 {
		if p.namespace, ok = unescape(strings.Trim(rest[:at], "/")); !ok {
			return p, false
		}
		rest = rest[at+1:]
	}
	if p.name, ok = unescape(rest); !ok || p.name == "" {
		return p, false
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
			p.source = v == "source"
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

// namespaces are the ecosystems of package types that several publish in, by type and namespace.
var namespaces = map[string]string{
	"deb/debian": "Debian", "deb/ubuntu": "Ubuntu",
	"rpm/almalinux": "AlmaLinux", "rpm/alma": "AlmaLinux", "rpm/rocky": "Rocky Linux", "rpm/rocky-linux": "Rocky Linux", "rpm/rockylinux": "Rocky Linux",
	"rpm/azurelinux": "Azure Linux", "rpm/mageia": "Mageia", "rpm/redhat": "Red Hat", "rpm/openeuler": "openEuler", "rpm/opensuse": "openSUSE", "rpm/suse": "SUSE",
	"apk/alpine": "Alpine", "apk/alpaquita": "Alpaquita", "apk/wolfi": "Wolfi", "apk/chainguard": "Chainguard", "apk/minimos": "MinimOS",
}

// types are the ecosystems of package types that have one, and what joins a namespace to a name in it.
var types = map[string][2]string{
	"npm": {"npm", "/"}, "pypi": {"PyPI", "/"}, "golang": {"Go", "/"}, "cargo": {"crates.io", "/"}, "gem": {"RubyGems", "/"}, "maven": {"Maven", ":"},
	"nuget": {"NuGet", "/"}, "composer": {"Packagist", "/"}, "hex": {"Hex", "/"}, "pub": {"Pub", "/"}, "hackage": {"Hackage", "/"}, "cran": {"CRAN", "/"},
	"conan": {"ConanCenter", "/"}, "bitnami": {"Bitnami", "/"}, "swift": {"SwiftURL", "/"}, "julia": {"Julia", "/"},
}

// releases are the names of releases that stand for a number.
var releases = map[string]string{
	"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
	"bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04",
}

// is reports whether p names the package of a Lookup, in the version that is installed.
func (p *purl) is(vs *versions, l *model.Lookup, f family) bool {
	base, release, _ := strings.Cut(l.Ecosystem, ":")
	name := p.name
	if e, ok := namespaces[p.kind+"/"+strings.ToLower(p.namespace)]; ok {
		if e != base || !p.ofRelease(base, release) {
			return false
		}
	} else {
		t, ok := types[p.kind]
		if !ok || t[0] != base {
			return false
		}
		if p.namespace != "" {
			name = p.namespace + t[1] + p.name
		}
	}
	if model.PackageName(l.Ecosystem, name) != l.Name {
		return false
	}
	if p.version == "" {
		return true
	}
	version := p.version
	if p.epoch != "" && p.epoch != "0" && !strings.Contains(version, ":") {
		version = p.epoch + ":" + version
	}
	if version == l.Version {
		return true
	}
	c, ok := vs.compare(f, version, l.Version)
	return ok && c == 0
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
