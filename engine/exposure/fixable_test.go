package exposure

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

func TestFixableN(t *testing.T) {
	f := func(pkg, version, fixed string, v model.Verdict) model.Finding {
		return model.Finding{Package: pkg, Version: version, Fixed: fixed, Verdict: v}
	}
	for name, tc := range map[string]struct {
		findings []model.Finding
		want     int
	}{
		"nothing":                      {nil, 0},
		"one":                          {[]model.Finding{f("curl", "1", "2", model.VerdictAffected)}, 1},
		"several of one package":       {[]model.Finding{f("curl", "1", "2", model.VerdictAffected), f("curl", "1", "3", model.VerdictAffected)}, 1},
		"no version fixes it":          {[]model.Finding{f("curl", "1", "", model.VerdictAffected), f("zlib", "1", "2", model.VerdictAffected)}, 1},
		"one of its findings is fixed": {[]model.Finding{f("curl", "1", "", model.VerdictAffected), f("curl", "1", "2", model.VerdictAffected)}, 1},
		"two kernels":                  {[]model.Finding{f("linux", "5", "7", model.VerdictAffected), f("linux", "6", "7", model.VerdictAffected)}, 2},
		"nobody is sure":               {[]model.Finding{f("curl", "?", "2", model.VerdictUnknown)}, 0},
	} {
		if got := FixableN(tc.findings); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
