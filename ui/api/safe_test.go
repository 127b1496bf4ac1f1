package api

import (
	"regexp"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
)

// Where the rows cannot be read, a person who opens the page is told so in the page's style, which the policy lets in.
func TestSafePage(t *testing.T) {
	r := siteRig(t, func(c *Config) {
		c.Store = nil
		c.Damaged = fault.New(fault.ReadOnly, "", "its store <index> is damaged. Run `skerry site rebuild` with its configuration")
	})
	answer := r.do("GET", "/", nil)
	if answer.Code != 503 {
		t.Fatal(answer.Code)
	}
	page := answer.Body.String()
	for _, want := range []string{"is in safe mode", "&lt;index&gt; is damaged", "<code>skerry site rebuild</code>", "nobody can log in"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in %s", want, page)
		}
	}
	nonce := regexp.MustCompile(`<style nonce="([^"]+)">`).FindStringSubmatch(page)
	policy := answer.Header().Get("Content-Security-Policy")
	if nonce == nil || !strings.Contains(policy, "'nonce-"+nonce[1]+"'") || strings.Contains(page, "`") || strings.Contains(page, "<script") {
		t.Errorf("%v, %s", nonce, policy)
	}
	r.refused(r.do("GET", "/api/v1/hosts", nil), 503, fault.ReadOnly, "is damaged")
}
