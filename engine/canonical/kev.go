package canonical

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const opKEV = "read catalog of known exploited vulnerabilities"

// kevCatalog is the JSON form of cisa.gov/known-exploited-vulnerabilities-catalog.
type kevCatalog struct {
	Released        string           `json:"dateReleased"`
	Count           jsontext.Value   `json:"count"`
	Vulnerabilities listOf[kevEntry] `json:"vulnerabilities"`
}

type kevEntry struct {
	CVE        string   `json:"cveID"`
	Name       string   `json:"vulnerabilityName"`
	Added      string   `json:"dateAdded"`
	Due        string   `json:"dueDate"`
	Ransomware string   `json:"knownRansomwareCampaignUse"`
	CWEs       []string `json:"cwes"`
}

// kev makes one record of facts of each entry, KEV-CVE-…: the catalog says of a vulnerability that it is exploited, and
// nothing of packages.
func (d *Decoded) kev(source, name string, raw []byte) error {
	var c kevCatalog
	if err := decodeAs(opKEV, raw, &c); err != nil {
		return err
	}
	released, err := when(c.Released)
	if err != nil {
		d.bad(name, "dateReleased", err)
	}
	if !released.IsZero() {
		d.Document = &Document{Source: source, ID: "catalog of known exploited vulnerabilities", Prefix: "KEV-", At: released, catalog: true}
		// A part of it does not say what is not in it, and one without anything is an accident.
		defer func() {
			d.Document.Whole = len(d.Bad) == 0 && len(c.Vulnerabilities) > 0 && string(c.Count) == strconv.Itoa(len(c.Vulnerabilities))
		}()
	}
	seen := map[string]bool{}
	for i := range c.Vulnerabilities {
		in := &c.Vulnerabilities[i]
		part := fmt.Sprintf("entry %d", i+1)
		id, err := cve(in.CVE)
		if err != nil {
			d.bad(name, part, err)
			continue
		}
		if seen[id] {
			d.bad(name, part, fault.New(fault.Invalid, opKEV, "%s is there twice; the first counts", id))
			continue
		}
		seen[id] = true
		added, err := when(in.Added)
		if err == nil && added.IsZero() {
			err = fmt.Errorf("%s has no date on which it was added", id)
		}
		if err != nil {
			d.bad(name, part, err)
			continue
		}
		// A slip of the pen puts it behind the catalog that has it. It is known since then at the latest, and a later date would have
		// the next catalog look older than what it has.
		if !released.IsZero() {
			added = min(added, released)
		}
		due, err := when(in.Due)
		if err != nil {
			d.bad(name, part, err)
			continue
		}
		a := model.Advisory{
			AdvisoryKey: model.AdvisoryKey{Source: source, ID: "KEV-" + id}, Upstream: []string{id}, Summary: oneLine(in.Name, maxSummary),
			Published: added, Modified: added, CWEs: weaknesses(in.CWEs...),
			Exploit: &model.Exploit{Known: added, Due: due, Ransomware: strings.EqualFold(in.Ransomware, "Known")},
		}
		if err := d.add(a); err != nil {
			return err
		}
	}
	return nil
}

// cve returns s in upper case if it has the form CVE-YYYY-N.
func cve(s string) (string, error) {
	id := strings.ToUpper(strings.TrimSpace(s))
	year, number, ok := strings.Cut(strings.TrimPrefix(id, "CVE-"), "-")
	if !ok || len(id) > 32 || !strings.HasPrefix(id, "CVE-") || len(year) != 4 || !digits(year) || len(number) < 4 || !digits(number) {
		return "", fmt.Errorf("%s is no CVE", quote(s))
	}
	return id, nil
}
