package cli

import "testing"

func TestWhoDecided(t *testing.T) {
	for actor, want := range map[string]string{
		"":                              "",
		"account:ann":                   "ann",
		"local:0":                       "local:0",
		"controller:01a2-7 account:ann": "ann at the controller",
		"controller:01a2-7 local:0":     "local:0 at the controller",
		"controller:01a2-7":             "the controller",
	} {
		if got := personOf(actor); got != want {
			t.Errorf("%q is %q, want %q", actor, got, want)
		}
	}
}
