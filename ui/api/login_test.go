package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

// as sends a request with a token, or with none at all.
func (r *rig) as(token, method, path string, body any) *httptest.ResponseRecorder {
	r.Helper()
	return r.do(method, path, body, "Authorization", "Bearer "+token)
}

func TestLogin(t *testing.T) {
	r := newRig(t)
	read[schema.Account](r, r.do("POST", "/api/v1/accounts", schema.AccountPut{Name: "admin", Password: "correct horse"}), 201)
	if h := r.mem.accounts["admin"].PasswordHash; !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(h, "horse") {
		t.Errorf("stored %q", h)
	}
	r.refused(r.as("", "GET", "/api/v1/node", nil), 401, fault.Login, "log in")
	r.refused(r.as("not-a-token", "GET", "/api/v1/node", nil), 401, fault.Login, "log in again")
	w := r.as("", "POST", "/api/v1/login", schema.Login{Account: "admin", Password: "wrong"})
	r.refused(w, 401, fault.Login, "the account or the password is wrong")
	if n := len(r.mem.audit); n != 1 || r.mem.audit[0].OK || r.mem.audit[0].Action != "account.login" {
		t.Errorf("audit %+v", r.mem.audit)
	}
	r.refused(r.as("", "POST", "/api/v1/login", schema.Login{Account: "nobody", Password: "wrong"}), 401, fault.Login, "the account or the password is wrong")

	w = r.as("", "POST", "/api/v1/login", schema.Login{Account: "admin", Password: "correct horse"})
	session := read[schema.Session](r, w, 200)
	cookie := w.Header().Get("Set-Cookie")
	for _, part := range []string{"__Host-skerry=" + session.Token, "Path=/", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=43200"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie %q lacks %s", cookie, part)
		}
	}
	for id := range r.mem.sessions {
		if strings.Contains(session.Token, id.String()) {
			t.Error("the row's name is in the token")
		}
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"bearer": r.as(session.Token, "GET", "/api/v1/node", nil),
		"cookie": r.do("GET", "/api/v1/node", nil, "Cookie", cookieName+"="+session.Token),
	} {
		if node := read[schema.Node](r, w, 200); node.Actor != "account:admin" {
			t.Errorf("%s: %+v", name, node)
		}
	}
	r.pass(sessionLife)
	r.refused(r.as(session.Token, "GET", "/api/v1/node", nil), 401, fault.Login, "log in again")
}

func TestLogoutEndsTheSession(t *testing.T) {
	r := newRig(t)
	token := r.login("admin")
	if w := r.as(token, "POST", "/api/v1/logout", nil); w.Code >= 300 || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("status %d, cookie %q", w.Code, w.Header().Get("Set-Cookie"))
	}
	r.refused(r.as(token, "GET", "/api/v1/node", nil), 401, fault.Login, "")
}

func TestDisabledAccountIsOutAtOnce(t *testing.T) {
	r := newRig(t)
	token := r.login("admin")
	a := r.mem.accounts["admin"]
	a.Disabled = true
	r.mem.accounts["admin"] = a
	r.refused(r.as(token, "GET", "/api/v1/node", nil), 401, fault.Login, "")
	r.refused(r.as("", "POST", "/api/v1/login", schema.Login{Account: "admin", Password: "correct horse"}), 401, fault.Login, "")
}

func (r *rig) login(name string) string {
	r.Helper()
	read[schema.Account](r, r.do("POST", "/api/v1/accounts", schema.AccountPut{Name: name, Password: "correct horse"}), 201)
	return read[schema.Session](r, r.as("", "POST", "/api/v1/login", schema.Login{Account: name, Password: "correct horse"}), 200).Token
}

func TestEveryOperationNeedsALogin(t *testing.T) {
	r := newRig(t)
	n := 0
	for path, item := range r.server.api.OpenAPI().Paths {
		for method, op := range map[string]any{"GET": item.Get, "POST": item.Post} {
			if fmt.Sprint(op) == "<nil>" || path == base+"/login" {
				continue
			}
			n++
			path = strings.NewReplacer("{site}", "x", "{host}", "x", "{id}", "x", "{name}", "x", "{identifier}", "x").Replace(path)
			r.refused(r.as("", method, path, nil), 401, fault.Login, "log in")
		}
	}
	if n < 25 {
		t.Errorf("only %d operations were tried", n)
	}
}

func TestFailedLoginsAreSlowedDown(t *testing.T) {
	r := newRig(t)
	try := func() *httptest.ResponseRecorder {
		return r.as("", "POST", "/api/v1/login", schema.Login{Account: "nobody", Password: "x"})
	}
	var wg sync.WaitGroup
	for range int(perAccount.burst) {
		wg.Go(func() {
			if w := try(); w.Code != 401 {
				t.Errorf("status %d", w.Code)
			}
		})
	}
	wg.Wait()
	w := try()
	r.refused(w, http.StatusTooManyRequests, fault.Denied, "try again in 6 seconds")
	if w.Header().Get("Retry-After") != "6" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
	r.pass(perAccount.refill)
	if w := try(); w.Code != 401 {
		t.Errorf("after a pause: status %d", w.Code)
	}
}

func TestLimiterStaysSmall(t *testing.T) {
	now := noon
	l := newLimiter(func() time.Time { return now })
	for i := range loginKeys + 100 {
		l.take(fmt.Sprint(i), perAccount)
	}
	if len(l.full) > loginKeys {
		t.Errorf("%d keys", len(l.full))
	}
	now = now.Add(time.Hour)
	l.take("one more", perAccount)
	if len(l.full) != 1 {
		t.Errorf("%d keys are kept though all were whole again", len(l.full))
	}
}

func TestStoredHashIsNotBelievedBlindly(t *testing.T) {
	r := newRig(t)
	for _, stored := range []string{
		"", "plain", "$argon2id$v=19$m=19456,t=2,p=1$AAAA", "$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=0$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		if ok, err := r.server.passwordIs(t.Context(), "x", stored); ok || !fault.Is(err, fault.Corrupt) {
			t.Errorf("%q: %v, %v", stored, ok, err)
		}
	}
	if ok, err := r.server.passwordIs(t.Context(), "x", decoy); ok || err != nil {
		t.Errorf("decoy: %v, %v", ok, err)
	}
}

func FuzzSessionID(f *testing.F) {
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB") // the last two bits are no part of the secret
	f.Add("not/a+token")
	f.Fuzz(func(t *testing.T, token string) {
		_, ok := sessionID(token)
		secret, err := base64.RawURLEncoding.DecodeString(token)
		// One secret has one token: a second spelling would be a login that nobody was given.
		if want := err == nil && base64.RawURLEncoding.EncodeToString(secret) == token && len(secret) == secretSize; ok != want {
			t.Errorf("%q: %v, want %v", token, ok, want)
		}
	})
}
