package api

import (
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

// An account is added once, changed where it is there, and disabled and enabled with a record of it.
func TestAccounts(t *testing.T) {
	r := newRig(t)
	put := schema.AccountPut{Name: "kim", Password: "correct horse"}
	r.refused(r.do("POST", "/api/v1/accounts?old=true", put), 404, fault.NotFound, `no account "kim"`)
	read[schema.Account](r, r.do("POST", "/api/v1/accounts?new=true", put), 201)
	was := r.mem.accounts["kim"]
	r.refused(r.do("POST", "/api/v1/accounts?new=true", schema.AccountPut{Name: "kim", Password: "another horse"}), 409, fault.Exists, `an account "kim" already`)
	if r.mem.accounts["kim"] != was {
		t.Error("what was refused changed the password")
	}
	read[schema.Account](r, r.do("POST", "/api/v1/accounts?old=true", schema.AccountPut{Name: "kim", Password: "another horse"}), 200)

	login := schema.Login{Account: "kim", Password: "another horse"}
	if w := r.as("", "POST", "/api/v1/login", login); w.Code >= 300 {
		t.Fatalf("log in: %d %s", w.Code, w.Body)
	}
	for range 2 { // again is no error, and no entry
		if x := read[schema.Account](r, r.do("POST", "/api/v1/accounts/kim/disable", nil), 200); !x.Disabled {
			t.Errorf("%+v", x)
		}
	}
	if w := r.as("", "POST", "/api/v1/login", login); w.Code < 400 {
		t.Errorf("a disabled account logged in: %d", w.Code)
	}
	if x := read[schema.Account](r, r.do("POST", "/api/v1/accounts/kim/enable", nil), 200); x.Disabled {
		t.Errorf("%+v", x)
	}
	if w := r.as("", "POST", "/api/v1/login", login); w.Code >= 300 {
		t.Errorf("an account that was enabled again: %d %s", w.Code, w.Body)
	}
	r.refused(r.do("POST", "/api/v1/accounts/nobody/disable", nil), 404, fault.NotFound, `no account "nobody"`)
	var done []string
	for _, n := range r.mem.audit {
		if n.Object == "kim" && n.Action != "account.login" {
			done = append(done, n.Action)
		}
	}
	if want := []string{"account.disable", "account.enable"}; !slices.Equal(done, want) {
		t.Errorf("audited %q, want %q", done, want)
	}
}

// A login with an account that is removed ends at once, also one that was just found good.
func TestRemoveAccount(t *testing.T) {
	r := newRig(t)
	token := r.mem.login("kim")
	r.mem.login("ann")
	get := func() int { return r.as(token, "GET", "/api/v1/node", nil).Code }
	if code := get(); code != 200 {
		t.Fatalf("before: %d", code)
	}
	r.refused(r.do("DELETE", "/api/v1/accounts/nobody", nil), 404, fault.NotFound, `no account "nobody"`)
	if code := get(); code != 200 {
		t.Fatalf("another was removed: %d", code)
	}
	if w := r.do("DELETE", "/api/v1/accounts/kim", nil); w.Code != 204 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if code := get(); code != 401 {
		t.Errorf("after: %d", code)
	}
	r.refused(r.do("DELETE", "/api/v1/accounts/kim", nil), 404, fault.NotFound, `no account "kim"`)
}

// Spans of time are written as in searches, wherever one is asked for.
func TestSpansOfTime(t *testing.T) {
	for text, ok := range map[string]bool{"90s": true, "15m": true, "24h": true, "2d": true, "1w": true, "1d12h": true, "1h30m0s": true, "1500ms": true, "2y": false, "soon": false, "2": false, "-1h": false} {
		_, err := duration("body.ttl", text, 0, 0, maxTokenTTL)
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What an error says twice at its beginning is said once.
func TestSaidOnce(t *testing.T) {
	for text, want := range map[string]string{
		"retire host: retire host: it reports": "retire host: it reports", "a: b: c": "a: b: c", "x: x: x: y": "x: y", "": "", "name: name": "name: name",
	} {
		if got := oneLine(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}
