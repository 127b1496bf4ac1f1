package canonical

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// TypeWord is the Score.Type of a severity that a source gives as a word outside the severity
// member: in database_specific, or in front of an erratum's title.
const TypeWord = "Word"

// The members of an OSV record that are facts. Everything else is skipped while reading.
type (
	record struct {
		ID        string           `json:"id"`
		Modified  string           `json:"modified"`
		Published string           `json:"published"`
		Withdrawn string           `json:"withdrawn"`
		Aliases   []string         `json:"aliases"`
		Upstream  []string         `json:"upstream"`
		Related   []string         `json:"related"`
		Summary   string           `json:"summary"`
		Severity  listOf[score]    `json:"severity"`
		Affected  listOf[affected] `json:"affected"`
		More      freeForm         `json:"database_specific"`
	}
	score struct {
		Type  string `json:"type"`
		Score string `json:"score"`
	}
	affected struct {
		Package   pkg                  `json:"package"`
		Ranges    listOf[versionRange] `json:"ranges"`
		Versions  []string             `json:"versions"`
		Severity  listOf[score]        `json:"severity"`
		Database  freeForm             `json:"database_specific"`
		Ecosystem freeForm             `json:"ecosystem_specific"`
	}
	pkg struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	}
	versionRange struct {
		Type   string  `json:"type"`
		Events []event `json:"events"`
	}
	event struct {
		Introduced   string `json:"introduced"`
		Fixed        string `json:"fixed"`
		LastAffected string `json:"last_affected"`
		Limit        string `json:"limit"`
	}
)

// DecodeOSV reads one OSV record of source and reduces it to its facts. GIT ranges are dropped: no
// package manager reports commits. An affected package that is left without ranges and versions
// stays: the source does say that it is concerned. An affected entry without a package is dropped.
//
// The error is one line that says what is wrong with the record; its kind is TooLarge for a
// bound, Invalid for everything else. DecodeOSV never panics and keeps nothing of raw.
func DecodeOSV(source string, raw []byte) (model.Advisory, error) {
	if err := CheckSource(source); err != nil {
		return model.Advisory{}, fault.Wrap(opRead, err)
	}
	if len(raw) > MaxRaw {
		return model.Advisory{}, fault.New(fault.TooLarge, opRead, "it has %d bytes; the bound is %d", len(raw), MaxRaw)
	}
	if err := scanTo(raw, opRead, maxValues); err != nil {
		return model.Advisory{}, err
	}
	var r record
	if err := decodeAs(opRead, raw, &r); err != nil {
		return model.Advisory{}, err
	}
	a, err := r.advisory(source)
	if err != nil {
		return model.Advisory{}, err
	}
	return a, nil
}

// scanTo bounds the depth and the number of values of raw in one pass, before any of it is decoded. It
// need not be right about malformed JSON, only never lower than what the decoder will see.
func scanTo(raw []byte, op string, most int) error {
	depth, values, text := 0, 0, false
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if text {
			switch c {
			case '\\':
				i++
			case '"':
				text = false
			}
			continue
		}
		switch c {
		case '"':
			text = true
		case '{', '[':
			depth++
			values++
			if depth > maxDepth {
				return fault.New(fault.TooLarge, op, "values are nested more than %d deep at byte %d", maxDepth, i)
			}
		case '}', ']':
			depth--
		case ',':
			values++
		}
	}
	if values > most {
		return fault.New(fault.TooLarge, op, "it has more than %d values", most)
	}
	return nil
}

// reason turns a JSON error into a short line without the names of Go types.
func reason(err error) string {
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) {
		at := ""
		if syn.JSONPointer != "" {
			at = " in " + oneLine(string(syn.JSONPointer), 80)
		}
		return fmt.Sprintf("not valid JSON at byte %d%s: %s", syn.ByteOffset, at, oneLine(strings.TrimPrefix(syn.Err.Error(), "jsontext: "), 120))
	}
	var sem *json.SemanticError
	if errors.As(err, &sem) {
		where := string(sem.JSONPointer)
		if where == "" {
			return "it is not a JSON object"
		}
		kind := map[jsontext.Kind]string{'n': "null", 't': "true", 'f': "false", '"': "a text", '0': "a number", '{': "an object", '[': "a list"}[sem.JSONKind]
		return fmt.Sprintf("%s must not be %s", oneLine(where, 80), cmp.Or(kind, "that"))
	}
	return oneLine(err.Error(), 160)
}

func (r *record) advisory(source string) (a model.Advisory, err error) {
	if r.ID == "" {
		return a, fault.New(fault.Invalid, opRead, "it has no id, so it is no OSV record")
	}
	if err := checkID(r.ID); err != nil {
		return a, fault.Wrap(opRead, err)
	}
	if r.Modified == "" {
		return a, fault.New(fault.Invalid, opRead, "%s has no modified time, so it is no OSV record", r.ID)
	}
	a.AdvisoryKey = model.AdvisoryKey{Source: source, ID: r.ID}
	for _, t := range []struct {
		name, text string
		to         *model.Time
	}{{"modified", r.Modified, &a.Modified}, {"published", r.Published, &a.Published}, {"withdrawn", r.Withdrawn, &a.Withdrawn}} {
		if *t.to, err = when(t.text); err != nil {
			return a, fault.New(fault.Invalid, opRead, "%s: %s: %w", r.ID, t.name, err)
		}
	}
	if r.Withdrawn != "" && a.Withdrawn == 0 {
		// The record is withdrawn, only the time of it means nothing; losing that would bring it back.
		a.Withdrawn = max(a.Modified, 1)
	}
	if a.Aliases, err = identifiers("aliases", r.Aliases); err != nil {
		return a, err
	}
	if a.Upstream, err = identifiers("upstream", r.Upstream); err != nil {
		return a, err
	}
	if a.Related, err = identifiers("related", r.Related); err != nil {
		return a, err
	}
	a.Summary = oneLine(r.Summary, maxSummary)
	if a.Severity, err = scores(r.Severity, r.More.severity, erratumWord(r.ID, a.Summary)); err != nil {
		return a, err
	}
	if a.Affected, err = r.affected(); err != nil {
		return a, err
	}
	cwes := r.More.cwes
	for i := range r.Affected {
		cwes = append(cwes, r.Affected[i].Database.cwes...)
	}
	a.CWEs = weaknesses(cwes...)
	a.Exploit = r.More.exploit()
	a.Statements = r.More.statements(cmp.Or(a.Published, a.Modified), a.Affected)
	if streams := modules(a.Summary); streams != nil {
		for i := range a.Affected {
			if ofModule(&a.Affected[i]) {
				a.Affected[i].Modules = streams
			}
		}
	}
	return a, nil
}

// checkID says whether id can be that of a record: 1 to 128 characters of printable ASCII.
func checkID(id string) error {
	switch {
	case id == "":
		return fault.New(fault.Invalid, "", "it has no id")
	case len(id) > maxID:
		return fault.New(fault.TooLarge, "", "the id %s is longer than %d bytes", quote(id), maxID)
	case strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }):
		return fault.New(fault.Invalid, "", "the id %s has characters outside printable ASCII", quote(id))
	}
	return nil
}

func (r *record) affected() ([]model.Affected, error) {
	if len(r.Affected) > maxAffected {
		return nil, fault.New(fault.TooLarge, opRead, "%s names more than %d affected packages", r.ID, maxAffected)
	}
	var out []model.Affected
	rangeN, eventN, versionN := 0, 0, 0
	for i := range r.Affected {
		in := &r.Affected[i]
		if in.Package.Ecosystem == "" && in.Package.Name == "" {
			continue // the source names a repository only
		}
		if in.Package.Ecosystem == "" || in.Package.Name == "" {
			return nil, fault.New(fault.Invalid, opRead, "%s: affected package %d has no ecosystem or no name", r.ID, i)
		}
		to := model.Affected{Ecosystem: in.Package.Ecosystem}
		to.Name = model.PackageName(to.Ecosystem, in.Package.Name)
		for _, s := range []string{to.Ecosystem, to.Name} {
			if len(s) > maxName {
				return nil, fault.New(fault.TooLarge, opRead, "%s: the name %s is longer than %d bytes", r.ID, quote(s), maxName)
			}
		}
		var err error
		if to.Severity, err = scores(in.Severity, in.Database.severity, in.Ecosystem.severity); err != nil {
			return nil, err
		}
		versionN += len(in.Versions)
		for _, v := range in.Versions {
			if v == "" || len(v) > maxName {
				return nil, fault.New(fault.Invalid, opRead, "%s: a version of %s is empty or longer than %d bytes", r.ID, quote(to.Name), maxName)
			}
		}
		to.Versions = slices.Clip(in.Versions)
		if len(to.Versions) == 0 {
			to.Versions = nil
		}
		for j := range in.Ranges {
			rg := &in.Ranges[j]
			if rg.Type == "GIT" {
				continue
			}
			rangeN++
			eventN += len(rg.Events)
			converted, err := convert(rg)
			if err != nil {
				return nil, fault.New(fault.Invalid, opRead, "%s: %s, range %d: %w", r.ID, quote(to.Name), j, err)
			}
			to.Ranges = append(to.Ranges, converted)
		}
		out = append(out, to)
	}
	if rangeN > maxRanges || eventN > maxEvents || versionN > maxVersions {
		return nil, fault.New(fault.TooLarge, opRead, "%s has %d ranges with %d events and %d versions; the bounds are %d, %d and %d",
			r.ID, rangeN, eventN, versionN, maxRanges, maxEvents, maxVersions)
	}
	return out, nil
}

func convert(in *versionRange) (model.Range, error) {
	out := model.Range{Type: in.Type}
	if in.Type != "ECOSYSTEM" && in.Type != "SEMVER" {
		return out, fmt.Errorf("the type %s is none of ECOSYSTEM, SEMVER, GIT", quote(in.Type))
	}
	starts := false
	for i, e := range in.Events {
		n := 0
		for _, v := range []string{e.Introduced, e.Fixed, e.LastAffected, e.Limit} {
			if v != "" {
				n++
			}
			if len(v) > maxName {
				return out, fmt.Errorf("event %d has a version longer than %d bytes", i, maxName)
			}
		}
		if n != 1 {
			return out, fmt.Errorf("event %d has %d of introduced, fixed, last_affected, limit; want exactly one", i, n)
		}
		starts = starts || e.Introduced != ""
		out.Events = append(out.Events, model.Event(e))
	}
	if !starts {
		return out, errors.New("no event says where it was introduced")
	}
	return out, nil
}

// identifiers returns ids without blanks and repeats, sorted.
func identifiers(what string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > maxIdentifiers {
		return nil, fault.New(fault.TooLarge, opRead, "%s has more than %d entries", what, maxIdentifiers)
	}
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		id = strings.TrimSpace(id)
		if len(id) > maxID {
			return nil, fault.New(fault.TooLarge, opRead, "%s: %s is longer than %d bytes", what, quote(id), maxID)
		}
		if id != "" {
			out = append(out, id)
		}
	}
	return sortedOnce(out), nil
}

// sortedOnce sorts list, each text once.
func sortedOnce(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// scores returns the severity statements, and the first of words that says something where there
// are none.
func scores(in []score, words ...string) ([]model.Score, error) {
	if len(in) > maxScores {
		return nil, fault.New(fault.TooLarge, opRead, "severity has more than %d entries", maxScores)
	}
	var out []model.Score
	for _, s := range in {
		if len(s.Type) > maxID || len(s.Score) > maxScore {
			return nil, fault.New(fault.TooLarge, opRead, "a severity is longer than %d bytes", maxScore)
		}
		if s.Type != "" && s.Score != "" {
			out = append(out, model.Score(s))
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, w := range words {
		// "none" here is how a missing value is often printed, not somebody's judgement.
		if s := model.SeverityNamed(strings.ToLower(w)); s != model.SeverityUnknown && s != model.SeverityNone {
			return []model.Score{{Type: TypeWord, Score: s.String()}}, nil
		}
	}
	return nil, nil
}

// erratumWord returns the rating that Red Hat and the distributions built from its sources put in
// front of a security erratum's title, as in "Moderate: expat security update".
func erratumWord(id, summary string) string {
	for _, prefix := range []string{"RHSA-", "ALSA-", "RLSA-", "ELSA-"} {
		if strings.HasPrefix(id, prefix) {
			word, _, found := strings.Cut(summary, ":")
			if found && len(word) < 16 {
				return word
			}
		}
	}
	return ""
}

// when reads a time of an OSV record. The schema wants RFC 3339 in UTC; some sources leave the zone
// out, or write a date. Times before 1970 (0001-01-01 is how one source says "unknown") are unknown.
func when(s string) (model.Time, error) {
	if s == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return model.TimeOf(t), nil
		}
	}
	return 0, fmt.Errorf("%s is not an RFC 3339 time", quote(s))
}

// quote makes foreign text safe and short enough for one line.
func quote(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return strconv.Quote(s)
}
