package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// cookieName has the prefix that makes browsers insist on Secure, Path=/ and this very host.
const cookieName = "__Host-skerry"

// staleLogins is how old the rows may be by which a login is judged. A node of a group that has not heard from the others
// for longer does not know who has been locked out meanwhile, and answers nobody but who comes by its local socket.
const staleLogins = 5 * time.Minute

// actor is who sent a request.
type actor struct {
	name    string // as the audit record has it: account:NAME, fetcher:NAME or local:UID
	account string // empty for the local administrator
	session model.SessionID
	local   bool
}

// actorKey finds the actor of a connection that needs no login.
type actorKey struct{}

// actorOf returns who is asking; authenticate has seen to it that there is someone.
func actorOf(ctx context.Context) actor {
	if x := exchangeOf(ctx); x != nil && x.who.name != "" {
		return x.who
	}
	a, _ := ctx.Value(actorKey{}).(actor)
	return a
}

// stamp marks a change with who made it and when.
func (s *Server) stamp(ctx context.Context) model.Stamp {
	return model.Stamp{Actor: actorOf(ctx).name, At: model.TimeOf(s.c.Now())}
}

// open reports whether a path answers without a session: the page's own files hold nothing of the
// federation, and login must be reachable to log in.
func open(r *http.Request) bool {
	p := r.URL.Path
	if p == base+"/login" || p == "/healthz" || p == "/readyz" {
		return true
	}
	return !strings.HasPrefix(p, "/api/") && !strings.HasPrefix(p, "/openapi")
}

// authenticate finds who is asking and refuses what needs a session and has none.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if actorOf(r.Context()).name != "" || open(r) {
			next.ServeHTTP(w, r)
			return
		}
		a, err := s.fetcher(r), error(nil)
		if a.name == "" {
			a, err = s.session(r)
		}
		if err != nil {
			p := s.fail(r.Context(), err).(*problem)
			if p.Status == http.StatusUnauthorized {
				p.header = http.Header{"Www-Authenticate": {"Bearer"}}
			}
			p.write(w)
			return
		}
		exchangeOf(r.Context()).who = a
		next.ServeHTTP(w, r)
	})
}

// fetcher finds who fetches a bundle with a token that is for nothing else; no name: nobody does.
func (s *Server) fetcher(r *http.Request) actor {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if r.Method != http.MethodGet || r.URL.Path != base+"/federation/export" || !strings.EqualFold(scheme, "Bearer") {
		return actor{}
	}
	if name := s.c.Federation.Fetchers[sha256.Sum256([]byte(strings.TrimSpace(token)))]; name != "" {
		return actor{name: "fetcher:" + name}
	}
	return actor{}
}

// session finds the login that a request carries.
func (s *Server) session(r *http.Request) (actor, error) {
	const doing = "check login"
	token := ""
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, value, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return actor{}, fault.New(fault.Login, "", "the Authorization header must be: Bearer TOKEN")
		}
		token = strings.TrimSpace(value)
	} else if c, err := r.Cookie(cookieName); err == nil {
		token = c.Value
	}
	if token == "" {
		return actor{}, fault.New(fault.Login, "", "log in first: no session came with this request")
	}
	if id, ok := sessionID(token); ok {
		a, ok, err := s.sessionOf(id)
		if err != nil {
			return actor{}, fault.Wrap(doing, err)
		}
		if ok {
			return a, nil
		}
	}
	return actor{}, fault.New(fault.Login, "", "log in again: this session has ended or never was")
}

// sessionOf returns whose a login is; false: it has ended, or never was. It fails where the rows here are too old to
// tell.
func (s *Server) sessionOf(id model.SessionID) (actor, bool, error) {
	if s.c.Age != nil {
		if age := s.c.Age(); age > staleLogins {
			return actor{}, false, fault.New(fault.ReadOnly, "",
				"this server may not have heard from its group for %v, and does not judge logins by what it knew so long ago (%v at most): ask another controller, or this one by its local socket",
				age.Round(time.Second), staleLogins)
		}
	}
	now := s.c.Now()
	if a, ok := s.sessions.find(id, now, s.c.Store.Version); ok {
		return a, true, nil
	}
	edition, version := s.sessions.begin(), s.c.Store.Version()
	v, done := s.c.Store.View()
	defer done()
	row, ok, err := v.Session(id)
	if err != nil || !ok || !now.Before(row.ExpiresAt.Std()) {
		return actor{}, false, err
	}
	account, ok, err := v.Account(row.Account)
	if err != nil || !ok || account.Disabled {
		return actor{}, false, err
	}
	a := actor{name: "account:" + row.Account, account: row.Account, session: id}
	s.sessions.keep(goodSession{who: a, expires: row.ExpiresAt.Std(), version: version, checked: now}, edition)
	return a, true, nil
}

// stillIn reports whether the login of somebody who was let in holds.
func (s *Server) stillIn(a actor) bool {
	if a.session.IsZero() {
		return true // came by the local socket
	}
	_, ok, err := s.sessionOf(a.session)
	return ok && err == nil
}

// sessionID is the name under which a session's row stands: half of the digest of the secret, so that
// who reads the rows cannot log in with them.
func sessionID(token string) (id model.SessionID, ok bool) {
	secret, err := base64.RawURLEncoding.Strict().DecodeString(token)
	// The decoder skips line ends; a token has none.
	if err != nil || len(secret) != secretSize || len(token) != base64.RawURLEncoding.EncodedLen(secretSize) {
		return id, false
	}
	sum := sha256.Sum256(secret)
	copy(id[:], sum[:])
	return id, true
}
