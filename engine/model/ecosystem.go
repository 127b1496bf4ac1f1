package model

import "strings"

// PackageName returns the form of a package's name that advisories and installed packages are
// compared by, for those ecosystems that take several spellings as one name: PyPI (PEP 503),
// Packagist and NuGet. All other names stay as they are. ecosystem may carry a release.
func PackageName(ecosystem, name string) string {
	base, _, _ := strings.Cut(ecosystem, ":")
	switch base {
	case "Packagist", "NuGet":
		return strings.ToLower(name)
	case "PyPI":
		var b strings.Builder
		run := false
		for _, c := range strings.ToLower(name) {
			if c == '-' || c == '_' || c == '.' {
				run = true
				continue
			}
			if run {
				b.WriteByte('-')
				run = false
			}
			b.WriteRune(c)
		}
		if run {
			b.WriteByte('-')
		}
		return b.String()
	}
	return name
}
