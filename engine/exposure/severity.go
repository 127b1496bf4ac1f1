package exposure

import (
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/cvss"
	"github.com/skerryhq/skerry/engine/model"
)

// Identifiers returns the vulnerabilities that a is about, sorted: the CVEs among its id, aliases and
// upstream ids; if there is none, those among its related ids (errata of several fixes name theirs
// there); if there is none either, its own id.
func Identifiers(a model.Advisory) []string {
	id, _, _ := strings.Cut(a.ID, "~") // the suffix of a second record of one ID
	out := appendCVEs(nil, id)
	out = appendCVEs(out, a.Aliases...)
	out = appendCVEs(out, a.Upstream...)
	if len(out) == 0 {
		out = appendCVEs(out, a.Related...)
	}
	if len(out) == 0 {
		return []string{id}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func appendCVEs(to []string, ids ...string) []string {
	for _, id := range ids {
		if model.IsCVE(id) {
			to = append(to, strings.ToUpper(id))
		}
	}
	return to
}

// SeverityOf rates by the newest CVSS version among scores (4, then 3, then 2), its base metrics; by a
// source's own word where there is no valid vector. The highest counts where several are equal in that.
func SeverityOf(scores []model.Score) model.Severity {
	best, bestRank := model.SeverityUnknown, 0
	for _, s := range scores {
		severity, rank := model.SeverityUnknown, 0
		switch s.Type {
		case "CVSS_V4":
			severity, rank = vectorSeverity(s.Score), 4
		case "CVSS_V3":
			severity, rank = vectorSeverity(s.Score), 3
		case "CVSS_V2":
			severity, rank = vectorSeverity(s.Score), 2
		default:
			severity, rank = model.SeverityNamed(strings.ToLower(s.Score)), 1
		}
		if severity == model.SeverityUnknown {
			continue
		}
		if rank > bestRank || rank == bestRank && severity > best {
			best, bestRank = severity, rank
		}
	}
	return best
}

// vectorSeverity rates one CVSS vector; what is not a vector is unknown.
func vectorSeverity(vector string) model.Severity { return model.SeverityNamed(cvss.Rating(vector)) }
