package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

const (
	secretSize  = 32 // bytes of a session's secret
	sessionLife = 12 * time.Hour
)

type loginInput struct {
	Body schema.Login
	addr string
}

// Resolve keeps the caller's address: attempts are limited by it.
func (in *loginInput) Resolve(ctx huma.Context) []error {
	in.addr = ctx.RemoteAddr()
	return nil
}

type loginOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      schema.Session
}

func (s *Server) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	host, _, err := net.SplitHostPort(in.addr)
	if err != nil {
		host = in.addr
	}
	from := network(host)
	key := in.Body.Account + "\x00" + from
	if wait := s.logins.take(from, perNetwork); wait > 0 {
		return nil, tooMany(wait, "from "+from)
	}
	if wait := s.logins.take(key, perAccount); wait > 0 {
		return nil, tooMany(wait, fmt.Sprintf("as %q from %s", in.Body.Account, from))
	}
	account, ok, err := s.account(in.Body.Account)
	if err != nil {
		return nil, err
	}
	stored := account.PasswordHash
	if !ok || account.Disabled {
		// The same work is done for an account that does not exist, so that the time of the answer
		// does not tell which accounts do.
		stored = decoy
	}
	right, err := s.passwordIs(ctx, in.Body.Password, stored)
	if err != nil {
		return nil, err
	}
	if !right || !ok || account.Disabled {
		s.c.Log.Warn("login refused", "account", in.Body.Account, "from", host)
		if ok {
			s.note(ctx, model.Note{
				Action: "account.login", Object: account.Name, Reason: "wrong password or disabled account",
				Detail: map[string]string{"from": host},
			}, "anonymous")
		}
		return nil, fault.New(fault.Login, "", "the account or the password is wrong")
	}
	s.logins.give(key)
	s.logins.giveBack(from, perNetwork)

	secret := make([]byte, secretSize)
	if _, err := io.ReadFull(s.c.Rand, secret); err != nil {
		return nil, fmt.Errorf("make session: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(secret)
	id, _ := sessionID(token)
	now := s.c.Now()
	row := model.Session{ID: id, Account: account.Name, CreatedAt: model.TimeOf(now), ExpiresAt: model.TimeOf(now.Add(sessionLife))}
	err = s.c.Proposer.Propose(ctx, model.PutSession{
		Stamp: model.Stamp{Actor: "account:" + account.Name, At: model.TimeOf(now)}, Session: row,
	})
	if err != nil {
		return nil, fault.Wrap("open session", err)
	}
	cookie := http.Cookie{
		Name: cookieName, Value: token, Path: "/", MaxAge: int(sessionLife.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	return &loginOutput{
		SetCookie: cookie.String(),
		Body:      schema.Session{Account: account.Name, Token: token, ExpiresAt: row.ExpiresAt.Std()},
	}, nil
}

// tooMany refuses a login before its password is looked at.
func tooMany(wait time.Duration, who string) error {
	p := newProblem(http.StatusTooManyRequests, fault.Denied, fmt.Sprintf(
		"too many failed logins %s: try again in %d seconds", who, seconds(wait)))
	p.header = http.Header{"Retry-After": {strconv.Itoa(seconds(wait))}}
	return p
}

func (s *Server) account(name string) (model.Account, bool, error) {
	v, done := s.c.Store.View()
	defer done()
	return v.Account(name)
}

type logoutOutput struct {
	SetCookie string `header:"Set-Cookie"`
}

func (s *Server) logout(ctx context.Context, _ *none) (*logoutOutput, error) {
	a := actorOf(ctx)
	if !a.session.IsZero() {
		if err := s.c.Proposer.Propose(ctx, model.EndSession{Stamp: s.stamp(ctx), ID: a.session}); err != nil {
			return nil, fault.Wrap("end session", err)
		}
		s.sessions.forget()
	}
	cookie := http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	return &logoutOutput{SetCookie: cookie.String()}, nil
}

// noteOf is note for something that the caller did.
func (s *Server) noteOf(ctx context.Context, n model.Note) { s.note(ctx, n, actorOf(ctx).name) }

// note audits something that was refused. That it was refused stands either way, so a failure to
// record it is logged and no more.
func (s *Server) note(ctx context.Context, n model.Note, by string) {
	n.Stamp = model.Stamp{Actor: by, At: model.TimeOf(s.c.Now())}
	if err := s.c.Proposer.Propose(unkeyed(ctx), n); err != nil {
		s.c.Log.Warn("audit entry not written", "action", n.Action, "object", n.Object, "err", err)
	}
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
