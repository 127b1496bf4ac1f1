package model

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// CutPURL takes a package URL (github.com/package-url/purl-spec) apart: its type in lower case, the qualifiers as they are
// written, the rest without escapes. It is the one way in which package URLs are read; false where text is none.
func CutPURL(text string) (kind, namespace, name, version, qualifiers string, ok bool) {
	rest, ok := strings.CutPrefix(text, "pkg:")
	if !ok {
		return "", "", "", "", "", false
	}
	rest, _, _ = strings.Cut(strings.TrimLeft(rest, "/"), "#")
	rest, qualifiers, _ = strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at > strings.LastIndexByte(rest, '/') {
		if version, ok = unescapePURL(rest[at+1:]); !ok {
			return "", "", "", "", "", false
		}
		rest = rest[:at]
	}
	kind, rest, ok = strings.Cut(strings.TrimRight(rest, "/"), "/")
	if !ok || kind == "" {
		return "", "", "", "", "", false
	}
	if at := strings.LastIndexByte(rest, '/'); at >= 0 {
		if namespace, ok = unescapePURL(strings.Trim(rest[:at], "/")); !ok {
			return "", "", "", "", "", false
		}
		rest = rest[at+1:]
	}
	if name, ok = unescapePURL(rest); !ok || name == "" {
		return "", "", "", "", "", false
	}
	return strings.ToLower(kind), namespace, name, version, qualifiers, true
}

func unescapePURL(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	out, err := url.PathUnescape(s)
	return out, err == nil
}

// PURLEcosystem returns the ecosystem, without a release, of packages of a type and namespace, and what joins the
// namespace to a name there; no joint: the namespace is no part of the name. False where it is of none that is known.
func PURLEcosystem(kind, namespace string) (ecosystem, joint string, ok bool) {
	if e, known := purlSpaces[kind+"/"+strings.ToLower(namespace)]; known {
		return e, "", true
	}
	t, known := purlTypes[kind]
	return t[0], t[1], known
}

// PURLType returns the type of package URLs that an ecosystem has for itself, and its joint; false: it has none.
func PURLType(ecosystem string) (kind, joint string, ok bool) {
	for _, kind := range slices.Sorted(maps.Keys(purlTypes)) {
		if t := purlTypes[kind]; t[0] == ecosystem {
			return kind, t[1], true
		}
	}
	return "", "", false
}

// purlSpaces are the ecosystems of package types that several publish in, by type and namespace.
var purlSpaces = map[string]string{
	"deb/debian": "Debian", "deb/ubuntu": "Ubuntu",
	"rpm/almalinux": "AlmaLinux", "rpm/alma": "AlmaLinux", "rpm/rocky": "Rocky Linux", "rpm/rocky-linux": "Rocky Linux", "rpm/rockylinux": "Rocky Linux",
	"rpm/azurelinux": "Azure Linux", "rpm/mageia": "Mageia", "rpm/redhat": "Red Hat", "rpm/openeuler": "openEuler", "rpm/opensuse": "openSUSE", "rpm/suse": "SUSE",
	"apk/alpine": "Alpine", "apk/alpaquita": "Alpaquita", "apk/wolfi": "Wolfi", "apk/chainguard": "Chainguard", "apk/minimos": "MinimOS",
}

// purlTypes are the ecosystems of package types that have one, and what joins a namespace to a name in it.
var purlTypes = map[string][2]string{
	"npm": {"npm", "/"}, "pypi": {"PyPI", "/"}, "golang": {"Go", "/"}, "cargo": {"crates.io", "/"}, "gem": {"RubyGems", "/"}, "maven": {"Maven", ":"},
	"nuget": {"NuGet", "/"}, "composer": {"Packagist", "/"}, "hex": {"Hex", "/"}, "pub": {"Pub", "/"}, "hackage": {"Hackage", "/"}, "cran": {"CRAN", "/"},
	"conan": {"ConanCenter", "/"}, "bitnami": {"Bitnami", "/"}, "swift": {"SwiftURL", "/"}, "julia": {"Julia", "/"},
}
