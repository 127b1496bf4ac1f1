package exposure

import (
	"net/url"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// PackageURL is what a package URL (github.com/package-url/purl-spec) names, in the words of advisories.
type PackageURL struct {
	Base    string // ecosystem without a release, as Debian
	Name    string // as advisories name it
	Version string // as that ecosystem writes it, with its epoch; empty: none is named
	p       purl
}

// ReadPackageURL reads a package URL of a type that has an ecosystem; false where it is none, or longer than 1,024 bytes.
func ReadPackageURL(text string) (PackageURL, bool) {
	p, ok := readPURL(text)
	if !ok {
		return PackageURL{}, false
	}
	out := PackageURL{Name: p.name, Version: p.version, p: p}
	base, joint, known := model.PURLEcosystem(p.kind, p.namespace)
	if !known {
		return PackageURL{}, false
	}
	out.Base = base
	if joint != "" && p.namespace != "" {
		out.Name = p.namespace + joint + p.name
	}
	out.Name = model.PackageName(out.Base, out.Name)
	if p.epoch != "" && p.epoch != "0" && out.Version != "" && !strings.Contains(out.Version, ":") {
		out.Version = p.epoch + ":" + out.Version
	}
	return out, true
}

// In reports whether the package may be one of that ecosystem, which may carry a release.
func (u *PackageURL) In(ecosystem string) bool {
	base, release, _ := strings.Cut(ecosystem, ":")
	return base == u.Base && u.p.ofRelease(base, release)
}

// PackageURLOf returns the package URL of a package of an ecosystem, without a version; empty where the ecosystem has no type.
func PackageURLOf(ecosystem, name string) string {
	base, _, _ := strings.Cut(ecosystem, ":")
	if at, ok := spaces[base]; ok {
		return "pkg:" + at + "/" + url.PathEscape(name)
	}
	kind, joint, ok := model.PURLType(base)
	if !ok {
		return ""
	}
	space := ""
	if at := strings.LastIndex(name, joint); at >= 0 {
		space, name = name[:at], name[at+len(joint):]
		var parts []string
		for part := range strings.SplitSeq(space, "/") {
			parts = append(parts, escaped(part))
		}
		space = strings.Join(parts, "/") + "/"
	}
	return "pkg:" + kind + "/" + space + escaped(name)
}

// escaped writes a part of a package URL: the @ of a scope would begin a version.
func escaped(part string) string { return strings.ReplaceAll(url.PathEscape(part), "@", "%40") }

// spaces are the type and namespace of ecosystems that share a type with others.
var spaces = map[string]string{
	"Debian": "deb/debian", "Ubuntu": "deb/ubuntu",
	"AlmaLinux": "rpm/almalinux", "Rocky Linux": "rpm/rocky-linux", "Azure Linux": "rpm/azurelinux", "Mageia": "rpm/mageia", "Red Hat": "rpm/redhat",
	"openEuler": "rpm/openeuler", "openSUSE": "rpm/opensuse", "SUSE": "rpm/suse",
	"Alpine": "apk/alpine", "Alpaquita": "apk/alpaquita", "Wolfi": "apk/wolfi", "Chainguard": "apk/chainguard", "MinimOS": "apk/minimos",
}
