package model

import (
	"strings"
	"testing"
)

func TestIsName(t *testing.T) {
	for _, s := range []string{"a", "0", "us-east-1", "a.b_c", strings.Repeat("a", MaxName), ID[nodeKind]{1}.String()} {
		if !IsName(s) {
			t.Errorf("%q is one", s)
		}
	}
	for _, s := range []string{"", "A", "-a", ".a", "_a", "a b", "a\n", "a;b", "a/b", "ä", "a$(b)", "a\x00", strings.Repeat("a", MaxName+1)} {
		if IsName(s) {
			t.Errorf("%q is none", s)
		}
	}
}
