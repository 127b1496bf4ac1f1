package canonical

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of a document that is more than one OSV record. One beyond them is refused whole.
const (
	MaxDocument = 32 << 20  // bytes
	maxInside   = 2_000_000 // JSON values
	maxRecords  = 500_000   // of one document
	maxCWEs     = 64        // of one record; more are left out
)

// Kind says in which form a document is published.
type Kind string

// The kinds.
const (
	KindOSV     Kind = "osv"     // one record, or a list of them
	KindKEV     Kind = "kev"     // CISA's catalog of known exploited vulnerabilities, JSON
	KindEPSS    Kind = "epss"    // the exploit prediction scores of one day, CSV
	KindNVD     Kind = "nvd"     // the answer of the NVD's API 2.0, or its feeds of that form
	KindCSAF    Kind = "csaf"    // a CSAF 2.0 document
	KindOpenVEX Kind = "openvex" // an OpenVEX document
	KindChange  Kind = "change"  // one line of a change set
)

// Decoded is what a document holds.
type Decoded struct {
	Kind    Kind
	Records []model.Advisory
	Deleted []model.AdvisoryKey // by a line of a change set
	Bad     []BadRecord
	// Document is set where the records are a version of one; nil: each stands for itself.
	Document *Document
}

// BadRecord is a part of a document that was left out.
type BadRecord struct {
	Name   string // the document, and which part of it
	Reason string // one line
}

func (d *Decoded) bad(name, part string, err error) {
	d.Bad = append(d.Bad, BadRecord{Name: name + " " + part, Reason: oneLine(err.Error(), 300)})
}

func (d *Decoded) add(a model.Advisory) error {
	if len(d.Records) >= maxRecords {
		return fault.New(fault.TooLarge, "read advisories", "it has more than %d records", maxRecords)
	}
	d.Records = append(d.Records, a)
	return nil
}

// Decode reads a document of any kind that came from a file or an archive entry of the given name; it tells the kind by what
// it holds. An empty source is guessed from the name, and where that says nothing, from the kind.
//
// A record of several that cannot be read is named in Decoded.Bad; the error is of the document as a whole, one line, and its
// kind is TooLarge for a bound and Invalid for everything else. Decode never panics and keeps nothing of raw.
func Decode(source, name string, raw []byte) (Decoded, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) // some spreadsheets put it first
	if len(raw) > MaxDocument {
		return Decoded{}, fault.New(fault.TooLarge, "read advisories", "it has %d bytes; the bound is %d", len(raw), MaxDocument)
	}
	kind := Sniff(raw)
	d := Decoded{Kind: kind}
	if kind == KindOSV && firstByte(raw) != '[' {
		a, err := DecodeFile(source, name, raw)
		if err == nil {
			d.Records = []model.Advisory{a}
		}
		return d, err
	}
	source = sourceOf(source, name, kind)
	if err := CheckSource(source); err != nil {
		return d, err
	}
	if kind != KindEPSS {
		if err := scanTo(raw, "read advisories", maxInside); err != nil {
			return d, err
		}
	}
	var err error
	switch kind {
	case KindOSV:
		err = d.list(source, name, raw)
	case KindKEV:
		err = d.kev(source, name, raw)
	case KindEPSS:
		err = d.epss(source, name, raw)
	case KindNVD:
		err = d.nvd(source, name, raw)
	case KindCSAF:
		err = d.csaf(source, raw)
	case KindOpenVEX:
		err = d.openVEX(source, name, raw)
	case KindChange:
		err = d.change(source, raw)
	}
	return d, err
}

// sourceOf guesses a source that nobody named.
func sourceOf(source, name string, kind Kind) string {
	if source != "" {
		return source
	}
	source = Source(name)
	if own, ok := ownSource[kind]; ok && source == "local" {
		return own
	}
	return source
}

// ownSource is what the source of a kind is called that nobody named.
var ownSource = map[Kind]string{
	KindKEV: "cisa-kev", KindEPSS: "epss", KindNVD: "nvd", KindCSAF: "csaf", KindOpenVEX: "openvex",
}

// deciding are the members of a document by which its kind is known. What comes first decides; a document that is none
// of the others is read as OSV.
var deciding = map[string]Kind{
	"@context": KindOpenVEX, "document": KindCSAF, "catalogVersion": KindKEV, "resultsPerPage": KindNVD, "op": KindChange,
	"id": KindOSV, "schema_version": KindOSV, "modified": KindOSV, "affected": KindOSV,
}

// Sniff says of which kind a document seems to be. It looks at no more than it needs, and is never an error: what is none of
// the others is KindOSV, whose reader says what is wrong with it.
func Sniff(raw []byte) Kind {
	switch firstByte(raw) {
	case '#':
		return KindEPSS
	case 'c', 'C':
		if len(raw) >= 3 && strings.EqualFold(string(raw[:3]), "cve") {
			return KindEPSS
		}
	case '{':
		return sniffObject(raw)
	}
	return KindOSV
}

func sniffObject(raw []byte) Kind {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if _, err := dec.ReadToken(); err != nil {
		return KindOSV
	}
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			return KindOSV
		}
		name := token.String()
		if kind, ok := deciding[name]; ok {
			return kind
		}
		if dec.PeekKind() == '"' {
			value, err := dec.ReadToken()
			if err != nil {
				return KindOSV
			}
			if name == "format" && value.String() == "NVD_CVE" {
				return KindNVD
			}
			continue
		}
		// Skipping what is nested could cost as much as reading it, and none of the kinds begins with it.
		if k := dec.PeekKind(); k == '{' || k == '[' || dec.SkipValue() != nil {
			return KindOSV
		}
	}
	return KindOSV
}

func firstByte(raw []byte) byte {
	if raw = bytes.TrimLeft(raw, " \t\r\n"); len(raw) > 0 {
		return raw[0]
	}
	return 0
}

// listOf is a list in a document, of as many entries as maxListed has room for: a few bytes of JSON can ask for an entry of
// hundreds.
type listOf[T any] []T

// maxListed bounds one list of entries that are no plain texts, in bytes of memory.
const maxListed = 16 << 20

// tooMany is the error of a list that has more than so many entries.
type tooMany int

func (n tooMany) Error() string { return fmt.Sprintf("a list in it has more than %d entries", int(n)) }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *listOf[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '[' { // the usual reader says what it should be
		return json.UnmarshalDecode(dec, (*[]T)(l))
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	*l = nil
	most := maxListed / int(reflect.TypeFor[T]().Size())
	for dec.PeekKind() != ']' {
		if len(*l) >= most {
			return tooMany(most)
		}
		var one T
		if err := json.UnmarshalDecode(dec, &one); err != nil {
			return err
		}
		*l = append(*l, one)
	}
	_, err := dec.ReadToken()
	return err
}

// decodeAs reads JSON into v; what is wrong is one line with op before it.
func decodeAs(op string, raw []byte, v any) error {
	err := json.Unmarshal(raw, v)
	var many tooMany
	switch {
	case err == nil:
		return nil
	case errors.As(err, &many):
		return fault.New(fault.TooLarge, op, "%w", many)
	}
	return fault.New(fault.Invalid, op, "%s", reason(err))
}

// list reads a list of OSV records.
func (d *Decoded) list(source, name string, raw []byte) error {
	var all listOf[jsontext.Value]
	if err := decodeAs("read list of OSV records", raw, &all); err != nil {
		return err
	}
	for i, one := range all {
		a, err := DecodeOSV(source, one)
		if err != nil {
			d.bad(name, fmt.Sprintf("record %d", i+1), err)
			continue
		}
		if err := d.add(a); err != nil {
			return err
		}
	}
	return nil
}

// weaknesses returns the CWE ids among texts, sorted, each once.
func weaknesses(texts ...string) []string {
	var out []string
	for _, s := range texts {
		s = strings.ToUpper(strings.TrimSpace(s))
		if n, ok := strings.CutPrefix(s, "CWE-"); ok && digits(n) && len(n) <= 6 {
			out = append(out, s)
		}
	}
	return firstOf(sortedOnce(out), maxCWEs)
}
