package exposure

import (
	"fmt"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// A record with as many fixes as one may have, of which none helps, must not stop a site for long.
func TestThousandsOfFixes(t *testing.T) {
	r := model.Range{Type: "ECOSYSTEM"}
	for i := range 10_000 {
		r.Events = append(r.Events, model.Event{Introduced: fmt.Sprintf("%d.1", i+1)}, model.Event{Fixed: fmt.Sprintf("%d.2", i+1)})
	}
	a := model.Advisory{AdvisoryKey: key("x", "X-1"), Affected: []model.Affected{
		{Ecosystem: "Debian:12", Name: "curl", Ranges: []model.Range{r}},
		{Ecosystem: "Debian:12", Name: "curl", Ranges: []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}}}}},
	}}
	inv := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{{Manager: "dpkg", Name: "curl", Version: "0.1"}}}
	done := make(chan string, 1)
	go func() {
		found, _, err := Match(inv, shelf{a})
		switch {
		case err != nil:
			done <- err.Error()
		case len(found) != 1 || found[0].Verdict != model.VerdictAffected || found[0].Fixed != "":
			done <- fmt.Sprintf("%+v", found)
		default:
			done <- ""
		}
	}()
	select {
	case wrong := <-done:
		if wrong != "" {
			t.Error(wrong)
		}
	case <-time.After(20 * time.Second): // it takes a fraction of a second
		t.Fatal("one record keeps a matcher busy for more than 20 seconds")
	}
}

// An inventory that claims many packages of one source is matched within bounds, and no vulnerability
// is lost by that.
func TestManyPackagesOfOneSource(t *testing.T) {
	var s shelf
	for i := range 30 {
		s = append(s, model.Advisory{AdvisoryKey: key("x", fmt.Sprintf("CVE-2024-%04d", i)), Affected: []model.Affected{below("Debian:12", "linux", "9")}})
	}
	inv := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}}
	for i := range 100 {
		inv.Packages = append(inv.Packages, model.Package{
			Manager: "dpkg", Name: fmt.Sprintf("linux-%d", i), Version: "1", Source: "linux", SourceVersion: fmt.Sprintf("1.%d", i%4),
		})
	}
	whole, counts, err := Match(inv, s)
	if err != nil || len(whole) != 3000 || counts.Unknown != 30 {
		t.Fatalf("%d findings, %+v, %v", len(whole), counts, err)
	}
	m := NewMatcher(s)
	m.most = 250
	for range 2 { // what one inventory listed counts nothing for the next
		some, bounded, err := m.Match(inv)
		if err != nil || bounded != counts {
			t.Errorf("%+v, want %+v; %v", bounded, counts, err)
		}
		if n := len(some); n < 250 || n > 250+2*len(s) {
			t.Errorf("%d findings where 250 are the most", n)
		}
	}
}
