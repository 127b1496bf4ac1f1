package chaos

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The disk under a site says that a sync failed: nothing is acknowledged any more, also once the disk says that it is
// well again. The site stays up, reads, and says in one line what is wrong and what to do; a restart puts it right.
func TestASiteWhoseSyncFails(t *testing.T) {
	if why := Missing(true, "strace"); why != "" {
		t.Skip("SKIPPED: " + why)
	}
	f := newFullDisks(t, 1, true)
	n := f.Nodes[0]
	ctx := t.Context()
	const failed = `skerry_read_only{reason="disk_failed"}`
	f.must(n.API().Write(ctx, "before", "kept"))
	f.metric(n, failed, 0)

	fault, err := Inject(n.PID(), Syncs, "error=EIO")
	f.must(err)
	one, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := n.API().Write(one, "lost", "x"); err == nil {
		t.Error("a write was acknowledged though its sync failed")
	}
	f.metric(n, failed, 1)
	fault.End()
	if err := n.API().Write(ctx, "after", "x"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a write after a failed sync: %v", err)
	}
	if got, err := n.API().Read(ctx, "before"); err != nil || got != "kept" {
		t.Errorf("reading goes on: %q, %v", got, err)
	}
	if why := f.notReady(n); len(why) != 1 || strings.Contains(why[0], "\n") || !strings.Contains(why[0], "safe mode") || !strings.Contains(why[0], "restart the server") {
		t.Errorf("it says %q", why)
	}

	f.must(n.Stop())
	f.must(n.Start(ctx))
	f.metric(n, failed, 0)
	if got, err := n.API().Read(ctx, "before"); err != nil || got != "kept" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	f.must(n.API().Write(ctx, "after", "x"))
}

// notReady returns why a node says that it is not ready.
func (f *fullDisks) notReady(n *Node) []string {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, "http://local/readyz", nil)
	f.must(err)
	resp, err := n.api.client.Do(req)
	f.must(err)
	defer resp.Body.Close()
	var body struct {
		Reasons []string `json:"reasons"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		f.t.Fatalf("readyz: %s, %v", resp.Status, err)
	}
	return body.Reasons
}
