package cli

import (
	"strconv"
	"time"

	"github.com/skerryhq/skerry/engine/query"
)

// span is a flag with a span of time, as searches write it: 90s, 15m, 24h, 2d, 1w. A server that knows no days yet gets it in hours.
type span struct{ text *string }

// Set implements pflag.Value.
func (s span) Set(text string) error {
	d, err := query.ParseAge(text)
	if err == nil {
		if *s.text = text; !goSpan(text) {
			*s.text = d.String()
		}
	}
	return err
}

func goSpan(text string) bool {
	_, err := time.ParseDuration(text)
	return err == nil
}

// String implements pflag.Value.
func (s span) String() string {
	if s.text == nil || *s.text == "" {
		return ""
	}
	d, err := time.ParseDuration(*s.text)
	if err != nil {
		return *s.text
	}
	if day := 24 * time.Hour; d > 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}

// Type implements pflag.Value.
func (s span) Type() string { return "span" }
