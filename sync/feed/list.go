package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
)

// The forms of files, by the ends of their names; each may be packed with gzip, which adds .gz.
const (
	extJSON   = ".json"   // one document; a long list of records in it is taken apart
	extCSV    = ".csv"    // a table; taken apart by lines, each piece with the lines of its head
	extNDJSON = ".ndjson" // a record, or an entry of a change set, on each line
	extJSONL  = ".jsonl"  // the same
	extGZ     = ".gz"
)

// form returns the end of a name that says what its file is, without .gz; "" for what is no file of records.
func form(name string) (ext string, packed bool) {
	base := strings.ToLower(path.Base(strings.ReplaceAll(name, "\\", "/")))
	if strings.HasPrefix(base, ".") {
		return "", false
	}
	base, packed = strings.CutSuffix(base, extGZ)
	switch ext = path.Ext(base); ext {
	case extJSON, extCSV, extNDJSON, extJSONL:
		return ext, packed
	}
	return "", false
}

// isFile reports whether a file of that name has records in it without being an archive.
func isFile(name string) bool {
	ext, _ := form(name)
	return ext != ""
}

const (
	// piece is about how large the documents are that a long list is taken apart into, in bytes.
	piece = 1 << 20
	// maxHead bounds what stands beside the list and is repeated in each piece, in bytes.
	maxHead = 64 << 10
	// maxRow bounds one line of a table, in bytes.
	maxRow = 64 << 10
	// listMember is the member that holds the records of a catalog: NVD's and CISA's both call it so.
	listMember = "vulnerabilities"
)

// contents hands over the records of one file that is no archive.
func (w *walker) contents(name string, r io.Reader) error {
	ext, packed := form(name)
	if packed {
		z, err := gzip.NewReader(bufio.NewReader(r))
		if err != nil {
			return err
		}
		// What comes out of all packed files of one archive is bounded together.
		out := &bounded{r: z, left: w.lim.Expanded - w.unpacked, most: w.lim.Expanded}
		before := out.left
		err = w.contents(name[:len(name)-len(extGZ)], out)
		w.unpacked += before - out.left
		if marked(err) {
			return err
		}
		return out.first(err)
	}
	switch ext {
	case extNDJSON, extJSONL:
		return w.lines(name, ext, r)
	case extCSV:
		return w.table(name, r)
	}
	raw, err := readCut(r, w.buf, w.lim.Record)
	w.buf = raw[:0]
	if err != nil {
		return err
	}
	if int64(len(raw)) > w.lim.Record {
		// The bytes that were read are read again by the one that takes the list apart, so it has a buffer of its own.
		begun := bytes.Clone(raw[:min(len(raw), maxHead)])
		if kind := listed(begun); kind != 0 {
			w.buf = nil
			return w.list(name, kind, io.MultiReader(bytes.NewReader(raw), r))
		}
	}
	return w.give(name, raw)
}

// LineOf returns where a line of a file stands, as FILE:LINE, by the name that it is handed over with; other names are returned as they
// are.
func LineOf(name string) string {
	rest, ok := strings.CutSuffix(name, extJSON)
	if !ok {
		return name
	}
	at := strings.LastIndexByte(rest, ':')
	if at < 0 {
		return name
	}
	_, err := strconv.ParseUint(rest[at+1:], 10, 31)
	if ext, _ := form(rest[:at]); err != nil || ext != extNDJSON && ext != extJSONL {
		return name
	}
	return rest
}

// numbered is the name of the n-th piece of a file.
func numbered(name, ext string, n int, as string) string {
	return fmt.Sprintf("%s.%06d%s", name[:len(name)-len(ext)], n, as)
}

// lines hands over each line that is not blank.
func (w *walker) lines(name, ext string, r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for n := 1; ; n++ {
		line = line[:0]
		var err error
		for {
			var part []byte
			part, err = in.ReadSlice('\n')
			// Of a line that is too long the rest is passed over.
			line = append(line, part[:min(int64(len(part)), w.lim.Record+1-int64(len(line)))]...)
			if !errors.Is(err, bufio.ErrBufferFull) {
				break
			}
		}
		if err != nil && err != io.EOF {
			return err
		}
		if raw := bytes.TrimSpace(line); len(raw) > 0 {
			if n > w.lim.Entries {
				return fault.New(fault.TooLarge, "", "it has more than %d lines", w.lim.Entries)
			}
			if err := w.give(name+":"+strconv.Itoa(n)+extJSON, raw); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// table hands over a table of lines in pieces. Comments (#) before the first line, and that line, are the head of each.
func (w *walker) table(name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, maxRow)
	var out []byte
	head, rows := 0, 0
	for n, headed := 1, false; ; {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fault.New(fault.TooLarge, "", "line %d has more than %d bytes", rows+1, maxRow)
		case err != nil && err != io.EOF:
			return err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			out = append(append(out, bytes.TrimRight(line, "\r\n")...), '\n')
			switch {
			case headed:
				rows++
			case len(out) > maxHead:
				return fault.New(fault.TooLarge, "", "the head of the table has more than %d bytes", maxHead)
			default:
				headed = line[0] != '#'
				head = len(out)
			}
		}
		if rows > 0 && (len(out) >= piece || err == io.EOF) {
			if n > w.lim.Entries {
				return fault.New(fault.TooLarge, "", "it has more than %d pieces", w.lim.Entries)
			}
			if err := w.give(numbered(name, extCSV, n, extCSV), out); err != nil {
				return err
			}
			n, rows, out = n+1, 0, out[:head]
		}
		if err == io.EOF {
			return nil
		}
	}
}

// listed says by its beginning what a long JSON document is: '[' a list of records, '{' a catalog that can be taken apart,
// 0 neither.
func listed(begun []byte) jsontext.Kind {
	in := jsontext.NewDecoder(bytes.NewReader(begun))
	first, err := in.ReadToken()
	if err != nil || first.Kind() != '{' {
		if err == nil && first.Kind() == '[' {
			return '['
		}
		return 0
	}
	for {
		name, err := in.ReadToken()
		if err != nil || name.Kind() != '"' {
			return 0
		}
		isList := name.String() == listMember
		switch kind := in.PeekKind(); {
		case isList && kind == '[':
			return '{'
		case kind == '[' || kind == '{':
			return 0 // a document of which no part stands alone
		}
		if _, err := in.ReadToken(); err != nil {
			return 0
		}
	}
}

// list takes a long list of records apart. It holds one record at a time.
func (w *walker) list(name string, kind jsontext.Kind, r io.Reader) error {
	source := &portion{r: r, most: w.lim.Record}
	in := jsontext.NewDecoder(bufio.NewReaderSize(source, 64<<10))
	if _, err := in.ReadToken(); err != nil {
		return source.first(err)
	}
	out := []byte("[")
	if kind == '{' {
		out = []byte("{")
		for {
			member, err := in.ReadToken()
			if err != nil {
				return source.first(err)
			}
			label := member.String()
			key, err := jsontext.AppendQuote(nil, label)
			if err != nil {
				return err
			}
			out = append(append(out, key...), ':')
			if label == listMember {
				break
			}
			value, err := in.ReadValue()
			if err != nil {
				return source.first(err)
			}
			out = append(append(out, value...), ',')
		}
		if _, err := in.ReadToken(); err != nil { // it is the list, as listed has seen
			return source.first(err)
		}
		out = append(out, '[')
	}
	head, n := len(out), 1
	give := func() error {
		if len(out) == head {
			return nil
		}
		if n > w.lim.Entries {
			return fault.New(fault.TooLarge, "", "it has more than %d pieces", w.lim.Entries)
		}
		out = append(out, ']')
		if kind == '{' {
			out = append(out, '}')
		}
		err := w.give(numbered(name, extJSON, n, extJSON), out)
		n, out = n+1, out[:head]
		return err
	}
	for in.PeekKind() != ']' {
		source.read = 0
		value, err := in.ReadValue()
		if err != nil {
			return source.first(err)
		}
		if len(out) > head {
			if len(out)+len(value) > piece {
				if err := give(); err != nil {
					return err
				}
			} else {
				out = append(out, ',')
			}
		}
		out = append(out, value...)
	}
	return give()
}

// portion fails where a single record would make the reader hold more than most bytes.
type portion struct {
	r          io.Reader
	read, most int64 // since the last record
	err        error
}

func (p *portion) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.r.Read(b)
	if p.read += int64(n); p.read > p.most+maxHead {
		p.err = fault.New(fault.TooLarge, "", "a record in it has more than %d bytes", p.most)
		return 0, p.err
	}
	return n, err
}

// first returns the portion's own error if it is the cause, and err otherwise, as an end that came early.
func (p *portion) first(err error) error {
	if p.err != nil {
		return p.err
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
