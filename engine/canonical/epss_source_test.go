package canonical

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// Scores whose source nobody named are of EPSS, also where they are read one by one.
func TestScoresWithoutASource(t *testing.T) {
	raw := []byte("#model_version:v2023.03.01,score_date:2026-11-20T00:00:00+0000\ncve,epss,percentile\nCVE-2024-0001,0.5,0.9\n")
	var got []model.AdvisoryKey
	bad, err := EachEPSS("", "epss_scores-current.csv", raw, func(a model.Advisory) error {
		got = append(got, a.AdvisoryKey)
		return nil
	})
	if err != nil || len(bad) > 0 || len(got) != 1 || got[0] != (model.AdvisoryKey{Source: "epss", ID: "EPSS-CVE-2024-0001"}) {
		t.Errorf("%v, %v, %v", got, bad, err)
	}
}
