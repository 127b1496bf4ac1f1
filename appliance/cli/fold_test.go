package cli

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/skerryhq/skerry/ui/schema"
)

// A table that is too wide keeps within the terminal, and all of its values.
func TestFoldedKeepsEverything(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	head := []string{"NAME", "STATE", "SIGNS HERE", "RETIRES", "ADDED", "ID"}
	rows := [][]string{
		{"federation", "retiring", "yes", "2026-12-22T17:00:00Z", "2026-11-22T17:00:00Z", digest},
		{"federation-2", "active", "no", "-", "2026-11-22T17:00:00Z", digest},
	}
	got := folded(head, rows, 80)
	for _, line := range strings.Split(got, "\n") {
		if text.LongestLineLen(line) > 80 {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
	for _, want := range []string{"SIGNS\n", "NAME          STATE     HERE", "    ID " + digest + "\n", "federation    retiring  yes "} {
		if !strings.Contains(got, want) {
			t.Errorf("it has no %q:\n%s", want, got)
		}
	}
	if n := strings.Count(got, digest); n != 2 {
		t.Errorf("%d of 2 digests are whole:\n%s", n, got)
	}
	long := folded([]string{"A", "B"}, [][]string{{"x", strings.Repeat("word ", 40)}}, 40)
	if n := strings.Count(long, "word"); n != 40 || text.LongestLineLen(long) > 40 {
		t.Errorf("%d of 40 words, %d characters:\n%s", n, text.LongestLineLen(long), long)
	}
	if got := stacked([]string{"KNOWN EXPLOITED", "AS OF"}, [][]string{{"yes", "2026-11-22"}}); got[0] != "KNOWN\nEXPLOITED" || got[1] != "AS OF" {
		t.Errorf("%q", got)
	}
}

// Why a source won a field is whole on a narrow terminal, and everything is where nobody has a terminal.
func TestExplainedIsNotCut(t *testing.T) {
	rule := "the first of: reviewed advisories, distributions for their own packages, vendors, databases that collect from others"
	value := strings.Repeat("long value ", 30)
	fields := []schema.Resolved{{Name: "summary", Value: value, From: "ghsa/GHSA-1", Rule: rule, Said: []schema.Said{{From: "nvd/CVE-1", Value: value}}}}
	got := paragraphs(fields, 80)
	if text.LongestLineLen(got) > 80 || !strings.Contains(strings.Join(strings.Fields(got), " "), "because: "+rule) {
		t.Errorf("at 80 columns:\n%s", got)
	}
	a, out := quiet()
	a.explained(fields, false)
	for _, want := range []string{rule, strings.TrimSpace(value), "nvd: " + strings.TrimSpace(value)} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("in a pipe there is no %q:\n%s", want, out)
		}
	}
}

// A full medium is said with the file, what is needed, and what helps; the name of the file beside it is nobody's business.
func TestFullMedium(t *testing.T) {
	at := &fs.PathError{Op: "write", Path: "stick/.part-123", Err: syscall.ENOSPC}
	for _, c := range []struct {
		split bool
		help  string
	}{{false, "parts for several (--split SIZE)"}, {true, "smaller parts"}} {
		got := roomAdvice(notWritten("stick/full.zst", 65536, at), 871_234, c.split).Error()
		for _, want := range []string{"stick/full.zst", "65,536 bytes", "871,234 bytes", c.help} {
			if !strings.Contains(got, want) {
				t.Errorf("%q does not say %q", got, want)
			}
		}
		if strings.Contains(got, ".part-") || strings.Contains(got, "no space left") {
			t.Errorf("%q", got)
		}
	}
	moved := notWritten("x/y", 1, &os.LinkError{Op: "rename", Old: "x/.part-1", New: "x/y", Err: syscall.EIO})
	if got := moved.Error(); got != "write x/y: input/output error" || roomAdvice(moved, 1, false) != moved {
		t.Errorf("%q", got)
	}
}
