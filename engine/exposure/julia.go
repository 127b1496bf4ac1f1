package exposure

import (
	"cmp"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

// juliaVersion is a version of Julia's packages: a semantic version, except that what is behind the plus counts (docs.julialang.org,
// VersionNumber). Packages of binaries (_jll) are built again, and mended, without another version before it.
type juliaVersion struct {
	semantic.Version
	build []string
}

func parseJulia(v string) semantic.Version {
	out := juliaVersion{Version: semantic.ParseSemverVersion(v)}
	if _, build, ok := strings.Cut(v, "+"); ok {
		out.build = strings.Split(build, ".")
	}
	return out
}

// Compare implements semantic.Version.
func (v juliaVersion) Compare(w semantic.Version) (int, error) {
	o, ok := w.(juliaVersion)
	if !ok {
		return 0, semantic.ErrNotSameEcosystem
	}
	if c, err := v.Version.Compare(o.Version); c != 0 || err != nil {
		return c, err
	}
	for i := range min(len(v.build), len(o.build)) {
		if c := compareIdentifiers(v.build[i], o.build[i]); c != 0 {
			return c, nil
		}
	}
	return cmp.Compare(len(v.build), len(o.build)), nil
}

// CompareStr implements semantic.Version.
func (v juliaVersion) CompareStr(text string) (int, error) { return v.Compare(parseJulia(text)) }

// compareIdentifiers orders numbers by value, and before texts.
func compareIdentifiers(a, b string) int {
	switch numberA, numberB := isDigits(a), isDigits(b); {
	case numberA && numberB:
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	case numberA:
		return -1
	case numberB:
		return 1
	}
	return strings.Compare(a, b)
}
