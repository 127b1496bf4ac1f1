package query

import (
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// run returns the end of what may be the name of a field at pos: everything up to a blank, a quote, a
// parenthesis, a comma or a comparison.
func (s *scanner) run() int {
	i := s.pos
	for !s.boundary(i) {
		if strings.IndexByte(`:,|"`, s.text[i]) >= 0 || s.text[i] == '~' {
			break
		}
		if _, n := comparatorAt(s.text[i:]); n > 0 {
			break
		}
		i++
	}
	return i
}

// operator returns the comparison or colon at byte i, and its length; 0 is none.
func (s *scanner) operator(i int) (c comparator, colon bool, n int) {
	if i < len(s.text) && s.text[i] == ':' {
		return c, true, 1
	}
	c, n = comparatorAt(s.text[i:])
	return c, false, n
}

// term reads a field with its values, or a word.
func (p *parser) term() (Expr, *SyntaxError) {
	from := p.pos
	if w := p.chunk(); addressLike(w) {
		return p.words()
	}
	end := p.run()
	next := scanner{p.text, end}
	next.blanks()
	c, colon, n := p.operator(next.pos)
	if n == 0 {
		if next.at("~") && end > from {
			return nil, p.fail(next.pos, next.pos+1, []string{":"}, "regular expressions are not understood; * stands for any text, as in name:*db*")
		}
		return p.words()
	}
	if end == from {
		return nil, p.fail(from, from+n, nil, "a field is missing before %q", p.text[from:from+n])
	}
	name := p.text[from:end]
	p.pos = next.pos + n
	if name == "*" && colon && p.at("*") && p.boundary(p.pos+1) { // Lucene's everything
		p.pos++
		return All{}, nil
	}
	return p.fielded(name, from, end, c, colon)
}

// chunk returns the text from pos to the next blank, parenthesis or comma.
func (s *scanner) chunk() string {
	i := s.pos
	for !s.boundary(i) && s.text[i] != ',' && s.text[i] != '|' {
		i++
	}
	return s.text[s.pos:i]
}

// addressLike reports whether a word with colons is an address and not a field: hexadecimal digits, with two
// colons at least, or with a digit first.
func addressLike(w string) bool {
	colons, group := 0, 0
	for i := 0; i < len(w); i++ {
		switch c := lower(w[i]); {
		case c == ':':
			colons, group = colons+1, 0
		case c == '.' || c == '/' || c == '*' || c == '-':
			group = 0
		case digit(c) || 'a' <= c && c <= 'f':
			if group++; group > 4 {
				return false
			}
		default:
			return false
		}
	}
	return colons >= 2 || colons == 1 && digit(w[0]) && !strings.Contains(w, ".")
}

// addressBegins reports whether a word with colons may be the beginning of an IPv6 address that somebody has:
// their first group has three digits at least.
func addressBegins(w string) bool {
	return addressLike(w) && (strings.IndexByte(w, ':') >= 3 || strings.Contains(w, "::"))
}

// fielded reads what follows a field.
func (p *parser) fielded(name string, from, end int, c comparator, colon bool) (Expr, *SyntaxError) {
	word := strings.ReplaceAll(Fold(name), "-", "_")
	switch word {
	case "is", "has", "no", "missing", "exists", "_exists_":
		if colon {
			return p.asked(word, from)
		}
	}
	h := head{pos: from, end: end}
	f, ok := FieldNamed(word)
	if !ok {
		if first, part, cut := cutPart(word); cut {
			if f, ok = FieldNamed(first); ok && f == FieldCVE {
				if h.part, ok = partNamed(part); !ok {
					return nil, p.fail(end-len(part), end, nearest(part, parts[:]), "vulnerabilities are counted as %s, not as %q", list(parts[:]), part)
				}
			} else {
				ok = false
			}
		}
	}
	if !ok {
		return nil, p.unknown(name, from, end)
	}
	h.info = f.info()
	spaced := p.blanks()
	if p.missing(spaced) {
		return nil, p.valueless(&h)
	}
	if p.at("(") {
		if !colon && (c.op != OpIs || c.not) {
			return nil, p.fail(p.pos, p.pos+1, nil, "values in parentheses follow a colon: %s:(… or …)", h.info.Name)
		}
		open := p.pos
		p.pos++
		x, err := p.or(&h)
		if err != nil {
			return nil, err
		}
		if !p.at(")") {
			return nil, p.fail(open, open+1, nil, "this parenthesis is never closed")
		}
		p.pos++
		return x, nil
	}
	return p.values(&h, from, c, colon)
}

// cutPart takes cve.critical, cve_critical apart.
func cutPart(word string) (first, part string, ok bool) {
	i := strings.IndexAny(word, "._")
	if i < 0 {
		return "", "", false
	}
	return word[:i], word[i+1:], true
}

func partNamed(word string) (string, bool) {
	word = Fold(word)
	if s := model.SeverityNamed(word); s != model.SeverityUnknown {
		return s.String(), true
	}
	return word, slices.Contains(parts[:], word)
}

// missing reports whether no value follows: the text ends, or what comes after blanks is an operator or
// another field.
func (p *parser) missing(spaced bool) bool {
	if p.pos >= len(p.text) || p.at(")") || p.at(",") || p.at("|") || p.at("&&") {
		return true
	}
	if !spaced {
		return false
	}
	if k, _ := p.keyword(); k == kwAnd || k == kwOr {
		return true
	}
	end := p.run()
	if _, ok := FieldNamed(p.text[p.pos:end]); !ok {
		return false
	}
	_, _, n := p.operator(end)
	return n > 0
}

// valueless is the error of a field without a value; where nothing follows, a few values are suggested.
func (p *parser) valueless(h *head) *SyntaxError {
	var suggest []string
	if w := words(h.info); p.boundary(p.pos) {
		suggest = w[:min(len(w), 3)]
	}
	return p.fail(p.pos, p.pos, suggest, "%s needs a value, as in %s", h.info.Name, h.info.Example)
}

// unknown is the error of a field that there is not.
func (p *parser) unknown(name string, from, end int) *SyntaxError {
	switch word := Fold(name); word {
	case "critical", "high", "medium", "low":
		return p.fail(from, end, []string{"cve:" + word}, "there is no field %q", name)
	case "package", "pkg", "software", "installed":
		return p.fail(from, end, nil, "the directory counts packages (packages:>2000) and does not list them: ask the site for a host's inventory")
	case "http", "https":
		return p.fail(from, end, nil, "there is no field %q; quote an address of the web to look for it as text", name)
	}
	if addressChars(name) {
		return p.fail(from, end, nil, "%q is no field; an address has no port here", name)
	}
	suggest := nearestFields(name)
	if len(suggest) > 0 {
		return p.fail(from, end, suggest, "there is no field %q", name)
	}
	if next := p.text[end:]; len(name) <= maxQuoted && plain(name, true) && (strings.HasPrefix(next, ":") || strings.HasPrefix(next, "=")) && !(&scanner{next, 1}).ends() {
		suggest = []string{"tag:" + name} // env:prod is how many write their tags
	}
	return p.fail(from, end, suggest, "there is no field %q; quote the whole to look for it in names, or see the list of fields", name)
}

func addressChars(s string) bool { return strings.Trim(s, "0123456789.") == "" }

// values reads a list of values; c is the comparison before it, if not colon.
func (p *parser) values(h *head, from int, c comparator, colon bool) (Expr, *SyntaxError) {
	var out []Expr
	negate := !colon && c.not
	p.system = nil
	for {
		pos := p.pos
		op, given := OpIs, !colon
		if given {
			op = c.op
		}
		if colon {
			if p.at("!") && !p.at("!=") {
				negate = true
				p.pos++
			} else if v, n := comparatorAt(p.text[p.pos:]); n > 0 {
				op, given, negate = v.op, true, negate || v.not
				p.pos += n
				p.blanks()
			}
			if p.missing(false) {
				return nil, p.valueless(h)
			}
			if negate && len(out) > 0 {
				return nil, p.fail(pos, p.pos, nil, "a list cannot have both: put - before the field, as in -%s:%s", h.info.Name, "…,…")
			}
		}
		v, err := p.value()
		if err == nil && (h.info.Kind == KindOS || h.info.Field == FieldCVE) && !given {
			v, err = p.stretched(v)
		}
		if err != nil {
			return nil, err
		}
		e := element{p, h, v, op, given, pos}
		if len(out) == 0 {
			e.from = from
		}
		x, err := e.expr()
		if err != nil {
			return nil, err
		}
		out = append(out, x)
		listed := p.at(",") || p.at("|") && !p.at("||")
		if !listed {
			if t, ok := x.(Term); ok && len(out) == 1 && h.info.Kind == KindOS && !t.HasVersion && t.Pattern.Shape != ShapeCounted {
				p.system = &v
			}
			break
		}
		switch {
		case !colon && (op != OpIs || v.text == ""):
			return nil, p.fail(p.pos, p.pos+1, nil, "a comparison has one value; write a list as %s:a,b", h.info.Name)
		case colon && negate:
			return nil, p.fail(pos, p.pos, nil, "to exclude a list put - before the field, as in -%s:a,b", h.info.Name)
		}
		p.pos++
		if p.ends() {
			return nil, p.fail(p.pos-1, p.pos, nil, "a list has no blanks and no empty places: %s:a,b", h.info.Name)
		}
	}
	x := either(out...)
	if negate {
		x, p.system = not(x), nil
	}
	return x, nil
}

// stretched reads on where a comparison follows a value behind blanks, or the value ends with one: os:debian
// >= 12, cve:critical > 0.
func (p *parser) stretched(v value) (value, *SyntaxError) {
	for range 2 {
		next := scanner{p.text, p.pos}
		if !next.blanks() || next.pos >= len(next.text) {
			break
		}
		_, ahead := comparatorAt(next.text[next.pos:])
		has := strings.ContainsAny(v.syn, "<>=≤≥")
		if has != (strings.TrimRight(v.syn, "<>=≤≥") != v.syn) || has == (ahead > 0) {
			break
		}
		if _, n := next.keyword(); n > 0 && ahead == 0 {
			break
		}
		p.pos = next.pos
		w, err := p.value()
		if err != nil {
			return v, err
		}
		v = value{pos: v.pos, end: w.end, text: v.text + w.text, syn: v.syn + w.syn}
	}
	return v, nil
}

// asked reads what follows is:, has: and no:, which people know from elsewhere.
func (p *parser) asked(word string, from int) (Expr, *SyntaxError) {
	p.blanks()
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	said := Fold(v.text)
	if word == "is" {
		if s := model.HostStatus(said); slices.Contains(statuses[:], s) {
			return p.count(Term{Field: FieldStatus, Op: OpIs, Status: s, Pos: from, End: p.pos})
		}
		if said == "simulated" {
			return p.count(Term{Field: FieldSimulated, Op: OpIs, Number: 1, Pos: from, End: p.pos})
		}
		return nil, p.fail(v.pos, v.end, nearest(said, statusWords()), "is: has one of up, late, down, unknown, simulated")
	}
	f, ok := FieldNamed(said)
	if !ok {
		return nil, p.fail(v.pos, v.end, nearestFields(said), "there is no field %q", v.text)
	}
	if i := f.info(); i.Kind == KindNumber || i.Kind == KindBool {
		suggest := []string{i.Name + ":>0", "-" + i.Name + ":unknown"}
		switch {
		case i.Kind == KindBool:
			suggest[0] = i.Name + ":yes"
		case i.Field == FieldCVE:
			suggest[1] = "-severity:unmatched"
		}
		return nil, p.fail(from, v.end, suggest, "%s can mean the amount, or whether it is known", p.text[from:v.end])
	}
	e := element{p, &head{info: f.info(), pos: from, end: from}, value{pos: v.pos, end: v.end, text: "*", syn: "*"}, OpIs, false, from}
	x, err := e.expr()
	if err == nil && (word == "no" || word == "missing") {
		x = not(x)
	}
	return x, err
}

// words reads a word without a field, or a list of them.
func (p *parser) words() (Expr, *SyntaxError) {
	var out []Expr
	system := p.system
	p.system = nil
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		if system != nil && v.literal() && strings.Trim(v.text, "0123456789.") == "" && strings.Count(v.text, ".") < 2 {
			return nil, p.fail(system.end, v.end, []string{":" + v.text, ">=" + v.text}, "a version follows its system without a blank, as in os:debian:12; quote it to look for a name")
		}
		x, err := p.word(v)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
		if !p.at(",") && (!p.at("|") || p.at("||")) {
			break
		}
		p.pos++
		if p.ends() {
			return nil, p.fail(p.pos-1, p.pos, nil, "a list has no blanks and no empty places: a,b")
		}
		system = nil
	}
	return either(out...), nil
}

// word is one word without a field.
func (p *parser) word(v value) (Expr, *SyntaxError) {
	if v.text == "" {
		return nil, p.fail(v.pos, v.end, nil, "there is nothing between these quotes")
	}
	if v.syn == "*" {
		return All{}, nil
	}
	if folded := Fold(v.text); v.literal() && len(folded) > 4 && folded[:4] == "cve-" && digit(folded[4]) {
		// As a part of a name it would find no host, and read as if nobody were concerned.
		return nil, p.fail(v.pos, v.end, []string{quoted(v.text)}, whichVulnerabilities+"; in quotes it is looked for in names")
	}
	t := Term{Field: FieldAny, Op: OpIs, Pos: v.pos, End: v.end}
	if mac, ok := parseMAC(v.text); ok && !strings.Contains(v.text, "::") && (strings.Count(v.text, ":") >= 2 || strings.Count(v.text, "-") == 5) {
		t.Field, t.MAC = FieldMAC, mac
		return p.count(t)
	}
	if strings.ContainsAny(v.text, "/-") || strings.Contains(v.syn, "*") || strings.Contains(v.text, "..") {
		// A prefix, a range or a partial address with a star: nothing that a name could contain.
		if low, high, ok := parseSpan(v.text); ok {
			if high.Less(low) {
				return nil, p.fail(v.pos, v.end, []string{spanText(high, low)}, "the range ends before it begins")
			}
			t.Field, t.Low, t.High = FieldIP, low, high
			return p.count(t)
		}
	}
	if a, ok := whole(v.text); ok && v.literal() {
		// Not the beginning of others as well: 10.0.15.9 is no part of 10.0.15.90.
		t.Field, t.Low, t.High = FieldIP, a, a
		return p.count(t)
	}
	if i := strings.IndexAny(v.syn, ":<>="); i >= 0 && !addressBegins(v.text) {
		if addressLike(v.text) {
			suggest := []string{quoted(v.text)}
			if mac, ok := parseMAC(v.text); ok {
				suggest = []string{"mac:" + mac, suggest[0]}
			}
			return nil, p.fail(v.pos, v.end, suggest, "%q is no address, nor the beginning of one; quote it to look for it in names", v.text)
		}
		if strings.Trim(v.syn[:i], "\x01") == "" {
			return nil, p.fail(v.pos, v.end, nil, "the name of a field is not quoted, only its value")
		}
		return nil, p.fail(v.pos, v.end, nil, "a word that holds %q must be quoted, and a field cannot be part of a list", v.syn[i:i+1])
	}
	if err := p.answered(v); err != nil {
		return nil, err
	}
	pattern, err := p.pattern(v)
	if err != nil {
		return nil, err
	}
	if t.Pattern = pattern; strings.Contains(v.syn, "*") {
		t.Field = FieldName
	} else {
		t.Pattern.Shape = ShapeContains
	}
	return p.count(t)
}

// answered refuses a word that is a field and followed by one of its values: status down.
func (p *parser) answered(v value) *SyntaxError {
	f, ok := FieldNamed(v.text)
	if !ok || !v.literal() {
		return nil
	}
	next := scanner{p.text, p.pos}
	next.blanks()
	word := next.chunk()
	if word == "" || strings.Contains(word, ":") || !slices.Contains(words(f.info()), Fold(word)) {
		return nil
	}
	return p.fail(v.pos, next.pos+len(word), []string{f.String() + ":" + Fold(word)}, "these are two words to look for in names; a value follows its field after a colon")
}

// words returns the values of a field that has few and fixed ones.
func words(i *Info) []string {
	switch {
	case i.Kind == KindStatus:
		return statusWords()
	case i.Field == FieldSeverity:
		return []string{"critical", "high", "medium", "low", "none", "unknown", model.WorstClean, model.WorstUnmatched}
	case i.Field == FieldSimulated:
		return []string{"yes", "no"}
	case i.Kind == KindBool:
		return []string{"yes", "no", "unknown"}
	}
	return nil
}

func statusWords() []string {
	var out []string
	for _, s := range statuses {
		out = append(out, string(s))
	}
	return out
}

// list writes words as people do: a, b or c.
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
