package canonical

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

const opNVD = "read NVD records"

// The members of the NVD's API 2.0 (nvd.nist.gov/developers/vulnerabilities) that are facts. Its configurations name
// products by CPE, which says nothing of packages and their versions as they are installed: they are not read.
type (
	nvdAnswer struct {
		Vulnerabilities listOf[nvdEntry] `json:"vulnerabilities"`
	}
	nvdEntry struct {
		CVE nvdCVE `json:"cve"`
	}
	nvdCVE struct {
		ID           string          `json:"id"`
		Published    string          `json:"published"`
		Modified     string          `json:"lastModified"`
		Status       string          `json:"vulnStatus"`
		Descriptions listOf[nvdText] `json:"descriptions"`
		Metrics      struct {
			V40 listOf[nvdMetric] `json:"cvssMetricV40"`
			V31 listOf[nvdMetric] `json:"cvssMetricV31"`
			V30 listOf[nvdMetric] `json:"cvssMetricV30"`
			V2  listOf[nvdMetric] `json:"cvssMetricV2"`
		} `json:"metrics"`
		Weaknesses []struct {
			Type        string    `json:"type"`
			Description []nvdText `json:"description"`
		} `json:"weaknesses"`
		KnownAdded string `json:"cisaExploitAdd"`
		KnownDue   string `json:"cisaActionDue"`
	}
	nvdText struct {
		Lang  string `json:"lang"`
		Value string `json:"value"`
	}
	nvdMetric struct {
		Type string `json:"type"` // Primary or Secondary
		Data struct {
			Vector string `json:"vectorString"`
		} `json:"cvssData"`
	}
)

// nvd makes one record of each CVE. It names no packages: it rates, describes, and says what was rejected, which counts as
// withdrawn by the NVD alone.
func (d *Decoded) nvd(source, name string, raw []byte) error {
	var in nvdAnswer
	if err := decodeAs(opNVD, raw, &in); err != nil {
		return err
	}
	for i := range in.Vulnerabilities {
		a, err := in.Vulnerabilities[i].CVE.advisory(source)
		if err != nil {
			d.bad(name, fmt.Sprintf("entry %d", i+1), err)
			continue
		}
		if err := d.add(a); err != nil {
			return err
		}
	}
	return nil
}

func (in *nvdCVE) advisory(source string) (a model.Advisory, err error) {
	id, err := cve(in.ID)
	if err != nil {
		return a, err
	}
	a.AdvisoryKey = model.AdvisoryKey{Source: source, ID: id}
	if a.Published, err = when(in.Published); err != nil {
		return a, fmt.Errorf("%s: published: %w", id, err)
	}
	if a.Modified, err = when(in.Modified); err != nil {
		return a, fmt.Errorf("%s: lastModified: %w", id, err)
	}
	if strings.EqualFold(in.Status, "Rejected") {
		a.Withdrawn = max(a.Modified, 1)
	}
	for _, t := range in.Descriptions {
		if t.Lang == "en" || strings.HasPrefix(t.Lang, "en-") {
			a.Summary = oneLine(t.Value, maxSummary)
			break
		}
	}
	if a.Severity, err = in.severity(); err != nil {
		return a, err
	}
	var cwes []string
	for _, w := range in.Weaknesses {
		for _, t := range w.Description {
			cwes = append(cwes, t.Value)
		}
	}
	a.CWEs = weaknesses(cwes...)
	if in.KnownAdded != "" {
		x := &model.Exploit{}
		if x.Known, err = when(in.KnownAdded); err != nil {
			return a, fmt.Errorf("%s: cisaExploitAdd: %w", id, err)
		}
		if x.Due, err = when(in.KnownDue); err != nil {
			return a, fmt.Errorf("%s: cisaActionDue: %w", id, err)
		}
		a.Exploit = x
	}
	return a, nil
}

// severity returns the vectors, of each version of CVSS the primary ones, which are the NVD's own; others where there are none.
func (in *nvdCVE) severity() ([]model.Score, error) {
	var out []score
	for _, v := range []struct {
		name string
		list []nvdMetric
	}{{"CVSS_V4", in.Metrics.V40}, {"CVSS_V3", slices.Concat(in.Metrics.V31, in.Metrics.V30)}, {"CVSS_V2", in.Metrics.V2}} {
		slices.SortStableFunc(v.list, func(a, b nvdMetric) int { return cmp.Compare(rankOf(a.Type), rankOf(b.Type)) })
		for i, m := range v.list {
			if i > 0 && rankOf(m.Type) > rankOf(v.list[0].Type) {
				break
			}
			if s := (score{v.name, m.Data.Vector}); s.Score != "" && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return scores(out)
}

func rankOf(kind string) int {
	if kind == "Primary" {
		return 0
	}
	return 1
}
