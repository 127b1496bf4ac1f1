package cvss

import (
	"strings"
	"testing"
)

func TestScoreAndRating(t *testing.T) {
	for _, c := range []struct {
		vector  string
		score   float64
		version int
		rating  string
	}{
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, 3, "critical"},
		{"CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, 3, "medium"},
		{"CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", 1.8, 3, "low"},
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0, 3, "none"},
		{"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3, 4, "critical"},
		{"AV:N/AC:L/Au:N/C:C/I:C/A:C", 10, 2, "high"}, // version 2 has no critical
		{"(AV:N/AC:M/Au:N/C:N/I:P/A:N)", 4.3, 2, "medium"},
		{"AV:L/AC:H/Au:N/C:N/I:N/A:N", 0, 2, "low"},
		{"", 0, 0, ""},
		{"high", 0, 0, ""},
		{"CVSS:3.1/AV:N", 0, 0, ""},
		{"AV:" + strings.Repeat("/", 20), 0, 0, ""},
		{"CVSS:4.0/" + strings.Repeat("AV:N/", 200), 0, 0, ""},
	} {
		score, version := Score(c.vector)
		if score != c.score || version != c.version || Rating(c.vector) != c.rating {
			t.Errorf("%q: %v by version %d, %q; want %v, %d, %q", c.vector, score, version, Rating(c.vector), c.score, c.version, c.rating)
		}
	}
}

func FuzzScore(f *testing.F) {
	for _, s := range []string{
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.0/AV:P/AC:H", "AV:N/AC:L/Au:N/C:C/I:C/A:C", "(AV:N)",
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:P", "high", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, vector string) {
		score, version := Score(vector)
		if score < 0 || score > 10 || (version == 0) != (Rating(vector) == "") {
			t.Errorf("%q: %v by version %d, %q", vector, score, version, Rating(vector))
		}
	})
}
