package bundle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// lines calls fn with each line of r, without its end. Every line must be ended by a newline and have
// at most most bytes. The slice is valid until fn returns.
func lines(r io.Reader, name string, most int, fn func(n int, line []byte) error) error {
	const op = "read bundle"
	br := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for n := 1; ; n++ {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = long[:0]
			for errors.Is(err, bufio.ErrBufferFull) && len(long) <= most {
				long = append(long, line...)
				line, err = br.ReadSlice('\n')
			}
			long = append(long, line...)
			line = long
		}
		if len(line) > most+1 || len(line) == most+1 && line[most] != '\n' {
			return fault.New(fault.TooLarge, op, "%s: line %d is longer than %d bytes", name, n, most)
		}
		if err == io.EOF {
			if len(line) > 0 {
				return fault.New(fault.Corrupt, op, "%s: line %d has no end", name, n)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(n, line[:len(line)-1]); err != nil {
			return err
		}
	}
}

// checkShape fails when the JSON text b is nested deeper, has more arrays and objects, or more commas than lim allows: what
// decodes it takes memory for each of them. It counts outside strings, so it is right for valid JSON and harmless
// for anything else.
func checkShape(b []byte, lim Limits) error {
	const op = "read bundle"
	depth, nodes, values, inString := 0, 0, 0, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case inString:
			if c == '\\' {
				i++
			} else if c == '"' {
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth > lim.Depth {
				return fault.New(fault.TooLarge, op, "JSON is nested deeper than %d", lim.Depth)
			}
			if nodes++; nodes > lim.Nodes {
				return fault.New(fault.TooLarge, op, "JSON has more than %d arrays and objects", lim.Nodes)
			}
		case c == '}' || c == ']':
			depth--
		case c == ',':
			if values++; values > lim.Values {
				return fault.New(fault.TooLarge, op, "JSON has more than %d values", lim.Values)
			}
		}
	}
	return nil
}

// encodeLine returns the index of the part that c belongs to, and its line without the end.
func encodeLine(c model.AdvisoryChange) (int, []byte, error) {
	if c.Raw != nil {
		b, err := lineOf(c)
		return 0, b, err
	}
	if c.Advisory == nil {
		b, err := model.Encode(deletion{AdvisoryKey: c.Key, Cursor: c.Cursor})
		return 1, b, err
	}
	r := record{Advisory: *c.Advisory, Canonical: c.Canonical}
	// Whose bundle brought a record is each server's own affair.
	r.AdvisoryKey, r.Cursor, r.Origin, r.Also = c.Key, c.Cursor, model.NodeID{}, nil
	b, err := model.Encode(r)
	return 0, b, err
}

// lineOf makes the line of a record that is encoded already: the same bytes as if it were decoded and encoded again. The
// last members of a record are its cursor, which is that of the change, and whose bundles brought it, which stays here.
func lineOf(c model.AdvisoryChange) ([]byte, error) {
	const member, idText = `,"origin":"`, 36 // an id as text
	b := withoutAlso(c.Raw)
	if i := len(b) - len(member) - idText - len(`"}`); i > 0 && string(b[i:i+len(member)]) == member {
		b = b[:i]
	} else if len(b) > 0 && b[len(b)-1] == '}' {
		b = b[:len(b)-1]
	} else {
		return nil, fault.New(fault.Corrupt, "", "%s is no object", c.Key)
	}
	line := append(make([]byte, 0, len(b)+len(c.Canonical)+16), b...)
	if c.Canonical != "" {
		name, err := model.Encode(c.Canonical)
		if err != nil {
			return nil, err
		}
		line = append(append(line, `,"canonical":`...), name...)
	}
	return append(line, '}'), nil
}

// withoutAlso returns a record without its last member where that is the list of its further origins. Within a text its quotes would be
// written otherwise.
func withoutAlso(b []byte) []byte {
	const member, end = `,"also":[`, `]}`
	if !bytes.HasSuffix(b, []byte(`"`+end)) {
		return b
	}
	i := bytes.LastIndex(b, []byte(member))
	if i < 0 || bytes.ContainsAny(b[i+len(member):len(b)-len(end)], `[]{}:`) {
		return b
	}
	return append(bytes.Clone(b[:i]), '}')
}

// decodeLine turns line n of a part into a change and judges it: key, and cursor in (from, to].
func decodeLine(part string, n int, line []byte, m Manifest, lim Limits) (model.AdvisoryChange, error) {
	bad := func(format string, args ...any) (model.AdvisoryChange, error) {
		args = append([]any{part, n}, args...)
		return model.AdvisoryChange{}, fault.New(fault.Corrupt, "read bundle", "%s: line %d: "+format, args...)
	}
	if err := checkShape(line, lim); err != nil {
		return model.AdvisoryChange{}, fault.Wrap(part, err)
	}
	var c model.AdvisoryChange
	if part == advisoriesName {
		var r record
		if err := model.Decode(line, &r); err != nil {
			return bad("not an advisory: %w", err)
		}
		r.Origin, r.Also = model.NodeID{}, nil
		c = model.AdvisoryChange{Key: r.AdvisoryKey, Cursor: r.Cursor, Advisory: &r.Advisory, Canonical: r.Canonical}
	} else {
		var d deletion
		if err := model.Decode(line, &d); err != nil {
			return bad("not a deletion: %w", err)
		}
		c.Key, c.Cursor = d.AdvisoryKey, d.Cursor
	}
	if why := changeFault(c, m); why != "" {
		return bad("%s", why)
	}
	return c, nil
}

// changeFault says why c cannot stand in a bundle with that range, or "".
func changeFault(c model.AdvisoryChange, m Manifest) string {
	if why := keyFault(c.Key); why != "" {
		return why
	}
	if c.Cursor.Compare(m.From) <= 0 || c.Cursor.Compare(m.To) > 0 {
		return fmt.Sprintf("%s has the cursor %q, outside the bundle's range from %q to %q", c.Key, c.Cursor, m.From, m.To)
	}
	if len(c.Canonical) > maxName {
		return fmt.Sprintf("the canonical of %s has more than %d bytes", c.Key, maxName)
	}
	return ""
}

// keyFault says what is wrong with a key, or "".
func keyFault(k model.AdvisoryKey) string {
	if len(k.ID) == 0 || len(k.ID) > 128 {
		return "an advisory's id has 1 to 128 bytes"
	}
	if len(k.Source) == 0 || len(k.Source) > 64 {
		return "an advisory's source has 1 to 64 bytes"
	}
	for _, c := range []byte(k.Source) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return "an advisory's source has only a-z 0-9 . _ -"
		}
	}
	return ""
}
