package canonical

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/model"
)

// freeForm is what is kept of database_specific and ecosystem_specific, which have no schema: members that several sources
// use for the same thing. A member of another form than expected is passed over.
type freeForm struct {
	severity      string
	cwes          []string
	known, due    string   // CISA's catalog, converted
	ransomware    string   // the same
	neverAffected []string // Alpine's secdb, converted: "Alpine:v3.8 db"
	otherLines    []string // Debian's lists, converted: "[woody] - xine-lib <not-affected>"
}

// maxFreeForm bounds the list members of a freeForm.
const maxFreeForm = 1_000

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (f *freeForm) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*f = freeForm{}
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		var text *string
		var list *[]string
		switch name.String() {
		case "severity":
			text = &f.severity
		case "dateAdded":
			text = &f.known
		case "dueDate":
			text = &f.due
		case "knownRansomwareCampaignUse":
			text = &f.ransomware
		case "cwe_ids", "cwes", "cwe":
			list = &f.cwes
		case "never_affected":
			list = &f.neverAffected
		case "other_lines":
			list = &f.otherLines
		}
		kind := dec.PeekKind()
		switch {
		case text != nil && kind == '"':
			v, err := dec.ReadToken()
			if err != nil {
				return err
			}
			*text = v.String()
		case list != nil && (kind == '[' || kind == '"'):
			v, err := dec.ReadValue()
			if err != nil {
				return err
			}
			var texts []string
			if kind == '"' {
				texts = make([]string, 1)
				err = json.Unmarshal(v, &texts[0])
			} else {
				err = json.Unmarshal(v, &texts)
			}
			if err == nil { // it is a list of texts
				*list = firstOf(append(*list, texts...), maxFreeForm)
			}
		default:
			if err := dec.SkipValue(); err != nil {
				return err
			}
		}
	}
	_, err := dec.ReadToken()
	return err
}

func firstOf(list []string, n int) []string { return list[:min(len(list), n)] }

// exploit returns what a converted record of CISA's catalog says; nil: it is none.
func (f *freeForm) exploit() *model.Exploit {
	if f.known == "" {
		return nil
	}
	known, err := when(f.known)
	if err != nil || known.IsZero() {
		return nil
	}
	due, _ := when(f.due) // a due date that means nothing is none
	return &model.Exploit{Known: known, Due: due, Ransomware: strings.EqualFold(f.ransomware, "Known")}
}

// debian gives the numbers of Debian's releases, by which its lists do not call them.
var debian = map[string]string{
	"woody": "3.0", "sarge": "3.1", "etch": "4.0", "lenny": "5.0", "squeeze": "6.0", "wheezy": "7", "jessie": "8", "stretch": "9",
	"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
}

// statements returns what converted records of distributions state of packages that were never affected. affected is what the
// same record has of packages that are: where it says both, the statement is left out.
func (f *freeForm) statements(at model.Time, affected []model.Affected) []model.Statement {
	var out []model.Statement
	say := func(ecosystem, pkg, purl, note string) {
		if slices.ContainsFunc(affected, func(e model.Affected) bool { return e.Ecosystem == ecosystem && e.Name == pkg }) {
			return
		}
		out = append(out, model.Statement{Products: []string{purl}, Status: model.StatementNotAffected, Note: note, At: at})
	}
	for _, s := range f.neverAffected {
		release, pkg, _ := strings.Cut(s, " ")
		if release, ok := strings.CutPrefix(release, "Alpine:"); ok && word(release) && word(pkg) {
			say("Alpine:"+release, pkg, "pkg:apk/alpine/"+pkg+"?arch=source&distro="+release, "never affected")
		}
	}
	for _, s := range f.otherLines {
		rest, ok := strings.CutPrefix(s, "[")
		if !ok {
			continue
		}
		name, rest, ok := strings.Cut(rest, "] - ")
		number, known := debian[name]
		pkg, note, found := strings.Cut(rest, " <not-affected>")
		// A line that goes on about one of several vulnerabilities does not say it of all.
		if ok && known && found && word(pkg) && !strings.Contains(note, "CVE-") {
			say("Debian:"+number, pkg, "pkg:deb/debian/"+pkg+"?arch=source&distro=debian-"+number, oneLine(strings.Trim(note, " ()"), maxSummary))
		}
	}
	return out
}

// word reports whether s can stand in a package URL as it is.
func word(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_+~", c)
	})
}

// modules returns the module streams that an erratum's title names: "Important: virt:rhel and virt-devel:rhel security update".
func modules(summary string) []string {
	var out []string
	for w := range strings.FieldsSeq(summary) {
		w = strings.TrimRight(w, ",;")
		name, stream, ok := strings.Cut(w, ":")
		if ok && word(name) && word(stream) {
			out = append(out, w)
		}
	}
	return sortedOnce(out)
}

// ofModule reports whether an entry is about packages that were built for a module: their releases say so.
func ofModule(e *model.Affected) bool {
	for i := range e.Ranges {
		for _, v := range e.Ranges[i].Events {
			if strings.Contains(v.Fixed, ".module_el") || strings.Contains(v.Fixed, ".module+el") {
				return true
			}
		}
	}
	return false
}
