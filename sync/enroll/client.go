package enroll

import (
	"context"
	"crypto"
	"encoding/hex"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/wire"
)

// Newcomer says who asks, for the record of the upper tier only.
type Newcomer struct {
	Name     string           // what the machine calls itself; at most 256 bytes
	Software string           // as in "skerry 0.1.0"
	Address  string           // HOST:PORT where a controller is reached by the others; for JoinGroup only
	Now      func() time.Time // nil: time.Now
	// Timeout bounds the whole conversation. Zero: 30 s.
	Timeout time.Duration
}

// Join enrolls the holder of key at url with the token, and returns the identity to save. It sends the
// token's secret only after the server has proved that it belongs to the authority whose pin the token
// carries. Calling it again with the same token and the same key gives the same result.
//
// Unreachable and ReadOnly are worth another try; for every other kind the text says what a person
// must do. A controller's token is for JoinGroup.
func Join(ctx context.Context, url string, token Token, key crypto.Signer, me Newcomer) (Identity, error) {
	if token.Kind == model.MemberController {
		return Identity{}, fault.New(fault.Invalid, "enroll", "this token is for a controller: use it with `skerry cluster join` on the machine that is to become one")
	}
	id, _, err := join(ctx, url, token, key, me)
	return id, err
}

// join holds the conversation; the second result is what a controller is told beside its identity.
func join(ctx context.Context, url string, token Token, key crypto.Signer, me Newcomer) (Identity, []byte, error) {
	op := "enroll at " + strings.TrimSpace(url)
	addr, err := link.Address(url)
	if err != nil {
		return Identity{}, nil, fault.Wrap("enroll", err)
	}
	if me.Timeout <= 0 {
		me.Timeout = 30 * time.Second
	}
	cert, err := selfSigned(key)
	if err != nil {
		return Identity{}, nil, fault.New(fault.Invalid, op, "the key cannot be used: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, me.Timeout)
	defer cancel()
	now := func() time.Time { return clock(me.Now) }
	conn, err := link.DialConn(ctx, addr, link.DialConfig{
		Cert: cert, CAPin: token.Pin(), Role: upperRole(token.Kind), Proto: link.ProtoEnroll, Now: now,
	})
	if err != nil {
		return Identity{}, nil, fault.Wrap(op, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	err = wire.WriteFrame(conn, wire.TypeEnroll, wire.Enroll{
		Member: token.Member, Secret: hex.EncodeToString(token.Secret[:]), Name: cut(me.Name), Software: cut(me.Software), Address: me.Address,
	})
	if err != nil {
		return Identity{}, nil, fault.Wrap(op, err)
	}
	body, err := wire.Expect(conn, wire.TypeEnrolled, wire.MaxControl)
	if err != nil {
		if ctx.Err() != nil {
			err = fault.New(fault.Unreachable, "", "no answer came (%w): try again with the same token", ctx.Err())
		}
		return Identity{}, nil, fault.Wrap(op, err)
	}
	answer, err := wire.Decode[wire.Enrolled](body)
	if err != nil {
		return Identity{}, nil, fault.Wrap(op, err)
	}
	id := Identity{
		Member: answer.Member, Kind: answer.Kind, Name: answer.Name, Epoch: answer.Epoch,
		Upper: answer.UpperID, UpperName: answer.UpperName, URL: "https://" + addr,
		CACert: answer.CACert, Cert: answer.Cert, EnrolledAt: model.TimeOf(now()), Key: key,
	}
	if err := id.check(token); err != nil {
		return Identity{}, nil, fault.Wrap(op, err)
	}
	return id, answer.Secrets, nil
}

// check holds the answer against the token.
func (id *Identity) check(token Token) error {
	if id.Member != token.Member || id.Kind != token.Kind {
		return fault.New(fault.Corrupt, "", "the token is for %s %s and the answer for %s %s", token.Kind, token.Member, id.Kind, id.Member)
	}
	if err := id.resolve(); err != nil {
		return fault.Wrap("check the answer", err)
	}
	if id.CAPin() != token.Pin() {
		return fault.New(fault.Corrupt, "", "the answer holds the certificate of another authority than the token pins")
	}
	return nil
}

func cut(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "")
	}
	return s
}
