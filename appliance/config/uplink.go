package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/window"
)

// Uplink is how a site uses its line to the controller.
type Uplink struct {
	// Bandwidth is the most that the link carries in each direction. 8kbit to 100Gbit. Default: no bound.
	Bandwidth Bandwidth `yaml:"bandwidth,omitempty"`
	// Window is when everything that waits may go up, as in "mon-fri 20:00-06:00 Europe/Berlin" and "sat,sun"; see
	// sync/window. At any other time only what is urgent does. At most 32. Default: always.
	Window []string `yaml:"window,omitempty"`
}

func (u Uplink) zero() bool { return u.Bandwidth == 0 && len(u.Window) == 0 }

func (u Uplink) check() error {
	if b := u.Bandwidth; b != 0 && (b < leastBandwidth || b > mostBandwidth) {
		return wrong("uplink.bandwidth", "%s is out of bounds: want %s to %s", b, leastBandwidth, mostBandwidth)
	}
	if len(u.Window) > window.MaxHours {
		return wrong("uplink.window", "there are %d entries: at most %d", len(u.Window), window.MaxHours)
	}
	for i, entry := range u.Window {
		if _, err := window.Parse([]string{entry}); err != nil {
			return wrong(fmt.Sprintf("uplink.window[%d]", i), "%v", err)
		}
	}
	return nil
}

// Bandwidth is bits in a second. It is written with its unit: 256kbit, 2Mbit, 32kB, 1.5MB, each with or without /s;
// k, M and G are thousands. A bare number is refused, for bits and bytes look the same.
type Bandwidth int64

const (
	leastBandwidth Bandwidth = 8_000
	mostBandwidth  Bandwidth = 100_000_000_000
)

// units are the names of units and what they are in bits.
var units = []struct {
	name string
	bits int64
}{
	{"Gbit", 1e9}, {"Mbit", 1e6}, {"kbit", 1e3}, {"GB", 8e9}, {"MB", 8e6}, {"kB", 8e3},
}

// String returns the text form, in the largest unit of bits that has no fraction.
func (b Bandwidth) String() string {
	for _, u := range units[:3] {
		if b != 0 && int64(b)%u.bits == 0 {
			return strconv.FormatInt(int64(b)/u.bits, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "bit"
}

// MarshalYAML returns the text form.
func (b Bandwidth) MarshalYAML() (any, error) { return b.String(), nil }

// UnmarshalYAML accepts what MarshalYAML wrote, and the forms above.
func (b *Bandwidth) UnmarshalYAML(n ast.Node) error {
	text := n.String()
	if s, ok := n.(*ast.StringNode); ok {
		text = s.Value
	}
	v, err := parseBandwidth(text)
	if err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: n.GetToken()}
	}
	*b = v
	return nil
}

func parseBandwidth(text string) (Bandwidth, error) {
	bad := func() (Bandwidth, error) {
		return 0, fmt.Errorf("%q is no bandwidth: want a number with its unit, as in 256kbit, 2Mbit or 32kB (bits or bytes a second; k, M and G are thousands)",
			fault.Clip(text, maxQuote))
	}
	word := strings.TrimSuffix(strings.TrimSpace(text), "/s")
	digits := len(word) - len(strings.TrimLeft(word, "0123456789."))
	number, unit := word[:digits], strings.TrimSpace(word[digits:])
	bits := int64(0)
	if unit == "bit" {
		bits = 1
	}
	for _, u := range units {
		if u.name == unit {
			bits = u.bits
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || bits == 0 || len(number) > 15 || v <= 0 || v*float64(bits) > 1e15 {
		return bad()
	}
	return Bandwidth(v*float64(bits) + 0.5), nil
}
