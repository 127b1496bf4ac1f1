package canonical

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const (
	opEPSS      = "read exploit prediction scores"
	maxEPSSLine = 4096 // bytes
	maxEPSSBad  = 1000 // lines that are named; more are only counted
	maxEPSSRows = 1_000_000
)

// epss keeps the scores of a day as records; EachEPSS hands them over one by one.
func (d *Decoded) epss(source, name string, raw []byte) error {
	bad, err := EachEPSS(source, name, raw, d.add)
	d.Bad = append(d.Bad, bad...)
	return err
}

// EachEPSS reads the exploit prediction scores of one day, as first.org/epss publishes them: a comment with the date of the
// scores, the line cve,epss,percentile, and a line for each CVE. It calls fn with one record of facts for each, EPSS-CVE-…,
// in the order of the file; scores have six significant digits at most. Lines that cannot be read are named and left out. It
// stops at the first error of fn and returns it; its own are of the head of the file. An empty source is guessed as by Decode.
func EachEPSS(source, name string, raw []byte, fn func(model.Advisory) error) (bad []BadRecord, err error) {
	source = sourceOf(source, name, KindEPSS)
	var scored model.Time
	headed, dropped, rows := false, 0, 0
	for n := 1; len(raw) > 0; n++ {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		raw = rest
		line = bytes.TrimRight(line, "\r")
		switch {
		case len(line) == 0:
			continue
		case len(line) > maxEPSSLine:
			return bad, fault.New(fault.TooLarge, opEPSS, "line %d has more than %d bytes", n, maxEPSSLine)
		case line[0] == '#' && !headed:
			for pair := range strings.SplitSeq(string(line[1:]), ",") {
				if k, v, _ := strings.Cut(pair, ":"); strings.TrimSpace(k) == "score_date" {
					// 2024-01-01T00:00:00+0000 is how the file writes it.
					if scored, err = when(strings.TrimSuffix(strings.TrimSpace(v), "+0000")); err != nil {
						return bad, fault.New(fault.Invalid, opEPSS, "score_date: %w", err)
					}
				}
			}
			continue
		case !headed:
			if string(line) != "cve,epss,percentile" {
				return bad, fault.New(fault.Invalid, opEPSS, "line %d is %s; want cve,epss,percentile", n, quote(string(line)))
			}
			if scored.IsZero() {
				return bad, fault.New(fault.Invalid, opEPSS, "nothing says of which day the scores are: want a comment with score_date before line %d", n)
			}
			headed = true
			continue
		}
		if rows++; rows > maxEPSSRows {
			return bad, fault.New(fault.TooLarge, opEPSS, "it has more than %d lines", maxEPSSRows)
		}
		a, err := scoreOf(source, string(line), scored)
		if err != nil {
			if dropped++; dropped <= maxEPSSBad {
				bad = append(bad, BadRecord{Name: fmt.Sprintf("%s line %d", name, n), Reason: err.Error()})
			}
			continue
		}
		if err := fn(a); err != nil {
			return bad, err
		}
	}
	if !headed {
		return bad, fault.New(fault.Invalid, opEPSS, "it ends before the line cve,epss,percentile")
	}
	if dropped > maxEPSSBad {
		bad = append(bad, BadRecord{Name: name, Reason: fmt.Sprintf("%d more lines could not be read", dropped-maxEPSSBad)})
	}
	return bad, nil
}

func scoreOf(source, line string, at model.Time) (a model.Advisory, err error) {
	name, rest, _ := strings.Cut(line, ",")
	score, percentile, ok := strings.Cut(rest, ",")
	if !ok {
		return a, fmt.Errorf("%s does not have three values", quote(line))
	}
	id, err := cve(name)
	if err != nil {
		return a, err
	}
	x := model.Exploit{ScoredAt: at}
	if x.Probability, err = share(score); err != nil {
		return a, fmt.Errorf("%s: %w", id, err)
	}
	if x.Percentile, err = share(percentile); err != nil {
		return a, fmt.Errorf("%s: %w", id, err)
	}
	return model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: source, ID: "EPSS-" + id}, Upstream: []string{id}, Modified: at, Exploit: &x}, nil
}

// share reads a number from 0 to 1 with six significant digits.
func share(s string) (float64, error) {
	if len(s) > 32 {
		return 0, fmt.Errorf("%s is no number from 0 to 1", quote(s))
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("%s is no number from 0 to 1", quote(s))
	}
	if f, err = strconv.ParseFloat(strconv.FormatFloat(f, 'g', 6, 64), 64); err != nil {
		return 0, err
	}
	return math.Abs(f), nil // no negative zero
}
