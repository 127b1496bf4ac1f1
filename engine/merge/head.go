package merge

import (
	"strings"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/model"
)

// maxHeadSummary bounds CanonicalHead.Summary, in bytes.
const maxHeadSummary = 160

// Head returns what stands in the row of the canonical with that id, whose records are members, in whatever order. It is
// Resolve's answer, made small.
func Head(id string, members []model.Advisory) model.CanonicalHead {
	v := look(id, members)
	h := model.CanonicalHead{Severity: model.SeverityUnknown, Withdrawn: v.withdrawn()}
	for i := range fields {
		f := &fields[i]
		won, differs := v.decide(f)
		if differs && !f.prose {
			h.Differing++
		}
		if won == nil {
			continue
		}
		switch f.name {
		case "summary":
			h.Summary = clip(won.Summary, maxHeadSummary)
		case "severity":
			h.Severity = won.rating
		case "published":
			h.Published = won.Published
		case "known_exploited":
			h.Known = won.Exploit.Known
		case "probability":
			h.Probability = won.Exploit.Probability
		}
	}
	return h
}

// clip cuts s to n bytes at most, at the end of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimRight(s[:n], " ")
}
