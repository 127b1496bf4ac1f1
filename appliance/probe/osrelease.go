package probe

import (
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const maxOSRelease = 64 << 10

// OS reads os-release(5). A machine without that file has an empty OS and no error.
func OS(r Root) (model.OS, error) {
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		b, err := r.read(name, maxOSRelease)
		switch {
		case err == nil:
			return parseOSRelease(string(b)), nil
		case !absent(err):
			return model.OS{}, fault.New(fault.KindOf(err), "probe system", "read %s: %w", name, err)
		}
	}
	return model.OS{}, nil
}

// parseOSRelease takes what it understands; a line that is no assignment is skipped, as the manual
// asks of readers. The last assignment of a name wins.
func parseOSRelease(text string) model.OS {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		values[name] = clip(unquote(value), 256)
	}
	os := model.OS{ID: strings.ToLower(values["ID"]), Name: values["PRETTY_NAME"], Version: values["VERSION_ID"], Codename: values["VERSION_CODENAME"]}
	if os.Name == "" {
		os.Name = strings.TrimSpace(values["NAME"] + " " + values["VERSION"])
	}
	return os
}

// unquote undoes the shell quoting that os-release(5) allows: single quotes, or double quotes with a
// backslash before $, ", \ and `.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	quote, s := s[0], s[1:len(s)-1]
	if quote == '\'' || !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("$\"\\`", s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
