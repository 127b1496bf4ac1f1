package alert

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
)

// Metric is a number that a site knows of itself.
type Metric uint8

// The metrics. They are not stored by number.
const (
	UplinkOffline     Metric = 1
	UplinkDegraded    Metric = 2
	OutboxItems       Metric = 3
	OutboxAge         Metric = 4
	DiskFree          Metric = 5
	DiskFreePercent   Metric = 6
	HostsTotal        Metric = 7
	HostsDown         Metric = 8
	HostsDownPercent  Metric = 9
	HostsUnknown      Metric = 10
	CertificateDays   Metric = 11
	AgentsQuarantined Metric = 12
	AdvisoriesAge     Metric = 13
)

// unit says how the number of a metric is written.
type unit uint8

const (
	count   unit = 1
	percent unit = 2
	seconds unit = 3 // with s m h d w
	octets  unit = 4 // with k m g t
)

// Info describes a metric.
type Info struct {
	Metric  Metric
	Name    string
	Doc     string // one line for people
	Example string // a condition that reads
	unit    unit
}

var table = []Info{
	{UplinkOffline, "uplink.offline", "for how long the controller has not been reached; 0 while it is", "uplink.offline > 15m", seconds},
	{UplinkDegraded, "uplink.degraded", "for how long the link has been slow or gone; 0 while it is as it should be", "uplink.degraded > 1h", seconds},
	{OutboxItems, "outbox.items", "how many items wait for the controller", "outbox.items > 100000", count},
	{OutboxAge, "outbox.age", "how old the oldest item is that waits for the controller", "outbox.age > 1d", seconds},
	{DiskFree, "disk.free", "free room on the disk of the data folder, in bytes or with k, m, g, t", "disk.free < 5g", octets},
	{DiskFreePercent, "disk.free_percent", "the same in percent of the disk", "disk.free_percent < 10", percent},
	{HostsTotal, "hosts.total", "how many hosts the site has", "hosts.total = 0", count},
	{HostsDown, "hosts.down", "how many hosts do not report", "hosts.down >= 10", count},
	{HostsDownPercent, "hosts.down_percent", "the same in percent of the hosts", "hosts.down_percent > 20", percent},
	{HostsUnknown, "hosts.unknown", "of how many hosts nobody knows whether they report", "hosts.unknown > 0", count},
	{CertificateDays, "certificate.expiry", "time until the certificate of the site itself expires", "certificate.expiry < 30d", seconds},
	{AgentsQuarantined, "agents.quarantined", "how many agents are kept out because two machines had one key", "agents.quarantined > 0", count},
	{AdvisoriesAge, "advisories.age", "how long ago the site last held all advisories of its controller, or imported a bundle; 0 while it does", "advisories.age > 3d", seconds},
}

// Metrics returns every metric, in order of display.
func Metrics() []Info { return append([]Info(nil), table...) }

// Figures are the numbers of a site at one moment. One that was not set is not known.
type Figures struct {
	n     [AdvisoriesAge + 1]float64
	known [AdvisoriesAge + 1]bool
}

// Set says what a metric is: seconds, bytes, percent or a count.
func (f *Figures) Set(m Metric, n float64) { f.n[m], f.known[m] = n, true }

// Of returns a metric; false: it is not known.
func (f *Figures) Of(m Metric) (float64, bool) { return f.n[m], f.known[m] }

// Condition compares one metric with a number.
type Condition struct {
	Metric Metric
	Op     string // > >= < <= =
	N      float64
}

// Holds reports whether the condition is met, and what was seen in words; known is false where the metric is
// not known, and then nothing can be said.
func (c Condition) Holds(f *Figures) (holds, known bool, seen string) {
	n, known := f.Of(c.Metric)
	if !known {
		return false, false, ""
	}
	switch c.Op {
	case ">":
		holds = n > c.N
	case ">=":
		holds = n >= c.N
	case "<":
		holds = n < c.N
	case "<=":
		holds = n <= c.N
	default:
		holds = n == c.N
	}
	i := c.Metric.info()
	return holds, true, i.Name + " is " + i.unit.words(n)
}

func (m Metric) info() Info {
	for _, i := range table {
		if i.Metric == m {
			return i
		}
	}
	return Info{}
}

// words writes a number for people, as Parse could read it.
func (u unit) words(n float64) string {
	switch u {
	case percent:
		return strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64) + " %"
	case seconds:
		return largest(n, scales(u), 1)
	case octets:
		return largest(n, scales(u), 0)
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// largest writes n in the largest scale of which it is at least one, or two for times, so that it stays exact enough.
func largest(n float64, in []scale, atLeast float64) string {
	for i := len(in) - 1; i > 0; i-- {
		if math.Abs(n) >= in[i].by*(1+atLeast) {
			return strconv.FormatFloat(math.Round(n/in[i].by*10)/10, 'f', -1, 64) + in[i].name
		}
	}
	return strconv.FormatFloat(math.Round(n), 'f', -1, 64) + in[0].name
}

type scale struct {
	name string
	by   float64
}

func scales(u unit) []scale {
	switch u {
	case seconds:
		return []scale{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}}
	case octets:
		return []scale{{"", 1}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}}
	case percent:
		return []scale{{"", 1}, {"%", 1}}
	}
	return []scale{{"", 1}}
}

// SyntaxError says what is wrong with the text of a condition, and where. Its kind is fault.Invalid.
type SyntaxError struct {
	Text     string // what was read; above MaxWhen it is cut there
	Pos, End int    // the bytes [Pos, End) of Text that it is about; Pos is len(Text) where something is missing
	Msg      string // one line
	// Options are the words that could stand there.
	Options []string
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s (column %d)", e.Msg, e.Pos+1) }

// Unwrap gives the error its kind for fault.KindOf.
func (e *SyntaxError) Unwrap() error {
	return &fault.Error{Kind: fault.Invalid, Err: fmt.Errorf("%s", e.Msg)}
}

// Parse reads a condition about a site: a metric, one of > >= < <= =, and a number with the unit of the metric, as
// in uplink.offline > 15m. A colon behind the metric is understood. The error is a *SyntaxError.
func Parse(text string) (Condition, error) {
	p := parser{text: fault.Clip(text, MaxWhen)}
	if len(text) > MaxWhen {
		return Condition{}, p.fail(0, len(p.text), nil, "a condition has at most %d bytes, not %d", MaxWhen, len(text))
	}
	c, err := p.condition()
	if err != nil {
		return Condition{}, err
	}
	return c, nil
}

type parser struct {
	text string
	at   int
}

func (p *parser) fail(pos, end int, options []string, format string, args ...any) *SyntaxError {
	return &SyntaxError{Text: p.text, Pos: pos, End: end, Msg: fmt.Sprintf(format, args...), Options: options}
}

// word takes the bytes for which in is true, behind blanks.
func (p *parser) word(in func(byte) bool) (from int, word string) {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
	from = p.at
	for p.at < len(p.text) && in(p.text[p.at]) {
		p.at++
	}
	return from, p.text[from:p.at]
}

func (p *parser) condition() (Condition, *SyntaxError) {
	from, name := p.word(func(b byte) bool { return !strings.ContainsRune(" <>=:", rune(b)) })
	var names []string
	var info Info
	for _, i := range table {
		names = append(names, i.Name)
		if i.Name == strings.ToLower(name) {
			info = i
		}
	}
	switch {
	case name == "":
		return Condition{}, p.fail(from, from, names, "a condition begins with a metric, as in %s", table[0].Example)
	case info.Metric == 0:
		return Condition{}, p.fail(from, p.at, names, "there is no metric %q", fault.Printable(fault.Clip(name, 32)))
	}
	if p.at < len(p.text) && p.text[p.at] == ':' {
		p.at++
	}
	from, op := p.word(func(b byte) bool { return b == '<' || b == '>' || b == '=' })
	ops := []string{">", ">=", "<", "<=", "="}
	known := false
	for _, o := range ops {
		known = known || o == op
	}
	if !known {
		return Condition{}, p.fail(from, p.at, ops, "after %s comes one of > >= < <= =, as in %s", info.Name, info.Example)
	}
	from, value := p.word(func(byte) bool { return true })
	value = strings.TrimRight(value, " ")
	n, ok := info.unit.read(value)
	if !ok {
		return Condition{}, p.fail(from, from+len(value), nil, "%q is no number for %s: write it as in %s", fault.Printable(fault.Clip(value, 32)), info.Name, info.Example)
	}
	return Condition{Metric: info.Metric, Op: op, N: n}, nil
}

// read reads a number with the name of a scale.
func (u unit) read(text string) (float64, bool) {
	digits := 0
	for digits < len(text) && (text[digits] >= '0' && text[digits] <= '9' || text[digits] == '.') {
		digits++
	}
	n, err := strconv.ParseFloat(text[:digits], 64)
	if err != nil || digits == 0 || math.IsInf(n, 0) || n > 1e18 {
		return 0, false
	}
	name := strings.ToLower(strings.TrimSpace(text[digits:]))
	for _, s := range scales(u) {
		if s.name == name && !(u == seconds && name == "") {
			return n * s.by, true
		}
	}
	return 0, u == seconds && name == "" && n == 0
}
