package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func csafOf(date, version string, cves ...string) string {
	var vulnerabilities []string
	for _, c := range cves {
		vulnerabilities = append(vulnerabilities, fmt.Sprintf(`{"cve":%q,"product_status":{"known_not_affected":["a"]}}`, c))
	}
	return fmt.Sprintf(`{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"t","tracking":{"id":"A-1","version":%q,"current_release_date":%q}},
"product_tree":{"full_product_names":[{"product_id":"a","product_identification_helper":{"purl":"pkg:npm/a@1.0.0"}}]},"vulnerabilities":[%s]}`,
		version, date, strings.Join(vulnerabilities, ","))
}

func openVEXOf(date, version string, cves ...string) string {
	var statements []string
	for _, c := range cves {
		statements = append(statements, fmt.Sprintf(`{"vulnerability":{"name":%q},"products":[{"@id":"pkg:npm/a@1.0.0"}],"status":"fixed"}`, c))
	}
	return fmt.Sprintf(`{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://x/vex-1","author":"x","timestamp":%q,"version":%s,"statements":[%s]}`, date, version, strings.Join(statements, ","))
}

// slipped writes one date for another.
func slipped(text, date string) string { return strings.Replace(text, "2024-01-01", date, 1) }

func kevOf(date string, count int, cves ...string) string {
	var entries []string
	for _, c := range cves {
		entries = append(entries, fmt.Sprintf(`{"cveID":%q,"dateAdded":"2024-01-0%c"}`, c, c[len(c)-1]))
	}
	return fmt.Sprintf(`{"catalogVersion":"1","dateReleased":%q,"count":%d,"vulnerabilities":[%s]}`, date, count, strings.Join(entries, ","))
}

// named returns the vulnerabilities that the records of a server are about, those of withdrawn records with a minus.
func (r *rowRig) named() []string {
	return look(r, func(v View) (all []string, err error) {
		err = v.EachAdvisory(func(a model.Advisory) error {
			name := a.ID[max(0, strings.LastIndex(a.ID, "CVE-")):]
			if !a.Withdrawn.IsZero() {
				name = "-" + name
			}
			all = append(all, name)
			return nil
		})
		return all, err
	})
}

// TestADocumentIsAUnit: a version of it takes the place of the one before, whole, and never of a newer one.
func TestADocumentIsAUnit(t *testing.T) {
	const day1, day2, day3 = "2024-02-01T00:00:00Z", "2024-02-02T00:00:00Z", "2024-02-03T00:00:00Z"
	const one, two, three = "CVE-2024-1001", "CVE-2024-1002", "CVE-2024-1003"
	broken := strings.Replace(csafOf(day2, "2", one), `"vulnerabilities":[`, `"vulnerabilities":[{},`, 1)
	for _, c := range []struct {
		name    string
		texts   []string // each in a run of its own
		want    []string
		older   int // of the last
		deleted int // of the last
	}{
		{"CSAF that names one less", []string{csafOf(day1, "1", one, two), csafOf(day2, "2", one)}, []string{one}, 0, 1},
		{"CSAF that names another one", []string{csafOf(day1, "1", one), csafOf(day2, "2", two)}, []string{two}, 0, 1},
		{"CSAF, the version before", []string{csafOf(day2, "2", one), csafOf(day1, "1", one, two)}, []string{one}, 2, 0},
		{"CSAF, a version of the same time", []string{csafOf(day2, "10", one), csafOf(day2, "9", two)}, []string{one}, 1, 0},
		{"CSAF, the next version of the same time", []string{csafOf(day2, "9", one), csafOf(day2, "10", two)}, []string{two}, 0, 1},
		{"CSAF of which a part cannot be read", []string{csafOf(day1, "1", one, two), broken}, []string{one, two}, 0, 0},
		{"CSAF of which a part could not be read", []string{csafOf(day1, "1", one, two), broken, csafOf(day3, "3", one)}, []string{one}, 0, 1},
		{"CSAF that names nothing any more", []string{csafOf(day1, "1", one, two), csafOf(day2, "2")}, []string{"-" + one, "-" + two}, 0, 0},
		{"CSAF that named nothing, the version before", []string{csafOf(day1, "1", one, two), csafOf(day3, "3"), csafOf(day2, "2", one)}, []string{"-" + one, "-" + two}, 1, 0},
		{"CSAF that names something again", []string{csafOf(day1, "1", one, two), csafOf(day2, "2"), csafOf(day3, "3", one)}, []string{one}, 0, 1},
		{"OpenVEX that names one less", []string{openVEXOf(day1, "1", one, two), openVEXOf(day2, "2", two)}, []string{two}, 0, 1},
		{"OpenVEX, the version before", []string{openVEXOf(day1, "2", one), openVEXOf(day1, "1", one, two)}, []string{one}, 2, 0},
		{"KEV that names one less", []string{kevOf(day1, 2, one, two), kevOf(day2, 1, two)}, []string{two}, 0, 1},
		{"KEV of before its newest entry", []string{kevOf(day1, 2, one, three), kevOf("2024-01-02T00:00:00Z", 1, one)}, []string{one, three}, 1, 0},
		{"KEV with an entry of a day to come", []string{slipped(kevOf(day1, 1, one), "2062-01-01"), kevOf(day2, 2, one, two)}, []string{one, two}, 0, 0},
		{"KEV of a day to come", []string{slipped(kevOf("2062-01-02T00:00:00Z", 1, one), "2062-01-01"), kevOf(day2, 2, one, two)}, []string{one, two}, 0, 0},
		{"CSAF of a day to come", []string{csafOf("2062-01-02T00:00:00Z", "9", one), csafOf(day2, "2", one, two)}, []string{one, two}, 0, 0},
		{"a part of KEV", []string{kevOf(day1, 2, one, two), kevOf(day2, 2, one)}, []string{one, two}, 0, 0},
		{"KEV without entries", []string{kevOf(day1, 2, one, two), kevOf(day2, 0)}, []string{one, two}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			take := func(r *rowRig, files map[string]string) schema.Ingested {
				return read[schema.Ingested](r.rig, r.do("POST", "/api/v1/advisories/ingest?source=vendor", packed(t, files), "Content-Type", "application/zstd"), 200)
			}
			r := newHQ(t)
			// Another document, whose id begins alike, is left alone.
			other := strings.ReplaceAll(csafOf(day1, "1", "CVE-2024-9999"), `"A-1"`, `"A-1:2"`)
			take(r, map[string]string{"other.json": other})
			var done schema.Ingested
			for _, text := range c.texts {
				done = take(r, map[string]string{"a.json": text})
			}
			got := r.named()
			if i := slices.Index(got, "CVE-2024-9999"); i < 0 {
				t.Error("the other document is gone")
			} else {
				got = slices.Delete(got, i, i+1)
			}
			if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(c.want))) || done.OlderN != c.older || done.Deleted != c.deleted {
				t.Errorf("%v, %+v; want %v, %d older and %d deleted", got, done, c.want, c.older, c.deleted)
			}
			again := take(r, map[string]string{"a.json": c.texts[len(c.texts)-1]})
			if again.Created+again.Updated+again.Deleted != 0 {
				t.Errorf("the last once more: %+v", again)
			}
			if slices.ContainsFunc(c.want, func(s string) bool { return s[0] == '-' }) {
				return
			}
			// All of it in one run comes to the same, but that what was there for no time leaves nothing behind.
			whole := newHQ(t)
			files := map[string]string{"0.json": other}
			for i, text := range c.texts {
				files[fmt.Sprintf("%d.json", i+1)] = text
			}
			take(whole, files)
			if a, b := r.named(), whole.named(); !slices.Equal(a, b) {
				t.Errorf("one by one %v, together (%v) %v", a, slices.Sorted(maps.Keys(files)), b)
			}
		})
	}
}

// TestRecordsThatSayWhenTheyChanged: an answer of the NVD from yesterday does not undo that of today.
func TestRecordsThatSayWhenTheyChanged(t *testing.T) {
	r := newHQ(t)
	year := 2024
	nvd := func(day int, text string) schema.Ingested {
		raw := fmt.Sprintf(`{"resultsPerPage":1,"format":"NVD_CVE","vulnerabilities":[{"cve":{"id":"CVE-2024-1001","lastModified":"%d-02-0%dT00:00:00.000","descriptions":[{"lang":"en","value":%q}]}}]}`, year, day, text)
		return read[schema.Ingested](r.rig, r.do("POST", "/api/v1/advisories/ingest?source=nvd", packed(t, map[string]string{"a.json": raw}), "Content-Type", "application/zstd"), 200)
	}
	nvd(2, "today")
	if got := nvd(1, "yesterday"); got.OlderN != 1 || got.Updated != 0 || got.Read != 1 {
		t.Errorf("%+v", got)
	}
	if got := nvd(3, "tomorrow"); got.OlderN != 0 || got.Updated != 1 {
		t.Errorf("%+v", got)
	}
	year = 2062
	nvd(3, "by a wrong clock")
	year = 2024
	if got := nvd(4, "by the right one"); got.OlderN != 0 || got.Updated != 1 {
		t.Errorf("%+v", got)
	}
}
