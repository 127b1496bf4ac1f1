package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// origin is where the records of one source came from, and on what terms.
type origin struct{ source, from, state, licence, taken string }

// origins are all that the sample may have.
var origins = []origin{
	{
		"almalinux8", "https://github.com/AlmaLinux/osv-database, advisories/almalinux8", "commit 948f47a of 2026-08-21",
		"MIT, Copyright (c) 2023 AlmaLinux OS", "the newest security errata; of the title only the rating in front of it",
	},
	{
		"almalinux9", "https://github.com/AlmaLinux/osv-database, advisories/almalinux9", "commit 948f47a of 2026-08-21",
		"MIT, Copyright (c) 2023 AlmaLinux OS", "the newest security errata; of the title only the rating in front of it",
	},
	{
		"bellsoft-cvss", "https://github.com/bell-sw/osv-database", "commit 5005275d of 2026-08-08",
		"MIT, Copyright (c) 2025 BellSoft", "identifiers, dates and CVSS vectors of CVEs that other records here name; the affected packages are left out",
	},
	{
		"debian-changelog", "changelog.Debian.gz in packages of Debian 12 (bookworm)", "as apt offered them on the day of making",
		"each package's own; taken are facts only (which version first names which CVE, and when), no text", "derived here: a changelog's mention, not a statement of Debian's security team",
	},
	{
		"golang", "https://github.com/golang/vulndb, data/osv (the Go vulnerability database, https://vuln.go.dev)", "commit a752ea54 of 2026-08-21",
		"CC-BY-4.0, https://creativecommons.org/licenses/by/4.0/; changed: reduced to facts", "the newest reports",
	},
	{
		"rustsec", "https://github.com/rustsec/advisory-db, branch osv", "commit 7fa931cb9 of 2026-08-21",
		"CC0-1.0", "records marked CC0-1.0 only; those imported under another licence are left out",
	},
	{
		"vulnrichment", "https://github.com/cisagov/vulnrichment", "commit b0ed75832 of 2024-10-24",
		"CC0-1.0", "identifiers, dates and CVSS vectors of CVEs that other records here name",
	},
}

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`

// noticeText describes the records; it fails for a source that origins does not have.
func noticeText(all []model.Advisory, packages int, date string) (string, error) {
	count := map[string]int{}
	for _, a := range all {
		count[a.Source]++
		if !slices.ContainsFunc(origins, func(o origin) bool { return o.source == a.Source }) {
			return "", fmt.Errorf("source %s has no entry in the notice", a.Source)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `NOTICE for scripts/sample/data/advisories.tar.zst

%d vulnerability records for a first look at Skerry. They are a sample: old on the day you read this,
and of a few sources only. Do not judge a machine's safety by them.

They hold facts only: identifiers, names of packages, version ranges, CVSS vectors or one-word ratings,
dates. Titles, descriptions, credits and links of the sources are left out.

Made on %s by

    go run ./scripts/sample -osv DIR

where DIR is a folder of OSV records with one sub-folder for each source below; the Debian facts are
from the changelogs of %d source packages of the machine it ran on and of those its -also names.

`, len(all), date, packages)
	for _, o := range origins {
		if count[o.source] == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s (%d records)\n    from:    %s\n    state:   %s\n    licence: %s\n    taken:   %s\n\n", o.source, count[o.source], o.from, o.state, o.licence, o.taken)
	}
	b.WriteString("The MIT licence of the sources above that name it:\n\n" + mit)
	return b.String(), nil
}
