package chaos

import (
	"os/exec"
	"testing"
)

// siteStores are what a site keeps beside its rows. A branch has no second machine, so that they are cut and killed more
// often than the others.
var siteStores = []string{"queue", "detail"}

// TestSitePowerCuts cuts the power of the outbox and of the detail tier.
func TestSitePowerCuts(t *testing.T) {
	t.Parallel()
	proved(t, cuts(t, rounds(300, 3000), siteStores...), "power cuts")
}

// TestSiteKills ends them at any moment, also while they start.
func TestSiteKills(t *testing.T) {
	t.Parallel()
	proved(t, kills(t, rounds(300, 10_000), func(dir string) *exec.Cmd { return child(dir, siteStores) }, siteStores...), "kills")
}

func proved(t *testing.T, out *Outcome, what string) {
	t.Helper()
	if !out.OK() {
		t.Errorf("%s took what was acknowledged", what)
	}
	for _, s := range siteStores {
		if out.Acked[s] < uint64(out.Rounds) {
			t.Errorf("%s acknowledged %d writes in %d rounds: this proves nothing", s, out.Acked[s], out.Rounds)
		}
	}
}
