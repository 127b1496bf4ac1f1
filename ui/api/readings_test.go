package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/query"
)

// TestReadings: a search is read the same however often, what cannot be read is refused each time, and what is
// remembered has its bounds.
func TestReadings(t *testing.T) {
	s := newServer(t)
	for i := range 3 * maxReadings {
		for range 2 {
			text := fmt.Sprintf("name:WEB-%d*", i%(maxReadings+10))
			got, err := s.read("query.q", text)
			if err != nil {
				t.Fatal(err)
			}
			want, err := query.Parse(text)
			if err != nil || query.Format(want) != got.text || query.Format(got.expr) != got.text {
				t.Fatalf("%s is read as %s, %v", text, got.text, err)
			}
		}
	}
	for range 2 {
		if _, err := s.read("query.q", "status:("); err == nil {
			t.Error("half a search is read")
		}
	}
	if _, err := s.read("query.q", strings.Repeat("name:a ", maxReadingText)); err != nil {
		t.Error(err)
	}
	if n := len(s.readings.known); n > maxReadings {
		t.Errorf("%d searches are remembered", n)
	}
	for text := range s.readings.known {
		if len(text) > maxReadingText || text == "status:(" {
			t.Errorf("%q is remembered", text)
		}
	}
}
