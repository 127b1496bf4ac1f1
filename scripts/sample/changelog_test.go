package main

import (
	"slices"
	"strings"
	"testing"
)

const newest = `foo (2.0-3~deb12u2) bookworm-security; urgency=high

  * Fix regression of the fix for CVE-2024-0004.
  * d/patches: drop CVE-2023-0009.patch, included upstream
  * Dropped patches:
    - CVE-2024-0008.patch
    - d/p/CVE-2024-0005.patch
  [ Somebody Else ]
  * New upstream release:
    + Fixes CVE-2024-0003 and
      (CVE-2024-0006)
    + Drop old code
    + Also CVE-2024-0007

 -- A Person <a@example.org>  Mon, 02 Sep 2024 10:00:00 +0000

foo (2.0-3) unstable; urgency=medium

  * Fix CVE-2024-0004.

 -- A Person <a@example.org>  Sun,  1 Sep 2024 10:00:00 +0200

foo (2.0~rc1-1) experimental; urgency=medium

  * CVE-2024-0002: an issue
  * Not affected by CVE-2024-0010
  * Mention CVE-2024-0011, fixed in 1.0

 -- A Person <a@example.org>  Thu, 1 Aug 2024 10:00:00 +0000
`

const installedText = newest + `
foo (2.0~rc1-1~deb12u1) bookworm; urgency=medium

  * Rebuild.

 -- A Person <a@example.org>  Fri, 2 Aug 2024 10:00:00 +0000

foo (1.0-1) unstable; urgency=medium

  * Fixes CVE-2020-0001, CVE-2020-0001 again, and CVE-2023-0009

 -- A Person <a@example.org>  Wed, 1 Jan 2020 10:00:00 +0000

old-foo (9.0-1) unstable; urgency=medium

  * Fixes CVE-2019-0001

 -- A Person <a@example.org>  Tue, 1 Jan 2019 10:00:00 +0000
`

func TestFacts(t *testing.T) {
	var got []string
	for _, a := range facts(changelog{"foo", []string{newest, installedText}}) {
		r := a.Affected[0].Ranges[0].Events
		if a.Affected[0].Ecosystem != "Debian:12" || a.Affected[0].Name != "foo" || r[0].Introduced != "0" || a.ID != "DEBCL-foo-"+a.Upstream[0] {
			t.Errorf("%+v", a)
		}
		got = append(got, a.Upstream[0]+" "+r[1].Fixed+" "+a.Published.String()[:10])
	}
	slices.Sort(got)
	want := []string{
		"CVE-2020-0001 1.0-1 2020-01-01", // from the text of the installed build
		"CVE-2023-0009 1.0-1 2020-01-01", // not where its patch left
		"CVE-2024-0002 2.0~rc1-1~deb12u1 2024-08-01",
		"CVE-2024-0003 2.0-3~deb12u2 2024-09-02",
		"CVE-2024-0004 2.0-3~deb12u1 2024-09-01", // the first rebuild, of which no entry is left
		"CVE-2024-0006 2.0-3~deb12u2 2024-09-02", // on the second line of its item
		"CVE-2024-0007 2.0-3~deb12u2 2024-09-02", // beside an item that drops something
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEntriesOfTwoTexts(t *testing.T) {
	// The installed build names a version that the newest one forgot; it stands above 1.0-1 there.
	text := func(versions ...string) string {
		var b strings.Builder
		for _, v := range versions {
			b.WriteString("foo (" + v + ") unstable; urgency=low\n\n  * x\n\n -- A <a@example.org>  Wed, 1 Jan 2020 10:00:00 +0000\n\n")
		}
		return b.String()
	}
	var got []string
	for _, e := range (changelog{"foo", []string{text("4", "3", "1"), text("3", "2", "1", "0.5", "0.1")}}).entries() {
		got = append(got, e.version)
	}
	if want := []string{"4", "3", "2", "1", "0.5", "0.1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := parse("not a changelog\n -- x\n\x00"); len(got) != 0 {
		t.Errorf("entries of nothing: %v", got)
	}
}
