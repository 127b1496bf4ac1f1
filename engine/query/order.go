package query

import (
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Normal returns s with the field that the zero Sort stands for.
func (s Sort) Normal() Sort {
	if s.Field == 0 {
		s.Field = FieldName
	}
	return s
}

// String returns the text that ParseSort reads: name, -seen, -cve:critical. The zero Sort is "name".
func (s Sort) String() string {
	s = s.Normal()
	text := s.Field.String()
	if s.Part != "" {
		text += ":" + s.Part
	}
	if s.Desc {
		return "-" + text
	}
	return text
}

// ParseSort reads the name of a field, with a - before it for falling order and, for cve, a severity behind
// it: -cve:critical. The words asc and desc may follow instead. The empty text is the zero Sort. A text that
// is no order is fault.Invalid.
func ParseSort(text string) (Sort, error) {
	const op = "sort"
	word := strings.TrimSpace(Fold(fault.Clip(text, 100)))
	if word == "" {
		return Sort{}, nil
	}
	var s Sort
	if rest, ok := strings.CutPrefix(word, "-"); ok {
		s.Desc, word = true, rest
	} else {
		word = strings.TrimPrefix(word, "+")
	}
	for _, sep := range [...]string{" ", ":"} {
		if rest, ok := strings.CutSuffix(word, sep+"asc"); ok {
			word = rest
		} else if rest, ok := strings.CutSuffix(word, sep+"desc"); ok {
			s.Desc, word = !s.Desc, rest
		}
	}
	name := strings.TrimSpace(word)
	f, ok := FieldNamed(name)
	if i := strings.IndexAny(name, ":._"); !ok && i > 0 {
		if f, ok = FieldNamed(name[:i]); ok {
			if s.Part, ok = partNamed(name[i+1:]); !ok || f != FieldCVE {
				return Sort{}, fault.New(fault.Invalid, op, "%q is no part of %s to sort by; cve has one for each severity, as in -cve:critical", name[i+1:], f)
			}
		}
	}
	if !ok {
		hint := ""
		if part, ok := partNamed(name); ok {
			hint = "; did you mean cve:" + part + "?"
		} else if near := nearestFields(name); len(near) > 0 {
			hint = "; did you mean " + list(near) + "?"
		}
		return Sort{}, fault.New(fault.Invalid, op, "there is no field %q%s", fault.Printable(name), hint)
	}
	if s.Field = f; !s.sortable() {
		return Sort{}, fault.New(fault.Invalid, op, "hosts cannot be sorted by %s; name, site, status, seen and most others can", f)
	}
	return s, nil
}

func (s Sort) sortable() bool {
	s = s.Normal()
	if i := s.Field.info(); i == nil || !i.Sortable {
		return false
	}
	if s.Part == "" {
		return true
	}
	_, ok := partNamed(s.Part)
	return ok && s.Field == FieldCVE && Fold(s.Part) == s.Part
}

// Less reports whether a comes before b in order s. It is the meaning of an order: every index is held
// against it. Values are compared as CursorOf gives them.
func Less(s Sort, a, b *model.Host, env Env) bool {
	return CursorOf(s, a, env).Compare(CursorOf(s, b, env)) < 0
}

// CursorOf returns the place of host h in order s. What a host is sorted by is, field by field:
//
//	name hostname fqdn arch owner serial     the text, folded
//	site region country city        the text (of a site SiteText), folded
//	os                              id, then version by CompareVersions, then version; none without an id
//	kernel agent                    CompareVersions, then the text, folded
//	ip                              the first IPv4 address that AddressOf reads
//	status                          up, late, down, unknown
//	severity                        SeverityRank
//	seen cert uptime first_seen     the time: rising order has the earliest first
//	other numbers, reboot           NumberValue
//	id                              nothing: the id alone
func CursorOf(s Sort, h *model.Host, env Env) Cursor {
	s = s.Normal()
	c := Cursor{Sort: s, ID: h.ID}
	if at, ok := TimeValue(s.Field, h); ok {
		c.Number, c.Known = int64(at), at != 0
		return c
	}
	switch s.Field {
	case FieldName:
		c.Text = h.Hostname
	case FieldHostname:
		c.Text = h.Hostname
	case FieldFQDN:
		c.Text = h.FQDN
	case FieldArch:
		c.Text = h.Arch
	case FieldKernel:
		c.Text = h.Kernel
	case FieldAgent:
		c.Text = h.AgentVersion
	case FieldOwner:
		c.Text = h.Owner
	case FieldSerial:
		c.Text = h.Serial
	case FieldSite:
		c.Text = SiteText(h.Site, env.site(h.Site))
	case FieldRegion:
		c.Text = env.site(h.Site).Region
	case FieldCountry:
		c.Text = env.site(h.Site).Country
	case FieldCity:
		c.Text = env.site(h.Site).City
	case FieldOS:
		if h.OS.ID != "" {
			c.Text = h.OS.ID + "\x00" + h.OS.Version
		}
	case FieldID:
		c.Known = true
		return c
	case FieldStatus:
		c.Number, c.Known = int64(StatusRank(h.Status)), true
		return c
	case FieldSeverity:
		c.Number, c.Known = int64(SeverityRank(h.Worst())), true
		return c
	case FieldIP:
		for _, text := range h.IPv4 {
			if a, ok := AddressOf(text); ok && a.Is4() {
				b := a.As4()
				c.Number, c.Known = int64(b[0])<<24|int64(b[1])<<16|int64(b[2])<<8|int64(b[3]), true
				break
			}
		}
		return c
	default:
		c.Number, c.Known = NumberValue(s.Field, s.Part, h)
		if !c.Known {
			c.Number = 0
		}
		return c
	}
	c.Text, c.Known = SortText(c.Text), c.Text != ""
	return c
}

// SortText returns a text as orders compare it: folded, and cut to MaxCursorText bytes.
func SortText(s string) string {
	s = Fold(s)
	return s[:min(len(s), MaxCursorText)]
}

// Compare returns -1, 0 or 1 as the place c comes before, at or after d. Both are of the same Sort, that of c.
func (c Cursor) Compare(d Cursor) int {
	if c.Known != d.Known { // without a value: last, in both directions
		if c.Known {
			return -1
		}
		return 1
	}
	r := c.compareValue(d)
	if r == 0 {
		r = strings.Compare(string(c.ID[:]), string(d.ID[:]))
	}
	if c.Sort.Desc {
		return -r
	}
	return r
}

func (c Cursor) compareValue(d Cursor) int {
	if !c.Known {
		return 0
	}
	switch {
	case c.Number < d.Number:
		return -1
	case c.Number > d.Number:
		return 1
	}
	return CompareText(c.Sort.Field, c.Text, d.Text)
}

// CompareText compares two texts of SortText in the order of field f, rising; those of FieldOS are an id, a
// zero byte and a version.
func CompareText(f Field, a, b string) int {
	r := 0
	switch f {
	case FieldKernel, FieldAgent:
		r = CompareVersions(a, b)
	case FieldOS:
		x, v, _ := strings.Cut(a, "\x00")
		y, w, _ := strings.Cut(b, "\x00")
		if r = strings.Compare(x, y); r == 0 {
			r = CompareVersions(v, w)
		}
	}
	if r == 0 {
		r = strings.Compare(a, b)
	}
	return r
}
