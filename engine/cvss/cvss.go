// Package cvss rates what sources say about severity: CVSS vectors of versions 2, 3.0, 3.1 and 4.0, by their base metrics.
//
// It owns the reading of vectors and the rating scales, and nothing else: which of several statements counts is decided by
// who asks. It never fails: what is not a vector has no rating.
package cvss

import (
	"strings"

	cvss2 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss4 "github.com/pandatix/go-cvss/40"
)

// maxVector bounds a vector; no valid one comes near it.
const maxVector = 512

// Score returns the score of a vector, 0 to 10, and the version of CVSS that it is written in: 2, 3 or 4. Zero as the version
// says that it is no vector.
func Score(vector string) (score float64, version int) {
	// The library indexes tables with what it parsed and panics where an entry is missing. Vectors come
	// from outside: a bad one must cost its rating, never the process.
	defer func() {
		if recover() != nil {
			score, version = 0, 0
		}
	}()
	vector = strings.TrimSuffix(strings.TrimPrefix(vector, "("), ")")
	if len(vector) > maxVector {
		return 0, 0
	}
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		if v, err := cvss4.ParseVector(vector); err == nil {
			return v.Score(), 4
		}
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		if v, err := cvss31.ParseVector(vector); err == nil {
			return v.BaseScore(), 3
		}
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		if v, err := cvss30.ParseVector(vector); err == nil {
			return v.BaseScore(), 3
		}
	case strings.HasPrefix(vector, "AV:") && strings.Count(vector, "/") < 14: // it has room for 14 metrics
		if v, err := cvss2.ParseVector(vector); err == nil {
			return v.BaseScore(), 2
		}
	}
	return 0, 0
}

// Rating returns the rating of a vector in lower case: none, low, medium, high or critical; empty for what is no vector. The
// scale is that of CVSS 3.1 section 5, and for CVSS 2, which has none of its own, the one that the NVD uses for it.
func Rating(vector string) string {
	score, version := Score(vector)
	switch {
	case version == 0:
		return ""
	case version == 2 && score >= 7, version > 2 && score >= 7 && score < 9:
		return "high"
	case score >= 9:
		return "critical"
	case score >= 4:
		return "medium"
	case score > 0, version == 2:
		return "low"
	}
	return "none"
}
