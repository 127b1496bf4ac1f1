package model

import (
	"context"
	"testing"
)

func TestRequestOf(t *testing.T) {
	if id := RequestOf(t.Context()); !id.IsZero() {
		t.Errorf("a context without one has %x", id)
	}
	outer := WithRequest(t.Context(), RequestID{1})
	inner, cancel := context.WithCancel(outer)
	defer cancel()
	if id := RequestOf(inner); id != (RequestID{1}) || id.IsZero() {
		t.Errorf("it became %x", id)
	}
	if id := RequestOf(WithRequest(inner, RequestID{2})); id != (RequestID{2}) {
		t.Errorf("the nearest one is %x", id)
	}
}
