package exposure

import (
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Ecosystems returns the OSV ecosystems whose advisories apply to p on a host with that operating
// system, and whether they name source packages rather than binary ones. None means that no
// source of advisories is known for it, which is not the same as being safe.
//
// A package that carries its own ecosystem is matched in exactly that one.
func Ecosystems(os model.OS, p model.Package) (names []string, bySource bool) {
	if p.Ecosystem != "" {
		switch familyOf(p.Ecosystem) {
		case debian, apk:
			return []string{p.Ecosystem}, p.Source != ""
		}
		return []string{p.Ecosystem}, false
	}
	switch p.Manager {
	case "dpkg":
		return dpkgEcosystems(os), true
	case "apk":
		return apkEcosystems(os), true
	case "rpm":
		return rpmEcosystems(os), false
	}
	return nil, false
}

// dpkgEcosystems: Debian publishes per release and by source package. Ubuntu names long-term
// releases with and without :LTS; advisories for Pro are left out, because their fixes are not in
// the archives that an ordinary machine installs from. Derivatives rebuild with versions of their
// own, so neither list is right for them.
func dpkgEcosystems(os model.OS) []string {
	switch os.ID {
	case "debian":
		major, rest, _ := strings.Cut(os.Version, ".")
		switch {
		case !isDigits(major):
			return nil // testing and unstable carry no number
		case len(major) == 1 && major < "7":
			// Until 6.0 a release had two numbers, as in 3.1.
			minor, _, _ := strings.Cut(rest, ".")
			if minor == "" {
				minor = "0"
			}
			return []string{"Debian:" + major + "." + minor}
		}
		return []string{"Debian:" + major}
	case "ubuntu":
		if os.Version == "" {
			return nil
		}
		return []string{"Ubuntu:" + os.Version, "Ubuntu:" + os.Version + ":LTS"}
	}
	return nil
}

// apkEcosystems: all of these publish by origin (source) package.
func apkEcosystems(os model.OS) []string {
	switch os.ID {
	case "alpine":
		if os.Version == "" || strings.ContainsAny(os.Version, "_") {
			return []string{"Alpine:edge"} // 3.24.0_alpha20260127
		}
		major, rest, ok := strings.Cut(os.Version, ".")
		minor, _, _ := strings.Cut(rest, ".")
		if !ok || !isDigits(major) || !isDigits(minor) {
			return nil
		}
		return []string{"Alpine:v" + major + "." + minor}
	case "alpaquita":
		if os.Version == "" {
			return []string{"Alpaquita:stream"}
		}
		return []string{"Alpaquita:" + os.Version}
	case "wolfi":
		return []string{"Wolfi"}
	case "chainguard":
		return []string{"Chainguard"}
	}
	return nil
}

// rpmEcosystems: all of these publish by binary package.
func rpmEcosystems(os model.OS) []string {
	major, _, _ := strings.Cut(os.Version, ".")
	if !isDigits(major) {
		return nil
	}
	switch os.ID {
	case "almalinux":
		return []string{"AlmaLinux:" + major}
	case "rocky":
		return []string{"Rocky Linux:" + major}
	case "azurelinux":
		return []string{"Azure Linux:" + major}
	case "mageia":
		return []string{"Mageia:" + major}
	}
	return nil
}

// sourceOf returns the source package and its version, by which p's advisories are published.
func sourceOf(p model.Package) (name, version string) {
	name, version = p.Source, p.SourceVersion
	if name == "" {
		name = p.Name
	}
	if version == "" {
		version = p.Version
	}
	// Debian's kernel images are built from a package that only carries the signatures and has another
	// version; advisories name the source it signs, whose version the image has.
	if strings.HasPrefix(name, "linux-signed-") {
		return "linux", p.Version
	}
	return name, version
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
