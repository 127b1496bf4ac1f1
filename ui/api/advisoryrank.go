package api

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// rank is the place of a canonical among those that a search finds. What a word names outright comes first, then what is known to be
// exploited, then by severity, EPSS score and id.
type rank struct {
	named, known bool
	severity     model.Severity
	probability  float64
	fold         string
}

func (w *wanted) rank(x *catalogued) rank {
	return rank{
		named: slices.Contains(w.exact, x.fold), known: !x.head.Known.IsZero(),
		severity: x.head.Severity, probability: x.head.Probability, fold: x.fold,
	}
}

// compare is negative where r comes before o.
func (r rank) compare(o rank) int {
	return cmp.Or(yes(o.named)-yes(r.named), yes(o.known)-yes(r.known), cmp.Compare(o.severity, r.severity),
		cmp.Compare(o.probability, r.probability), strings.Compare(r.fold, o.fold))
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}

// cursor is what the next page is asked for with. It holds the place and not a number, so that what comes and goes between two pages
// moves nobody.
func (r rank) cursor() string {
	text := strings.Join([]string{
		strconv.Itoa(yes(r.named)), strconv.Itoa(yes(r.known)), strconv.Itoa(int(r.severity)), strconv.FormatFloat(r.probability, 'g', -1, 64), r.fold,
	}, "|")
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// readRank reads what cursor wrote.
func readRank(text string) (rank, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.SplitN(string(raw), "|", 5)
	if err != nil || len(parts) < 5 {
		return rank{}, false
	}
	severity, err := strconv.ParseUint(parts[2], 10, 8)
	if err != nil {
		return rank{}, false
	}
	probability, err := strconv.ParseFloat(parts[3], 64)
	if err != nil {
		return rank{}, false
	}
	return rank{named: parts[0] == "1", known: parts[1] == "1", severity: model.Severity(severity), probability: probability, fold: parts[4]}, true
}

// foremost keeps the first n of many by their rank. What it holds is at most twice that.
type foremost struct {
	n    int
	all  []ranked
	full bool // the first n of all are those of what came so far, or of what came before others did
}

type ranked struct {
	rank
	x *catalogued
}

func (f *foremost) add(r rank, x *catalogued) {
	if f.full && r.compare(f.all[f.n-1].rank) > 0 {
		return
	}
	if f.all = append(f.all, ranked{r, x}); len(f.all) >= 2*f.n {
		f.sort()
		f.full = true
	}
}

// sort returns those that are kept, the first one first.
func (f *foremost) sort() []ranked {
	slices.SortFunc(f.all, func(a, b ranked) int { return a.compare(b.rank) })
	f.all = f.all[:min(f.n, len(f.all))]
	return f.all
}
