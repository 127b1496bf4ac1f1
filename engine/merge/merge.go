// Package merge joins the records of all sources that speak of one vulnerability into one canonical, and says why.
//
// It owns the identity of canonicals (the merge hash), the rule by which records are joined, and which source wins which
// field. Records are joined by their aliases alone, never by names, texts or dates, and no group ever holds two CVEs: what
// would join them stands alone, with its reason. The same records give the same groups in whatever order they came.
// It never reads a store on its own, and never changes a record. DESIGN.md has the rule for people.
package merge

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Scheme names the version of the rule and of the struct that is hashed. A new one gives every canonical a new hash.
const Scheme = "skerry-canonical/1"

// Hash returns the merge hash of the canonical with that id, in whatever case: "sha256:" and the hex SHA-256 of
// {"id":ID,"scheme":"skerry-canonical/1"} in the form of RFC 8785, ID folded.
func Hash(id string) string {
	b, err := model.Encode(struct {
		ID     string `json:"id"`
		Scheme string `json:"scheme"`
	}{Fold(strings.ToValidUTF8(id, "\uFFFD")), Scheme})
	if err != nil { // texts that are UTF-8 always encode
		panic(err)
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Record is what grouping looks at of an advisory.
type Record struct {
	model.AdvisoryKey
	IDs  []string // its own id without the suffix of a second record, then its aliases; each once, in whatever case
	Fact string   // the CVE that it carries only facts about (KEV, EPSS); empty: it is an advisory
}

// RecordOf returns what grouping looks at of a.
func RecordOf(a model.Advisory) Record {
	r := Record{AdvisoryKey: a.AdvisoryKey}
	own := a.ID
	if i := strings.Index(own, apart); i > 0 {
		own = own[:i]
	}
	if Fold(own) == "" { // no reader lets it through
		own = apart + a.Source
	}
	seen := map[string]bool{"": true}
	for _, id := range append([]string{own}, a.Aliases...) {
		if f := Fold(id); !seen[f] {
			seen[f] = true
			r.IDs = append(r.IDs, id)
		}
	}
	// A record whose own id is the CVE is one about the vulnerability, whatever it leaves out.
	if a.Exploit != nil && len(a.Affected) == 0 && len(a.Severity) == 0 && len(a.Statements) == 0 && !model.IsCVE(own) {
		r.Fact = aboutOne(r.IDs, a.Upstream, a.Related)
	}
	return r
}

// aboutOne returns the CVE that a record of facts is about: the only one in the first of lists that has any. Empty: there is
// none, or there are several.
func aboutOne(lists ...[]string) string {
	for _, list := range lists {
		var cves []string
		for _, id := range list {
			if model.IsCVE(id) {
				cves = append(cves, Fold(id))
			}
		}
		if len(cves) == 0 {
			continue
		}
		slices.Sort(cves)
		if cves = slices.Compact(cves); len(cves) > 1 {
			return ""
		}
		return cves[0]
	}
	return ""
}

// Identities returns the folded identities by which a is found when others are grouped: those of Record.IDs, and the CVE of
// a record of facts. An index over them is all that grouping needs (see Names).
func Identities(a model.Advisory) []string {
	r := RecordOf(a)
	out := make([]string, 0, len(r.IDs)+1)
	for _, id := range r.IDs {
		out = append(out, Fold(id))
	}
	if r.Fact != "" {
		out = append(out, r.Fact)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Fold returns the form by which identifiers are compared: upper case, without blanks at the ends.
func Fold(id string) string { return strings.ToUpper(strings.TrimSpace(id)) }
