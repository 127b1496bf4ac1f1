package bundle

import (
	"bufio"
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

// checkDepth fails when arrays and objects in the JSON text b are nested deeper than most. It counts
// brackets outside strings, so it is right for valid JSON and harmless for anything else.
func checkDepth(b []byte, most int) error {
	depth, inString := 0, false
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
			if depth++; depth > most {
				return fault.New(fault.TooLarge, "read bundle", "JSON is nested deeper than %d", most)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// decodeLine turns line n of a part into a change and judges it: key, and cursor in (from, to].
func decodeLine(part string, n int, line []byte, m Manifest, lim Limits) (model.AdvisoryChange, error) {
	bad := func(format string, args ...any) (model.AdvisoryChange, error) {
		args = append([]any{part, n}, args...)
		return model.AdvisoryChange{}, fault.New(fault.Corrupt, "read bundle", "%s: line %d: "+format, args...)
	}
	if err := checkDepth(line, lim.Depth); err != nil {
		return model.AdvisoryChange{}, fault.Wrap(part, err)
	}
	var c model.AdvisoryChange
	if part == advisoriesName {
		c.Advisory = new(model.Advisory)
		if err := model.Decode(line, c.Advisory); err != nil {
			return bad("not an advisory: %w", err)
		}
		c.Key, c.Cursor = c.Advisory.AdvisoryKey, c.Advisory.Cursor
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
