package node

import (
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
)

// What may have happened is never said in the words of a refusal, whatever the last attempt was turned away for.
func TestInDoubt(t *testing.T) {
	for _, k := range []fault.Kind{fault.Denied, fault.Version, fault.Full, fault.Conflict, fault.Other, fault.ReadOnly, fault.Unreachable} {
		cause := fault.New(k, "", "the cause")
		if _, s, err := (&proposal{first: true}).turnedAway(cause); s != decided || fault.KindOf(err) != k {
			t.Errorf("%v at the first attempt: %v, %v", k, s, err)
		}
		_, s, err := (&proposal{}).turnedAway(cause)
		if s != lost || k != fault.Full && k != fault.Unreachable && !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "may or may not have happened") {
			t.Errorf("%v later: %v, %v (%v)", k, s, err, fault.KindOf(err))
		}
	}
}
