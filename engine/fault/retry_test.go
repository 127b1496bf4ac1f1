package fault

import (
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	busy := New(Busy, "greet", "there are too many")
	later := Wrap("dial", Later(busy, 3*time.Second))
	if d, ok := RetryAfter(later); !ok || d != 3*time.Second {
		t.Errorf("got %v, %v", d, ok)
	}
	if !Is(later, Busy) || later.Error() != "dial: greet: there are too many" {
		t.Errorf("kind %v, %q", KindOf(later), later)
	}
	for _, err := range []error{nil, busy, Later(busy, 0), Later(nil, time.Second)} {
		if d, ok := RetryAfter(err); ok {
			t.Errorf("%v advises %v", err, d)
		}
	}
}
