package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// login makes an account with a login that holds, and returns its token.
func (m *memory) login(account string) string {
	secret := make([]byte, secretSize)
	copy(secret, account)
	token := base64.RawURLEncoding.EncodeToString(secret)
	id, _ := sessionID(token)
	m.edit(func() {
		m.accounts[account] = model.Account{Name: account}
		m.sessions[id] = model.Session{ID: id, Account: account, ExpiresAt: model.TimeOf(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))}
	})
	return token
}

// selfSigned is a certificate for a server of a test.
func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestALoginIsRememberedAndForgotten: a good login costs no read while nothing happens, and one that ended
// here is refused at once.
func TestALoginIsRememberedAndForgotten(t *testing.T) {
	r := newRig(t)
	token := r.mem.login("admin")
	get := func() int { return r.do("GET", "/api/v1/node", nil, "Authorization", "Bearer "+token).Code }
	if code := get(); code != 200 {
		t.Fatalf("status %d", code)
	}
	// The row is taken away without a commit that this server would see: only what is remembered can answer.
	id, _ := sessionID(token)
	row := r.mem.sessions[id]
	delete(r.mem.sessions, id)
	if code := get(); code != 200 {
		t.Errorf("status %d: the login is not remembered", code)
	}
	r.mem.edit(func() {})
	if code := get(); code != 200 {
		t.Errorf("status %d: it is not remembered while other rows change", code)
	}
	r.pass(sessionAge)
	r.refused(r.do("GET", "/api/v1/node", nil, "Authorization", "Bearer "+token), 401, fault.Login, "this session has ended")

	r.mem.edit(func() { r.mem.sessions[id] = row })
	if code := get(); code != 200 {
		t.Fatalf("status %d", code)
	}
	if w := r.do("POST", "/api/v1/logout", nil, "Authorization", "Bearer "+token); w.Code >= 300 {
		t.Fatalf("logout: %d", w.Code)
	}
	r.refused(r.do("GET", "/api/v1/node", nil, "Authorization", "Bearer "+token), 401, fault.Login, "this session has ended")
}

// TestALoginThatEndsWhileItIsLookedAt: what was read before an end must not be remembered after it.
func TestALoginThatEndsWhileItIsLookedAt(t *testing.T) {
	var c sessions
	edition := c.begin()
	c.forget()
	id := model.SessionID{1}
	c.keep(goodSession{who: actor{session: id}, expires: noon.Add(time.Hour), checked: noon}, edition)
	if _, ok := c.find(id, noon, func() uint64 { return 0 }); ok {
		t.Error("a login is remembered that ended while it was looked at")
	}
	c.keep(goodSession{who: actor{session: id}, expires: noon.Add(time.Hour), checked: noon}, c.begin())
	for at, want := range map[time.Duration]bool{0: true, sessionAge - 1: true, sessionAge: false, time.Hour: false, -time.Second: false} {
		if _, ok := c.find(id, noon.Add(at), func() uint64 { return 1 }); ok != want {
			t.Errorf("after %s: %v, want %v", at, ok, want)
		}
	}
}

// TestAnExpiredLoginEnds: also where nothing was written meanwhile.
func TestAnExpiredLoginEnds(t *testing.T) {
	r := newRig(t)
	token := r.mem.login("admin")
	id, _ := sessionID(token)
	row := r.mem.sessions[id]
	row.ExpiresAt = model.TimeOf(noon.Add(time.Minute))
	r.mem.sessions[id] = row
	get := func() int { return r.do("GET", "/api/v1/node", nil, "Authorization", "Bearer "+token).Code }
	if code := get(); code != 200 {
		t.Fatalf("status %d", code)
	}
	r.pass(time.Minute)
	if code := get(); code != 401 {
		t.Errorf("status %d", code)
	}
}

// TestAPasswordChangeLooksAgain: after it every login is read anew.
func TestAPasswordChangeLooksAgain(t *testing.T) {
	r := newRig(t)
	token := r.mem.login("admin")
	if w := r.do("GET", "/api/v1/node", nil, "Authorization", "Bearer "+token); w.Code != 200 {
		t.Fatal(w.Code)
	}
	a := r.mem.accounts["admin"]
	a.Disabled = true
	r.mem.accounts["admin"] = a
	read[schema.Account](r, r.do("POST", "/api/v1/accounts", schema.AccountPut{Name: "bob", Password: "long enough"}), 201)
	r.refused(r.do("GET", "/api/v1/node", nil, "Authorization", "Bearer "+token), 401, fault.Login, "")
	if r.server.stillIn(actor{session: model.SessionID{9}}) || !r.server.stillIn(actorOf(context.WithValue(t.Context(), actorKey{}, actor{name: "local:0"}))) {
		t.Error("who is still in")
	}
}

// TestALoginThatEndsElsewhere: at a server of a group, what was remembered counts until the store changes, however
// short ago it was found; elsewhere for a moment longer.
func TestALoginThatEndsElsewhere(t *testing.T) {
	now := time.Now()
	for _, strict := range []bool{true, false} {
		c := sessions{strict: strict}
		id := model.SessionID{1}
		c.keep(goodSession{who: actor{name: "account:ada"}, expires: now.Add(time.Hour), version: 7, checked: now}, c.begin())
		c.good[id] = c.good[model.SessionID{}]
		for version, want := range map[uint64]bool{7: true, 8: !strict} {
			if _, ok := c.find(id, now, func() uint64 { return version }); ok != want {
				t.Errorf("strict %t, at version %d: %t", strict, version, ok)
			}
		}
	}
}
