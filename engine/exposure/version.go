package exposure

import (
	"regexp"
	"strings"

	"github.com/google/osv-scalibr/semantic"

	"github.com/skerryhq/skerry/engine/model"
)

// family is a set of ecosystems that share one version order.
type family uint8

const (
	none family = iota // versions of this ecosystem have no order that we know
	debian
	rpm
	apk
	semver
	pypi
	rubygems
	packagist
	hackage
	cran
	maven
	nuget
	pub
	julia
)

// families says how versions are ordered in each ecosystem, by its name without a release.
var families = map[string]family{
	"Debian": debian, "Ubuntu": debian,
	"AlmaLinux": rpm, "Rocky Linux": rpm, "Red Hat": rpm, "Azure Linux": rpm, "Mageia": rpm, "openEuler": rpm, "openSUSE": rpm, "SUSE": rpm,
	"Alpine": apk, "Alpaquita": apk, "BellSoft Hardened Containers": apk, "Chainguard": apk, "CleanStart": apk, "MinimOS": apk, "Wolfi": apk,
	"Bitnami": semver, "ConanCenter": semver, "crates.io": semver, "GHC": semver, "Go": semver, "Hex": semver, "Julia": julia,
	"kubernetes": semver, "npm": semver, "SwiftURL": semver,
	"PyPI": pypi, "RubyGems": rubygems, "Packagist": packagist, "Hackage": hackage, "CRAN": cran, "Maven": maven, "NuGet": nuget, "Pub": pub,
}

func familyOf(ecosystem string) family {
	base, _, _ := strings.Cut(ecosystem, ":")
	return families[base]
}

// orderOf returns the order that the events of a range are in, where its ecosystem has f. Sources write SEMVER for versions of
// Julia as well, which have an order of their own.
func orderOf(r *model.Range, f family) family {
	if r.Type == "SEMVER" && f != julia {
		return semver
	}
	return f
}

// versionMax bounds the length of a version in bytes.
const versionMax = 256

// valid says what a version of each family looks like. The comparing library orders any two texts
// without complaint, so what is not in this table is never given to it. Each row is as strict as the
// tool that orders these versions, and stricter where the library disagrees with that tool.
var valid = [...]*regexp.Regexp{
	// deb-version(7): [epoch:]upstream[-revision]. A colon in upstream needs an epoch before it.
	debian: regexp.MustCompile(`^(?:[0-9]{1,9}:[A-Za-z0-9][A-Za-z0-9.+~:-]*|[A-Za-z0-9][A-Za-z0-9.+~-]*)$`),
	// rpm-version(7): [epoch:]version[-release].
	rpm: regexp.MustCompile(`^(?:[0-9]{1,10}:)?[A-Za-z0-9._+~^]+(?:-[A-Za-z0-9._+~^]+)?$`),
	// apk-tools, doc/apk-package.5: digits, a letter, suffixes, a commit, a revision.
	apk: regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*(?:~[0-9a-f]+)?(?:-r[0-9]+)?$`),
	// semver.org 2.0.0, with an optional v, and missing numbers taken as zero: sources write 1.5 in events.
	semver: regexp.MustCompile(`^v?[0-9]+(?:\.[0-9]+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$`),
	// PEP 440, appendix B.
	pypi: regexp.MustCompile(`^(?i)v?(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview)[-_.]?[0-9]*)?` +
		`(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?(?:[-_.]?dev[-_.]?[0-9]*)?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$`),
	// Gem::Version, without the hyphen: it separates a platform in lock files and a prerelease elsewhere.
	rubygems: regexp.MustCompile(`^[0-9]+(?:\.[0-9A-Za-z]+)*$`),
	// Composer, without "stable" and build metadata, which the library orders wrongly.
	packagist: regexp.MustCompile(`^(?i)v?[0-9]+(?:\.[0-9]+)*(?:[._-]?(?:beta|b|rc|alpha|a|patch|pl|p)(?:[.-]?[0-9]+)*)?(?:[.-]?dev)?$`),
	hackage:   regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)*$`),
	cran:      regexp.MustCompile(`^[0-9]+(?:[.-][0-9]+)*$`),
	maven:     regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._+-]*$`),
	nuget:     regexp.MustCompile(`^[0-9]+(?:\.[0-9]+){0,3}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$`),
	pub:       regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$`),
	julia:     regexp.MustCompile(`^v?[0-9]+(?:\.[0-9]+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$`),
}

// parse returns v in the order of f; false where v is not a version there.
func parse(f family, v string) (semantic.Version, bool) {
	if f == none || len(v) > versionMax || !valid[f].MatchString(v) {
		return nil, false
	}
	var out semantic.Version
	var err error
	switch f {
	case debian:
		if strings.HasSuffix(v, "-") {
			return nil, false // an empty revision
		}
		out, err = semantic.ParseDebianVersion(v)
	case rpm:
		out = semantic.ParseRedHatVersion(v)
	case apk:
		out, err = semantic.ParseAlpineVersion(v)
	case semver:
		out = semantic.ParseSemverVersion(v)
	case pypi:
		out, err = semantic.ParsePyPIVersion(v)
	case rubygems:
		out = semantic.ParseRubyGemsVersion(v)
	case packagist:
		out = semantic.ParsePackagistVersion(strings.ToLower(v))
	case hackage:
		out, err = semantic.ParseHackageVersion(v)
	case cran:
		out, err = semantic.ParseCRANVersion(v)
	case maven:
		out = semantic.ParseMavenVersion(v)
	case nuget:
		out = semantic.ParseNuGetVersion(v)
	case pub:
		out = semantic.ParsePubVersion(v)
	case julia:
		out = parseJulia(v)
	}
	return out, err == nil
}

// Compare returns -1, 0 or 1 as version a is before, equal to or after b in the order of ecosystem;
// false where that ecosystem has no known order, or one of them is not a version of it.
func Compare(ecosystem, a, b string) (int, bool) {
	var vs versions
	return vs.compare(familyOf(ecosystem), a, b)
}

// versions remembers parsed versions. The zero value is ready to use.
type versions struct {
	parsed map[versionKey]semantic.Version
} // nil value: not a version

type versionKey struct {
	family family
	text   string
}

// versionsMax bounds how many versions are remembered.
const versionsMax = 200_000

func (vs *versions) parse(f family, v string) (semantic.Version, bool) {
	key := versionKey{f, v}
	out, ok := vs.parsed[key]
	if ok {
		return out, out != nil
	}
	if vs.parsed == nil || len(vs.parsed) >= versionsMax {
		vs.parsed = map[versionKey]semantic.Version{}
	}
	out, ok = parse(f, v)
	if !ok {
		out = nil
	}
	vs.parsed[key] = out
	return out, ok
}

func (vs *versions) compare(f family, a, b string) (int, bool) {
	va, ok := vs.parse(f, a)
	if !ok {
		return 0, false
	}
	vb, ok := vs.parse(f, b)
	if !ok {
		return 0, false
	}
	c, err := va.Compare(vb)
	return max(-1, min(1, c)), err == nil
}
