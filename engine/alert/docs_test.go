package alert

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page about alerts names every metric, and what it shows reads.
func TestPageNamesTheMetrics(t *testing.T) {
	raw, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for _, i := range Metrics() {
		if !strings.Contains(page, "`"+i.Name+"`") {
			t.Errorf("the page does not name %s", i.Name)
		}
	}
	n := 0
	for _, m := range regexp.MustCompile("[`']([a-z]+\\.[a-z_]+ [<>=]+ [^`']+)[`']").FindAllStringSubmatch(page, -1) {
		n++
		if _, err := Parse(m[1]); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	if n < 10 {
		t.Errorf("only %d conditions were found", n)
	}
	for _, r := range Defaults() {
		if !strings.Contains(page, "`"+r.Name+"`") {
			t.Errorf("the page does not name the rule %s", r.Name)
		}
	}
}
