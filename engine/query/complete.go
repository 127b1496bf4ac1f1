package query

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Completion is what may stand in the place of the bytes [From, To) of a text: the word around the cursor.
type Completion struct {
	From, To int
	Items    []Suggestion // at most MaxItems, the likeliest first
}

// Suggestion is one thing that may be written.
type Suggestion struct {
	Text string // quoted where it must be
	Doc  string // one line for people; may be empty
	N    int    // hosts that have the value; 0 for what is no value
}

// Bounds of a completion.
const (
	MaxItems  = 50
	maxValues = 20
)

// Values returns those values of a field whose folded form begins with the folded prefix, the most frequent
// first, and how many hosts that match rest have each. A rest that is nil is every host.
type Values func(rest Expr, f Field, prefix string, limit int) []Count

// Complete says how the text could go on at byte at: fields, the values of a field, or operators. The
// text need not read. Values are asked for once at most: for a counted field, for FieldIP where the beginning of
// an address stands, or, where a word without a field stands, for FieldName. What else is asked for beside the
// word, where that can be told, is the rest. Values may be nil.
func Complete(text string, at int, values Values) Completion {
	at = max(0, min(at, len(text)))
	for at < len(text) && at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	if len(text) > MaxText || !utf8.ValidString(text) {
		return Completion{From: at, To: at}
	}
	c := completer{place: placeOf(text, at), values: values}
	if c.info == nil {
		c.start()
	} else {
		c.value()
	}
	c.out.Items = c.out.Items[:min(len(c.out.Items), MaxItems)]
	return c.out
}

// place is where in a text the cursor stands.
type place struct {
	text  string
	at    int
	from  int   // of the word, or of the element of a list, that the cursor is in
	info  *Info // the field whose value it is; nil: it is no value
	begin int   // of the condition that the cursor is in, with a dash in front
	deep  bool  // it stands within parentheses
	after bool  // a condition stands before, and no operator behind it
	open  bool  // the word begins with a quote that is not closed before the cursor
}

// placeOf walks from the start of the text to the cursor. It accepts everything, so that a text that is
// still being written has a place as well.
func placeOf(text string, at int) place {
	p := place{text: text, at: at}
	var groups []*Info // the field of each open parenthesis
	var pending *Info  // a field with nothing behind its operator yet
	dashed := false
	s := scanner{text: text}
	for {
		if s.blanks(); s.pos > at {
			s.pos = at
		}
		if pending == nil && !dashed {
			p.begin = s.pos
		}
		dashed, p.deep = false, len(groups) > 0
		p.from, p.open, p.info = s.pos, false, pending
		if pending == nil && len(groups) > 0 {
			p.info = groups[len(groups)-1]
		}
		if s.pos >= at {
			return p
		}
		switch k, n := s.keyword(); {
		case s.at("("):
			groups, pending = append(groups, p.info), nil
			p.after = false
			s.pos++
			continue
		case s.at(")"):
			groups = groups[:max(0, len(groups)-1)]
			pending, p.after = nil, true
			s.pos++
			continue
		case k != noKeyword && s.pos+n < at:
			pending, p.after = nil, false
			s.pos += n
			continue
		case s.at("-") || s.at("+"):
			s.pos++
			dashed = true
			continue
		}
		pending = p.word(&s)
		if s.pos > at || s.pos == at && !s.cut() {
			return p
		}
		p.after = true
	}
}

// cut reports whether what stands before pos cannot be part of a word.
func (s *scanner) cut() bool {
	c, _ := utf8.DecodeLastRuneInString(s.text[:s.pos])
	return blank(c) || c == '(' || c == ')'
}

// word walks over one word or one field with its values, to the cursor at most or to the end of the word,
// and sets what the cursor is in. It returns the field if nothing but an operator follows it.
func (p *place) word(s *scanner) *Info {
	if p.info == nil {
		end := s.run()
		next := scanner{s.text, end}
		next.blanks()
		if _, _, n := s.operator(next.pos); n > 0 && next.pos < p.at && end < p.at {
			f, known := FieldNamed(s.text[s.pos:end])
			s.pos = next.pos + n
			info := f.info()
			if !known {
				info = &Info{} // a field that there is not has no values
			}
			p.info, p.from = info, min(s.pos, p.at)
			if s.pos >= p.at || s.boundary(s.pos) {
				return info
			}
		}
	}
	for s.pos < p.at && !s.boundary(s.pos) {
		if s.at(",") || s.at("|") {
			s.pos++
			p.from, p.open = s.pos, false
			continue
		}
		n, closing := s.quoteAt(s.pos == p.from)
		if n == 0 {
			_, n = s.rune()
			s.pos += n
			continue
		}
		s.pos += n
		p.open = true
		for s.pos < p.at && !s.at(closing) {
			if s.at(`\`) {
				s.pos++
			}
			_, n := s.rune()
			s.pos += n
		}
		if s.pos < p.at {
			s.pos += len(closing)
			p.open = false
		}
	}
	s.pos = min(s.pos, max(p.at, p.from))
	return nil
}

// typed returns what stands between From and the cursor, without quotes.
func (p *place) typed() string {
	s := scanner{text: p.text[:p.at] + `"`, pos: p.from}
	if !p.open {
		s.text = p.text[:p.at]
	}
	v, err := s.value()
	if err != nil {
		return strings.Trim(p.text[p.from:p.at], `"'`)
	}
	return v.text
}

// rest is what the text asks for without the condition that the cursor is in, or nil where that cannot be told:
// within parentheses, beside an "or", or where the rest does not read.
func (p *place) rest() Expr {
	end := scanner{p.text, p.at}
	for !end.boundary(end.pos) {
		_, n := end.rune()
		end.pos += n
	}
	if p.deep || p.open {
		return nil
	}
	x, err := Parse(p.text[:p.begin] + " " + p.text[end.pos:])
	if err != nil {
		return nil
	}
	switch x.(type) {
	case All, Or:
		return nil
	}
	return x
}

type completer struct {
	place
	values Values
	out    Completion
}

func (c *completer) add(text, doc string, n int) {
	if !slices.ContainsFunc(c.out.Items, func(s Suggestion) bool { return s.Text == text }) {
		c.out.Items = append(c.out.Items, Suggestion{text, doc, n})
	}
}

func (c *completer) ask(f Field, prefix string, limit int) []Count {
	if c.values == nil || len(prefix) > MaxPattern {
		return nil
	}
	return c.values(c.rest(), f, Fold(prefix), limit)
}

// start completes where no field stands before the cursor: fields, host names, operators.
func (c *completer) start() {
	s := scanner{c.text, c.at}
	end := s.run()
	c.out.From, c.out.To = c.from, end
	if c.open {
		c.out.To = c.at
		return
	}
	typed := c.typed()
	if strings.HasPrefix(c.text[end:], ":") && end < len(c.text) {
		c.out.To++ // the suggestions have the colon
	}
	prefix := strings.ReplaceAll(Fold(typed), "-", "_")
	for i := range table {
		if strings.HasPrefix(table[i].Name, prefix) {
			c.add(table[i].Name+":", table[i].Doc, 0)
		}
	}
	for i := range table {
		if slices.ContainsFunc(table[i].Aliases, func(a string) bool { return prefix != "" && strings.HasPrefix(a, prefix) }) {
			c.add(table[i].Name+":", table[i].Doc, 0)
		}
	}
	if c.out.To > end {
		return // a value follows: only a field fits
	}
	if typed != "" {
		for _, v := range c.ask(FieldName, typed, maxValues/2) {
			c.add(wordText(Fold(v.Value)), "host", v.N)
		}
	}
	for _, o := range [...]struct{ text, doc string }{{"or ", "either what is before or what follows"}, {"not ", "without what follows; the same as -"}} {
		if strings.HasPrefix(o.text, Fold(typed)) && (c.after || o.text != "or ") {
			c.add(o.text, o.doc, 0)
		}
	}
	if typed == "" {
		c.add("(", "conditions that belong together", 0)
	}
}

// ideas are what values of a kind look like where there are no values to choose from.
var ideas = map[Kind][][2]string{
	KindNumber:  {{">0", "more than"}, {"0", "exactly"}, {"<10", "less than"}, {"5..10", "between, both included"}, {"unknown", "nobody knows"}},
	KindAge:     {{"<1h", "less than an hour ago"}, {">1h", "more than an hour ago"}, {">1d", "more than a day ago"}, {">30d", "more than 30 days ago"}, {"never", "no time is known"}},
	KindUntil:   {{"<7d", "within 7 days"}, {"<30d", "within 30 days"}, {"expired", "in the past"}, {">90d", "later than in 90 days"}, {"never", "no time is known"}},
	KindVersion: {{"<", "before a version"}, {">=", "a version or later"}, {"*", "any at all"}},
	KindAddress: {{"10.0.0.0/8", "a network"}, {"172.16.0.0/12", "a network"}, {"192.168.0.0/16", "a network"}, {"fd00::/8", "a network"}, {"10.2.", "what begins so"}, {"10.0.0.1-10.0.0.9", "a range"}, {"none", "no address is known"}},
	KindMAC:     {{"52:54:00", "what begins so"}, {"none", "none is known"}},
	KindText:    {{"*", "any at all; stars stand for any text, as in *db*"}},
	KindWord:    {{"*", "any at all"}},
	KindOS:      {{"*", "any at all"}},
}

// memories are the ideas of FieldMemory, whose numbers have units.
var memories = [][2]string{{">=16g", "16 GiB or more"}, {"<4g", "less than 4 GiB"}, {"8g..32g", "between, both included"}, {"512m", "exactly"}, {">1t", "more than 1 TiB"}, {"unknown", "nobody knows"}}

// value completes a value.
func (c *completer) value() {
	end := scanner{c.text, c.at}
	for !end.ends() && !end.at(`"`) {
		_, n := end.rune()
		end.pos += n
	}
	if c.open {
		// The rest of the quotation belongs to the value, if it is the rest and not the next one.
		if rest, _, ok := strings.Cut(c.text[c.at:], `"`); ok && !strings.Contains(rest, ":") {
			end.pos = c.at + len(rest) + 1
		}
	}
	c.out.From, c.out.To = c.from, end.pos
	if c.info.Name == "" {
		return
	}
	typed, raw := c.typed(), c.text[c.from:c.at]
	f, kind := c.info.Field, c.info.Kind
	_, n := comparatorAt(raw)
	switch fixed := words(c.info); {
	case fixed != nil:
		n := map[string]int{}
		if c.info.Counted {
			for _, v := range c.ask(f, typed, maxValues) {
				n[Fold(v.Value)] = v.N
			}
		}
		for _, w := range fixed {
			if strings.HasPrefix(w, Fold(typed)) {
				c.add(w, "", n[w])
			}
		}
		return
	case f == FieldCVE:
		for _, p := range parts {
			if strings.HasPrefix(p, Fold(typed)) {
				c.add(p+">0", "at least one of severity "+p, 0)
			}
		}
	case kind == KindOS && strings.ContainsAny(raw, ":<>="):
		c.versions(raw)
		return
	case n > 0 && kind == KindVersion:
		c.out.From += n
		c.listed(f, strings.TrimLeft(typed, "<>=!"))
		return
	case kind == KindOS:
		c.systems(typed)
	case kind == KindAddress:
		c.addresses(typed)
	case c.info.Counted || f == FieldName:
		c.listed(f, typed)
	}
	list := ideas[kind]
	if f == FieldMemory {
		c.units(raw)
		list = memories
	}
	for _, i := range list {
		if strings.HasPrefix(i[0], raw) && !(f == FieldCVE && i[0] == "unknown") {
			c.add(i[0], i[1], 0)
		}
	}
}

// listed adds the values that there are.
func (c *completer) listed(f Field, prefix string) {
	for _, v := range c.ask(f, prefix, maxValues) {
		text := Quote(v.Value)
		switch {
		case f == FieldArch && isAlike(Fold(v.Value)):
			text = quoted(v.Value)
		case f == FieldIP:
			text = v.Value
		}
		c.add(text, "", v.N)
	}
}

// systems adds the systems that there are, each without a version first.
func (c *completer) systems(prefix string) {
	found := c.ask(FieldOS, prefix, maxValues)
	for _, v := range found {
		if id, _, ok := strings.Cut(Fold(v.Value), " "); ok && strings.HasPrefix(id, Fold(prefix)) {
			c.add(Quote(id), "every version", 0)
		}
	}
	for _, v := range found {
		c.add(quoted(v.Value), "", v.N)
	}
}

// versions adds the versions of a system that stands before a colon or a comparison.
func (c *completer) versions(raw string) {
	i := strings.IndexAny(raw, ":<>=")
	j := i + len(raw[i:]) - len(strings.TrimLeft(raw[i:], ":<>="))
	system := Fold(strings.Trim(raw[:i], `"`)) + " "
	c.out.From += j
	for _, v := range c.ask(FieldOS, system+strings.Trim(raw[j:], `"`), maxValues) {
		if version, ok := strings.CutPrefix(Fold(v.Value), system); ok && version != noVersion {
			c.add(Quote(version), "", v.N)
		}
	}
}

// units adds the units of memory where a number wants one.
func (c *completer) units(raw string) {
	if raw == "" || !digit(raw[len(raw)-1]) {
		return
	}
	for _, u := range [...][2]string{{"g", "GiB"}, {"m", "MiB"}, {"t", "TiB"}} {
		c.add(raw+u[0], u[1], 0)
	}
}

// addresses adds the network that the beginning of an address stands for, the network around a whole one, and
// addresses that there are.
func (c *completer) addresses(typed string) {
	if strings.ContainsAny(typed, "/-*") || typed == "" {
		return
	}
	if a, ok := whole(typed); ok {
		c.add(a.String(), "this address", 0)
		bits := 24
		if a.Is6() {
			bits = 64
		}
		if p, err := a.Prefix(bits); err == nil {
			c.add(p.String(), "the network around it", 0)
		}
	} else if low, high, ok := parsePartial(typed, false); ok {
		c.add(spanText(low, high), "the whole network", 0)
	}
	if AddressWord(typed) {
		c.listed(FieldIP, typed)
	}
}
