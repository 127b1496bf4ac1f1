package canonical

import (
	"net/url"
	"strings"
)

// maxPURL bounds a package URL, in bytes.
const maxPURL = 1_024

// purl is a package URL (github.com/package-url/purl-spec), as far as documents about products need it.
type purl struct {
	kind, namespace, name, version string
	qualifiers                     map[string]string
}

// readPURL reads a package URL; false where it is none.
func readPURL(text string) (p purl, ok bool) {
	rest, ok := strings.CutPrefix(text, "pkg:")
	if !ok || len(text) > maxPURL || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return p, false
	}
	rest, _, _ = strings.Cut(strings.TrimLeft(rest, "/"), "#")
	rest, qualifiers, _ := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at > strings.LastIndexByte(rest, '/') {
		if p.version, ok = unescape(rest[at+1:]); !ok {
			return p, false
		}
		rest = rest[:at]
	}
	kind, rest, ok := strings.Cut(strings.Trim(rest, "/"), "/")
	if !ok {
		return p, false
	}
	p.kind = strings.ToLower(kind)
	if at := strings.LastIndexByte(rest, '/'); at >= 0 {
		if p.namespace, ok = unescape(rest[:at]); !ok {
			return p, false
		}
		rest = rest[at+1:]
	}
	if p.name, ok = unescape(rest); !ok || p.name == "" || p.kind == "" || len(p.name)+len(p.namespace) >= maxName || len(p.version) > maxName {
		return p, false
	}
	p.qualifiers = map[string]string{}
	for pair := range strings.SplitSeq(qualifiers, "&") {
		k, v, found := strings.Cut(pair, "=")
		if v, ok = unescape(v); !ok {
			return p, false
		}
		if found {
			p.qualifiers[strings.ToLower(k)] = v
		}
	}
	return p, true
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	out, err := url.PathUnescape(s)
	return out, err == nil && !strings.ContainsFunc(out, func(c rune) bool { return c < ' ' || c > '~' })
}

// distros are the ecosystems of package types that several publish in. A release is part of their names, where release is set
// it says what stands before it.
var distros = map[string]struct{ name, release string }{
	"deb/debian": {"Debian", ":"}, "deb/ubuntu": {"Ubuntu", ":"},
	"apk/alpine": {"Alpine", ":v"}, "apk/alpaquita": {"Alpaquita", ":"}, "apk/wolfi": {"Wolfi", ""}, "apk/chainguard": {"Chainguard", ""},
	"rpm/almalinux": {"AlmaLinux", ":"}, "rpm/rocky": {"Rocky Linux", ":"}, "rpm/rocky-linux": {"Rocky Linux", ":"}, "rpm/rockylinux": {"Rocky Linux", ":"},
	"rpm/azurelinux": {"Azure Linux", ":"}, "rpm/mageia": {"Mageia", ":"},
}

// languages are the ecosystems of package types that have one, and what stands between a namespace and a name in it.
var languages = map[string][2]string{
	"npm": {"npm", "/"}, "pypi": {"PyPI", "/"}, "golang": {"Go", "/"}, "cargo": {"crates.io", "/"}, "gem": {"RubyGems", "/"},
	"maven": {"Maven", ":"}, "nuget": {"NuGet", "/"}, "composer": {"Packagist", "/"}, "hex": {"Hex", "/"}, "pub": {"Pub", "/"},
	"hackage": {"Hackage", "/"}, "cran": {"CRAN", "/"}, "bitnami": {"Bitnami", "/"}, "swift": {"SwiftURL", "/"}, "julia": {"Julia", "/"},
}

// ecosystem returns the OSV ecosystem and the name in it that p stands for. linear says that all its versions come after each
// other, as those of a package in one release of a distribution do. platform is the CPE of the product that p is part of, or
// empty. Not ok: p does not say, or names a binary package where advisories name sources.
func (p *purl) ecosystem(platform string) (ecosystem, name string, linear, ok bool) {
	if l, ok := languages[p.kind]; ok {
		if p.namespace == "" {
			return l[0], p.name, false, true
		}
		return l[0], p.namespace + l[1] + p.name, false, true
	}
	space := strings.ToLower(p.namespace)
	if p.kind == "rpm" && space == "redhat" {
		// Red Hat's releases are known by the CPE of the repository that a package is in.
		for _, prefix := range []string{"cpe:/a:redhat:", "cpe:/o:redhat:"} {
			if rest, ok := strings.CutPrefix(platform, prefix); ok && rest != "" && len(rest) < 128 {
				return "Red Hat:" + rest, p.name, true, p.qualifiers["arch"] != "src"
			}
		}
		return "", "", false, false
	}
	distro, ok := distros[p.kind+"/"+space]
	if !ok {
		return "", "", false, false
	}
	if arch := p.qualifiers["arch"]; p.kind == "rpm" && arch == "src" || p.kind != "rpm" && arch != "" && arch != "source" {
		return "", "", false, false
	}
	if distro.release == "" {
		return distro.name, p.name, true, true
	}
	release := p.release(distro.name)
	if release == "" {
		return "", "", false, false
	}
	return distro.name + distro.release + release, p.name, true, true
}

// release returns the release that the distro qualifier names, as ecosystems write it; empty: it names none.
func (p *purl) release(base string) string {
	s := strings.ToLower(p.qualifiers["distro"])
	family, _, _ := strings.Cut(p.namespace, "-")
	for _, prefix := range []string{p.namespace + "-", family + "-", strings.ReplaceAll(base, " ", "") + "-", base + "-", "v"} {
		s = strings.TrimPrefix(s, strings.ToLower(prefix))
	}
	if n, ok := debian[s]; ok && base == "Debian" {
		return n
	}
	if s == "" || strings.Trim(s, "0123456789.") != "" || len(s) > 16 {
		return ""
	}
	major, rest, dotted := strings.Cut(s, ".")
	minor, _, _ := strings.Cut(rest, ".")
	switch base {
	case "Debian":
		if major >= "7" || len(major) > 1 {
			return major
		}
	case "Ubuntu", "Alpine":
		if !dotted {
			return ""
		}
		return major + "." + minor
	case "AlmaLinux", "Rocky Linux", "Azure Linux", "Mageia":
		return major
	}
	return s
}

// full returns the version with the epoch that the qualifier may hold.
func (p *purl) full() string {
	if e := p.qualifiers["epoch"]; e != "" && e != "0" && digits(e) && p.version != "" && !strings.Contains(p.version, ":") {
		return e + ":" + p.version
	}
	return p.version
}
