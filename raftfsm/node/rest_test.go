package node

import "testing"

// TestANodeRestsBeforeItStops: where much was written since the last snapshot, a stop takes one, and where little
// was, it does not.
func TestANodeRestsBeforeItStops(t *testing.T) {
	dir := t.TempDir()
	w := startReady(t, dir, nil)
	propose(t, w, found(1))
	snapshots := func(w *world) int {
		t.Helper()
		list, err := w.snaps.List()
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w = startReady(t, dir, nil)
	if n := snapshots(w); n != 0 {
		t.Errorf("%d snapshots of a handful of entries", n)
	}
	for i := range restAfter {
		propose(t, w, account(i))
	}
	want := w.hash(t)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w = startReady(t, dir, nil)
	list, err := w.snaps.List()
	if err != nil || len(list) != 1 || list[0].Index < restAfter {
		t.Errorf("%+v, %v", list, err)
	}
	if got := w.hash(t); got != want {
		t.Error("the rows differ")
	}
}
