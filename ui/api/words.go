package api

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// nameWords says what a name may be; it is what stands for the pattern that names have.
const nameWords = "want 1 to 64 of a-z 0-9 . _ -, not beginning with a mark"

// patterns has words for the patterns of ui/schema.
var patterns = map[string]string{"^[a-z0-9][a-z0-9._-]*$": nameWords}

// words turns what huma found wrong with a request into one line for a person. A value is never
// repeated, whatever it is: errors end up in logs, and a secret may stand in a wrong field.
func words(found []*huma.ErrorDetail) string {
	const most = 3
	var lines []string
	named := map[string]bool{} // fields whose pattern says everything about their length, too
	for _, d := range found {
		if d != nil && strings.Contains(inWords(d.Message), nameWords) {
			named[d.Location] = true
		}
	}
	for _, d := range found {
		if d == nil {
			continue
		}
		field, text := fieldOf(d.Location), inWords(d.Message)
		if named[d.Location] {
			text = nameWords
		}
		if missing, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
			field, text = strings.TrimPrefix(field+"."+strings.TrimSuffix(missing, " to be present"), "."), "it is missing"
		}
		switch {
		case field != "":
			text = field + ": " + text
		case d.Location == "body":
			text = "the request's body: " + text
		}
		if !slices.Contains(lines, text) {
			lines = append(lines, text)
		}
	}
	if more := len(lines) - most; more > 0 {
		lines = append(lines[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "; ")
}

// maxField bounds a field's name in a message, in bytes.
const maxField = 64

// fieldOf is where a value stands, as the caller knows it: without the part of the request that huma
// puts in front. It is empty for the whole body.
func fieldOf(location string) string {
	for _, part := range []string{"body", "query", "path", "header", "cookie"} {
		if location == part {
			return ""
		}
		if field, ok := strings.CutPrefix(location, part+"."); ok {
			location = field
			break
		}
	}
	if len(location) > maxField { // a field that does not exist may have any name
		location = strings.ToValidUTF8(location[:maxField], "") + "…"
	}
	return location
}

// inWords says for people what one of huma's messages says for programmers.
func inWords(message string) string {
	if word, ok := plainWords[message]; ok {
		return word
	}
	for _, m := range []struct{ begins, says string }{
		{"expected length >= ", "at least %s characters"},
		{"expected length <= ", "at most %s characters"},
		{"expected array length >= ", "at least %s of them"},
		{"expected array length <= ", "at most %s of them"},
		{"expected number >= ", "at least %s"},
		{"expected number <= ", "at most %s"},
		{"expected number > ", "more than %s"},
		{"expected number < ", "less than %s"},
		{"expected value to be one of ", "want one of %s"},
	} {
		if rest, ok := strings.CutPrefix(message, m.begins); ok {
			return fmt.Sprintf(m.says, numberOf(strings.Trim(rest, `"`)))
		}
	}
	if pattern, ok := strings.CutPrefix(message, "expected string to match pattern "); ok {
		if word, ok := patterns[pattern]; ok {
			return word
		}
		return "want a text of the form " + pattern
	}
	switch {
	case strings.HasPrefix(message, "invalid character "), strings.HasPrefix(message, "unexpected end of JSON"):
		return "it is no JSON: " + message
	case strings.Contains(message, "unmarshal"): // the rest of such a message repeats the value
		return "it does not fit"
	}
	return message
}

// numberOf writes a number out that has an exponent. One that is whole in GiB bounds a size.
func numberOf(text string) string {
	if n, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, "eE") {
		if n >= 1<<30 && math.Mod(n, 1<<30) == 0 {
			return strconv.FormatFloat(n/(1<<30), 'f', -1, 64) + " GiB"
		}
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return text
}

// plainWords are the messages without a number in them.
var plainWords = map[string]string{
	"unexpected property":     "there is no such field",
	"unknown query parameter": "there is no such parameter",
	"expected boolean":        "want true or false",
	"expected number":         "want a number",
	"expected integer":        "want a whole number",
	"expected string":         "want a text",
	"expected array":          "want a list",
	"expected object":         "want a JSON object",
	"invalid integer":         "want a whole number",
	"invalid float":           "want a number",
	"invalid boolean":         "want true or false",
}
