package exposure

import "testing"

func TestJuliaCountsBuilds(t *testing.T) {
	order := []string{"0.9.0+9", "1.0.0-rc1", "1.0.0", "1.0.0+0", "1.0.0+0.1", "1.0.0+2", "1.0.0+10", "1.0.0+a", "1.0.1"}
	for i, a := range order {
		for j, b := range order {
			if c, ok := Compare("Julia", a, b); !ok || c != max(-1, min(1, i-j)) {
				t.Errorf("compare(%s, %s) = %d, %v", a, b, c, ok)
			}
		}
	}
	if c, ok := Compare("npm", "1.0.0+1", "1.0.0+2"); !ok || c != 0 {
		t.Errorf("elsewhere builds are the same version: %d, %v", c, ok)
	}
	if _, ok := Compare("Julia", "one", "1.0.0"); ok {
		t.Error("what is no version has an order")
	}
}
