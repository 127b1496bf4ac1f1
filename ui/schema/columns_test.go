package schema

import (
	"slices"
	"strings"
	"testing"
)

func TestColumnHint(t *testing.T) {
	var asked []string
	nearest := func(found ...string) func(string, []string) []string {
		return func(name string, of []string) []string {
			asked = append([]string{name}, of...)
			return found
		}
	}
	if got := ColumnHint("nmae", nearest("name", "fqdn")); got != "did you mean name or fqdn?" {
		t.Error(got)
	}
	if len(asked) != len(Columns())+1 || asked[0] != "nmae" || !slices.Contains(asked, "exposure_at") {
		t.Errorf("chosen out of %q", asked)
	}
	got, ok := strings.CutPrefix(ColumnHint("nothing like it", nearest()), "there are ")
	if !ok || got != ColumnNames() || len(strings.Split(got, ", ")) != len(Columns()) {
		t.Error(got)
	}
}
