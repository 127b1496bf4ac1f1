package canonical

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
)

// A few bytes of JSON must not claim a lot of memory: each of these is refused, or read, within a bound that does not depend
// on what it asks for.
func TestHostileDocumentsAreBounded(t *testing.T) {
	many := func(one string, n int) string { return strings.Repeat(one+",", n-1) + one }
	const n = 700_000
	for _, c := range []struct {
		name, raw string
		refused   bool
	}{
		{"KEV entries", `{"catalogVersion":"1","vulnerabilities":[` + many("{}", n) + `]}`, true},
		{"NVD entries", `{"resultsPerPage":1,"vulnerabilities":[` + many("{}", n) + `]}`, true},
		{"NVD metrics", `{"resultsPerPage":1,"vulnerabilities":[{"cve":{"metrics":{"cvssMetricV2":[` + many("{}", n) + `]}}}]}`, true},
		{"CSAF vulnerabilities", `{"document":{},"vulnerabilities":[` + many("{}", n) + `]}`, true},
		{"CSAF branches", `{"document":{},"product_tree":{"branches":[` + many("{}", n) + `]}}`, true},
		{"CSAF relationships", `{"document":{},"product_tree":{"relationships":[` + many("{}", n) + `]}}`, true},
		{"OpenVEX statements", `{"@context":"https://openvex.dev/ns","@id":"x","statements":[` + many("{}", n) + `]}`, true},
		{"OpenVEX products", `{"@context":"https://openvex.dev/ns","@id":"x","statements":[{"products":[` + many(`"p"`, n) + `]}]}`, true},
		{"OSV affected", `{"id":"X","affected":[` + many("{}", 240_000) + `]}`, true},
		{"OSV severities", `{"id":"X","modified":"2024-01-01","severity":[` + many("{}", 240_000) + `]}`, true},
		{"OSV records", `[` + many("{}", n) + `]`, true},
		{"free form", `{"id":"X","modified":"2024-01-01","database_specific":{"cwes":[` + many(`""`, 490_000) + `]}}`, false},
		{"EPSS lines", "#score_date:2024-01-01\ncve,epss,percentile\n" + strings.Repeat("\n", 1<<20), false},
		{"depth", strings.Repeat(`{"document":`, 1_000_000), true},
		{"depth of lists", strings.Repeat(`[`, 1_000_000), true},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode("test", "x.json", []byte(c.raw))
		runtime.ReadMemStats(&after)
		if (err != nil) != c.refused || err != nil && !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: %v", c.name, err)
		}
		// The document itself is copied once for Decode, above, and is part of the measure.
		if used := int64(after.TotalAlloc-before.TotalAlloc) - int64(len(c.raw)); used > 192<<20 {
			t.Errorf("%s: reading %d bytes allocated %d MiB", c.name, len(c.raw), used>>20)
		}
	}
}

// What many products say is bounded in time as well: no step of it looks at all the others.
func TestManyProducts(t *testing.T) {
	var names, ids strings.Builder
	for i := range maxStated {
		if i > 0 {
			names.WriteByte(',')
			ids.WriteByte(',')
		}
		fmt.Fprintf(&names, `{"product_id":"p%d","product_identification_helper":{"purl":"pkg:npm/a@1.%d"}}`, i, i)
		fmt.Fprintf(&ids, `"p%d"`, i)
	}
	raw := `{"document":{"category":"csaf_vex","csaf_version":"2.0","tracking":{"id":"A"}},"product_tree":{"full_product_names":[` + names.String() +
		`]},"vulnerabilities":[{"cve":"CVE-2024-1000","product_status":{"known_affected":[` + ids.String() + `]}},
		{"cve":"CVE-2024-1001","product_status":{"known_affected":[` + ids.String() + `,"p0"]}}]}`
	d, err := Decode("test", "x.json", []byte(raw))
	if err != nil || len(d.Records) != 1 || len(d.Records[0].Affected) != 1 || len(d.Records[0].Affected[0].Versions) != maxStated {
		t.Errorf("%d records, %v", len(d.Records), err)
	}
	if len(d.Bad) != 1 || !strings.Contains(d.Bad[0].Reason, "more than 20000 products") {
		t.Errorf("bad %+v", d.Bad)
	}
}
