package model

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var (
	encoding = json.JoinOptions(json.Deterministic(true), jsontext.EscapeForHTML(false))
	decoding = json.JoinOptions(jsontext.AllowDuplicateNames(false))
)

// Encode returns the JSON of v. Equal values give equal bytes: maps are written with sorted keys.
// It fails only for values that hold invalid UTF-8 or cannot be JSON at all.
func Encode(v any) ([]byte, error) { return json.Marshal(v, encoding) }

// Decode reads JSON that Encode, or a newer version of it, wrote: unknown members are skipped, a
// duplicate member or anything after the value is an error.
func Decode(b []byte, v any) error { return json.Unmarshal(b, v, decoding) }
