package api

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// TestWhoMayOnlyFetchBundles: a token of a partner gives its holder bundles, under a name of its own in the audit record, and nothing else.
func TestWhoMayOnlyFetchBundles(t *testing.T) {
	token := strings.Repeat("t0ken-", 6)
	r := newHQ(t, func(c *Config) {
		c.Federation.Fetchers = map[[sha256.Size]byte]string{sha256.Sum256([]byte(token)): "us-west"}
	})
	r.puts([]model.Advisory{advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1")})
	if w := r.as(token, "GET", "/api/v1/federation/export", nil); w.Code != 200 || w.Header().Get("X-Skerry-Bundle") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if audit := r.audited("bundle.export"); len(audit) != 1 || audit[0].Actor != "fetcher:us-west" {
		t.Errorf("%+v", audit)
	}
	for _, path := range []string{
		"/federation/sync/status", "/federation/sites", "/federation/events", "/keys", "/hosts", "/federation/export/", "/cluster/backup",
	} {
		r.refused(r.as(token, "GET", "/api/v1"+path, nil), 401, fault.Login, "log in")
	}
	for path, body := range map[string]any{"/federation/export": "", "/federation/import": []byte("x"), "/advisories/ingest": []byte("x"), "/logout": nil} {
		r.refused(r.as(token, "POST", "/api/v1"+path, body), 401, fault.Login, "log in")
	}
	for _, wrong := range []string{"", token + "x", token[1:], "us-west"} {
		r.refused(r.as(wrong, "GET", "/api/v1/federation/export", nil), 401, fault.Login, "log in")
	}
	if audit := r.audited("bundle.export"); len(audit) != 1 {
		t.Errorf("%+v", audit)
	}
	// Where nobody has one, no token is one: nor is none at all.
	none := newHQ(t)
	none.refused(none.as("", "GET", "/api/v1/federation/export", nil), 401, fault.Login, "log in")
	none.refused(none.as(token, "GET", "/api/v1/federation/export", nil), 401, fault.Login, "log in")
}
