package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
)

// Engine is one of the parties of the comparison, loaded with the same fleet as the others.
type Engine interface {
	Name() string
	// Session returns what one client has of the engine: a connection, or the store itself.
	Session(ctx context.Context) (Session, error)
	// Writer returns what one writer has of the engine.
	Writer(ctx context.Context) (Writer, error)
}

// Session asks questions, one at a time.
type Session interface {
	// Query returns when the whole answer is at the client: every value of it was read.
	Query(ctx context.Context, q fleet.Query) (Answer, error)
	Close()
}

// Writer makes batches durable, one at a time; the sites of two writers are never the same.
type Writer interface {
	// Prepare turns a batch into what is sent, and returns what sends it; it is called when no clock runs. The
	// func returns when the batch is durable and is seen by those who ask.
	Prepare(d delivery) (func(context.Context) error, error)
	Close()
}

// delivery is a batch in the life of its site (model.Epoch) that it belongs to: the numbers of batches begin
// anew with each stream.
type delivery struct {
	fleet.Batch
	epoch uint64
}

// Answer is what came back, in the form of the engine. Lines reads it; it is called when no clock runs, and before
// the session is asked again.
type Answer struct {
	// Lines returns the answer in a form that is the same for all engines: a line for each row, count or
	// sum, in order.
	Lines func() ([]string, error)
	Total int // hosts that match a page's question, where the engine counts them
	Bytes int // that went over the network, where it is ours
}

// digest is the sum by which answers are compared.
func (a Answer) digest() (uint64, error) {
	lines, err := a.Lines()
	if err != nil {
		return 0, err
	}
	h := fnv.New64a()
	for _, l := range lines {
		h.Write([]byte(l))
		h.Write([]byte{'\n'})
	}
	return h.Sum64(), nil
}

// rowLine is the line of a host on a page: enough of it that a stale row does not pass for a fresh one.
func rowLine(id model.HostID, name string, status model.HostStatus, seen int64, critical, high, tagN int) string {
	return fmt.Sprintf("%s %s %s %d %d/%d %d", id, name, status, seen, critical, high, tagN)
}

func countLine(n int) string { return fmt.Sprintf("count %d", n) }

// facetTop is how many values of each facet are asked for.
const facetTop = 10

// The facets, in the order of lines.
var facetNames = []string{"status", "os", "site", "region", "tag", "severity"}

// facet is one facet of an answer.
type facet struct {
	distinct, none int
	values         []facetValue // by falling n, then by value
}

type facetValue struct {
	value string
	n     int
}

// facetLines puts the values of each facet in order. Where the list was cut among values of the same number,
// which of them stand in it is chance, so they stand without their names.
func facetLines(total int, facets map[string]facet) []string {
	out := []string{countLine(total)}
	for _, name := range facetNames {
		f := facets[name]
		out = append(out, fmt.Sprintf("%s distinct %d none %d", name, f.distinct, f.none))
		slices.SortFunc(f.values, func(a, b facetValue) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.value, b.value)) })
		for _, v := range f.values {
			if f.distinct > len(f.values) && v.n == f.values[len(f.values)-1].n {
				v.value = "one of several"
			}
			out = append(out, fmt.Sprintf("%s %s %d", name, v.value, v.n))
		}
	}
	return out
}

// siteSums is one row of a roll-up.
type siteSums struct {
	site                                 model.SiteID
	hosts, up, late, down, unknown       int64
	critical, high, reboot, updates      int64
	compliance /* tenths */, complianceN int64
}

func (s siteSums) line() string {
	avg := 0.0
	if s.complianceN > 0 {
		avg = float64(s.compliance) / 10 / float64(s.complianceN)
	}
	return fmt.Sprintf("%s %d %d/%d/%d/%d cve %d/%d reboot %d updates %d compliance %.4f",
		s.site, s.hosts, s.up, s.late, s.down, s.unknown, s.critical, s.high, s.reboot, s.updates, avg)
}

// rollupAnswer is a roll-up by the id of the site.
func rollupAnswer(sums []siteSums) Answer {
	return Answer{Lines: func() ([]string, error) {
		slices.SortFunc(sums, func(a, b siteSums) int { return bytes.Compare(a.site[:], b.site[:]) })
		var lines []string
		for _, s := range sums {
			if s.hosts > 0 { // a site whose last host is gone has a row of zeros with one engine and none with another
				lines = append(lines, s.line())
			}
		}
		return lines, nil
	}}
}
