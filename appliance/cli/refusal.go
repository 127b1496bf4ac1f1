package cli

import (
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// refusal marks an error whose words are those of a server. A server speaks of the fields of its interface; whoever typed a command
// knows its flags.
type refusal struct{ error }

// Unwrap returns the cause.
func (r refusal) Unwrap() error { return r.error }

// flagNames are the flags that are not called as the field that they fill; of several the first that the command has.
var flagNames = map[string][]string{
	"from":           {"since", "cursor"},
	"to":             {"until"},
	"purposes":       {"purpose"},
	"max_bundle":     {"max-bundle-size"},
	"skip_signature": {"skip-signature-on-trusted", "skip-signature"},
	"latitude":       {"lat"},
	"longitude":      {"lng"},
	"name":           nil, // an argument, as a rule
}

// fieldAt finds the field that a refusal is about: at its beginning or behind what was being done.
var fieldAt = regexp.MustCompile(`^((?:[a-z]+ ){1,3}[a-z]+: |[a-z]+: )?(?:(?:body|query|path)\.)?([a-z][a-z_]*): `)

// inFlags names the flag of c in place of the field, where the refusal begins with one, and reports whether it does.
func inFlags(c *cobra.Command, text string) (string, bool) {
	m := fieldAt.FindStringSubmatchIndex(text)
	if at := strings.LastIndex(text, `"`); c != nil && at > 0 && strings.HasPrefix(text[at:], `" is no cursor`) && c.Flags().Lookup("cursor") != nil {
		quoted := strings.LastIndex(text[:at], `"`) // behind what was being done, also at a site
		return "--cursor: " + text[max(0, quoted):], true
	}
	if m == nil || c == nil {
		return text, false
	}
	field := text[m[4]:m[5]]
	names, known := flagNames[field]
	if !known {
		names = []string{strings.ReplaceAll(field, "_", "-")}
	}
	for _, name := range names {
		if c.Flags().Lookup(name) != nil {
			return "--" + name + ": " + text[m[1]:], true
		}
	}
	return text, false
}

// moment is a flag with a time, a span or a plain day, 2026-12-31, which is the first moment of it or, with end, the one behind its last.
type moment struct {
	text *string
	end  bool
}

// Set implements pflag.Value. What is neither goes to the server as it is, which knows the spans and says what is wrong.
func (m moment) Set(text string) error {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if m.end {
			day = day.AddDate(0, 0, 1)
		}
		text = day.Format(time.RFC3339)
	}
	*m.text = text
	return nil
}

// String implements pflag.Value.
func (m moment) String() string {
	if m.text == nil {
		return ""
	}
	return *m.text
}

// Type implements pflag.Value.
func (m moment) Type() string { return "time" }
