package main

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// ecosystem is whose facts the changelogs give.
const ecosystem = "Debian:12"

// changelog is debian/changelog of one source package, as its newest build has it, and below that as the
// installed one has it: builds may leave out entries of some years ago.
type changelog struct {
	source string
	texts  []string
}

// entries returns every version once, newest first, in the order of the first text. A version that only a
// later text names is put right above the one that it stands above there.
func (l changelog) entries() []entry {
	var out []entry
	for _, text := range l.texts {
		at := len(out)
		for _, e := range slices.Backward(parse(text)) {
			i := slices.IndexFunc(out, func(o entry) bool { return o.source == e.source && o.version == e.version })
			if i < 0 {
				out = slices.Insert(out, at, e)
				i = at
			}
			at = i
		}
	}
	return out
}

// bookworm is the day when Debian 12 was released.
var bookworm = model.TimeOf(time.Date(2023, time.June, 10, 0, 0, 0, 0, time.UTC))

// rebuilt returns the version that a rebuild of an upload for Debian 12 has, where this source package
// comes to Debian 12 that way. Its changelog does not keep the entries of past rebuilds.
func rebuilt(newest string, e entry) string {
	if strings.Contains(newest, "~deb12u") && !strings.Contains(e.version, "deb12u") && e.date > bookworm {
		return e.version + "~deb12u1"
	}
	return e.version
}

// entry is one version in a changelog.
type entry struct {
	source, version string
	date            model.Time
	mentions        map[string]bool // CVE -> some item of it plainly says that it is fixed
}

var (
	header  = regexp.MustCompile(`^([a-z0-9][a-z0-9.+-]*) \(([^()\s]+)\) `)
	trailer = regexp.MustCompile(`^ -- .*>\s+(\S.*\d{4})\s*$`)
	bullet  = regexp.MustCompile(`^(\s*)[*+-] `)
	cve     = regexp.MustCompile(`CVE-[0-9]{4}-[0-9]{4,}`)

	// leaves is an item about something that goes, mostly a patch that a new version made needless; or one
	// that only tells of another version. What is listed under it is no fix either.
	leaves = regexp.MustCompile(`(?i)^(?:[*+-] )?(?:\S+:\s+)?(?:drop|remov|delet|disabl|revert|mention)\w*\b`)

	// doubt are words of an item that names a CVE for another reason than fixing it here: a fix of the fix,
	// a note, a fix that is taken back.
	doubt = regexp.MustCompile(`(?i)\b(revert\w*|regress\w*|mention\w*|follow-?(ing-)?ups?|amend\w*|incomplete|already (fixed|applied|included|in)|` +
		`reopen\w*|fix\w* (the )?backport\w*|not (affected|vulnerable|applicable|needed|fixed)|unaffected|unfixed|does( not|n't) affect|false positive)\b`)
)

// parse reads the entries of a changelog, newest first, as deb-changelog(5) lays them out.
func parse(text string) []entry {
	var out []entry
	var body []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if m := header.FindStringSubmatch(line); m != nil {
			out = append(out, entry{source: m[1], version: m[2]})
			body = nil
			continue
		}
		if len(out) == 0 {
			continue
		}
		if m := trailer.FindStringSubmatch(line); m != nil {
			e := &out[len(out)-1]
			if t, err := time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", m[1]); err == nil {
				e.date = model.TimeOf(t)
			}
			e.mentions = mentions(body)
			body = nil
			continue
		}
		body = append(body, strings.ReplaceAll(line, "\t", "        "))
	}
	return out
}

// mentions reads the items of one entry. An item is a bullet with the lines that follow it; one under
// another is gone with that: "Dropped patches:" speaks for the list below it.
func mentions(body []string) map[string]bool {
	type item struct {
		indent int
		text   string
		gone   bool // it, or one it stands under, is about something that leaves
	}
	var open []item // the current item and the ones it stands under
	found := map[string]bool{}
	judge := func() {
		if len(open) == 0 {
			return
		}
		last := &open[len(open)-1]
		last.gone = last.gone || leaves.MatchString(last.text)
		plain := !last.gone && !doubt.MatchString(last.text)
		for _, id := range cve.FindAllString(last.text, -1) {
			found[id] = found[id] || plain
		}
	}
	for _, line := range body {
		text := strings.TrimSpace(line)
		m := bullet.FindStringSubmatch(line)
		switch {
		case m == nil && text != "" && !strings.HasPrefix(text, "[") && len(open) > 0:
			open[len(open)-1].text += " " + text
		case m == nil:
			judge()
			open = nil
			if text != "" {
				open = []item{{indent: len(line), text: text}}
			}
		default:
			judge()
			for len(open) > 0 && open[len(open)-1].indent >= len(m[1]) {
				open = open[:len(open)-1]
			}
			under := len(open) > 0 && open[len(open)-1].gone
			open = append(open, item{indent: len(m[1]), text: text, gone: under})
		}
	}
	judge()
	return found
}

// facts returns one record for each CVE that the changelog plainly says is fixed: fixed in the lowest
// version among the entry that first says so and all newer ones, because a rebuild for the stable
// release (1.2-3~deb12u1) sorts below the upload that it carries.
func facts(l changelog) []model.Advisory {
	var out []model.Advisory
	done := map[string]bool{}
	entries := l.entries()
	lowest := make([]string, len(entries)) // of this entry and the newer ones
	for i, e := range entries {
		if i > 0 {
			lowest[i] = lowest[i-1]
		}
		v := rebuilt(entries[0].version, e)
		if lowest[i] == "" {
			lowest[i] = v
		}
		if c, ok := exposure.Compare(ecosystem, v, lowest[i]); !ok && lowest[i] == v {
			lowest[i] = "" // not a version
		} else if ok && c < 0 {
			lowest[i] = v
		}
	}
	for i, e := range slices.Backward(entries) {
		ids := make([]string, 0, len(e.mentions))
		for id, plain := range e.mentions {
			if plain && !done[id] {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		for _, id := range ids {
			done[id] = true
			// An entry of a predecessor with another name has versions of another order, and its fixes are
			// in every version of this one.
			if e.source != l.source || lowest[i] == "" || e.date == 0 {
				continue
			}
			out = append(out, model.Advisory{
				AdvisoryKey: model.AdvisoryKey{Source: "debian-changelog", ID: "DEBCL-" + l.source + "-" + id},
				Upstream:    []string{id},
				Published:   e.date,
				Modified:    e.date,
				Affected: []model.Affected{{Ecosystem: ecosystem, Name: l.source, Ranges: []model.Range{{
					Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: lowest[i]}},
				}}}},
			})
		}
	}
	return out
}
