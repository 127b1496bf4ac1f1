package api

import (
	"context"
	"net/http"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

type auditInput struct {
	Before uint64 `query:"before" doc:"only entries older than this sequence number; absent: the newest"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Site   string `query:"site" maxLength:"64" doc:"at a controller: whose record, by id or name; that site is asked. Absent: this server's own"`
}

func (s *Server) listAudit(ctx context.Context, in *auditInput) (*out[schema.Audit], error) {
	if in.Site != "" {
		return s.siteAudit(ctx, in)
	}
	v, done := s.c.Store.View()
	defer done()
	entries, err := v.Audit(model.Seq(in.Before), in.Limit)
	if err != nil {
		return nil, err
	}
	page := schema.Audit{Entries: each(entries, auditRow)}
	if n := len(entries); n == in.Limit && entries[n-1].Seq > 1 {
		page.Next = uint64(entries[n-1].Seq)
	}
	return &out[schema.Audit]{Body: page}, nil
}

func auditRow(e model.AuditEntry) schema.AuditEntry {
	return schema.AuditEntry{
		Seq: uint64(e.Seq), At: e.At.Std(), Actor: e.Actor, Action: e.Action,
		Object: e.Object, OK: e.OK, Reason: e.Reason, Detail: e.Detail, Prev: e.Prev,
	}
}

func (s *Server) listAccounts(_ context.Context, _ *none) (*out[[]schema.Account], error) {
	v, done := s.c.Store.View()
	defer done()
	accounts, err := v.Accounts()
	if err != nil {
		return nil, err
	}
	rows := make([]schema.Account, 0, len(accounts))
	for _, a := range accounts {
		rows = append(rows, schema.Account{Name: a.Name, CreatedAt: a.CreatedAt.Std(), Disabled: a.Disabled})
	}
	return &out[[]schema.Account]{Body: rows}, nil
}

type accountInput struct {
	New  bool `query:"new" doc:"refuse where there is an account of that name already"`
	Old  bool `query:"old" doc:"refuse where there is no account of that name yet"`
	Body schema.AccountPut
}

type accountOutput struct {
	Status int
	Body   schema.Account
}

func (s *Server) putAccount(ctx context.Context, in *accountInput) (*accountOutput, error) {
	was, known, err := s.account(in.Body.Name)
	switch {
	case err != nil:
		return nil, err
	case known && in.New:
		return nil, fault.New(fault.Exists, "add account", "there is an account %q already: change its password, or choose another name", in.Body.Name)
	case !known && in.Old:
		return nil, noNamed("account", in.Body.Name)
	}
	hash, err := s.hashPassword(ctx, in.Body.Password)
	if err != nil {
		return nil, err
	}
	stamp := s.stamp(ctx)
	row, status := model.Account{Name: in.Body.Name, PasswordHash: hash, CreatedAt: stamp.At}, http.StatusCreated
	if known {
		row.CreatedAt, row.Disabled, status = was.CreatedAt, was.Disabled, http.StatusOK
	}
	if err := s.c.Proposer.Propose(ctx, model.PutAccount{Stamp: stamp, Account: row}); err != nil {
		return nil, fault.Wrap("put account", err)
	}
	s.sessions.forget()
	return &accountOutput{Status: status, Body: schema.Account{Name: row.Name, CreatedAt: row.CreatedAt.Std(), Disabled: row.Disabled}}, nil
}

type accountName struct {
	Name string `path:"name" maxLength:"64"`
}

// disableAccount ends the logins of an account and lets nobody log in with it.
func (s *Server) disableAccount(ctx context.Context, in *accountName) (*out[schema.Account], error) {
	return s.accountTo(ctx, in.Name, true)
}

func (s *Server) enableAccount(ctx context.Context, in *accountName) (*out[schema.Account], error) {
	return s.accountTo(ctx, in.Name, false)
}

// accountTo changes whether somebody may log in with an account. That it is so already is no error.
func (s *Server) accountTo(ctx context.Context, name string, disabled bool) (*out[schema.Account], error) {
	row, known, err := s.account(name)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, noNamed("account", name)
	}
	if row.Disabled != disabled {
		row.Disabled = disabled
		action := "account.enable"
		if disabled {
			action = "account.disable"
		}
		stamp := s.stamp(ctx)
		err := s.c.Proposer.Propose(ctx, model.PutAccount{Stamp: stamp, Account: row}, model.Note{Stamp: stamp, Action: action, Object: name, OK: true})
		if err != nil {
			return nil, fault.Wrap("change account", err)
		}
		s.sessions.forget()
	}
	return &out[schema.Account]{Body: schema.Account{Name: row.Name, CreatedAt: row.CreatedAt.Std(), Disabled: row.Disabled}}, nil
}

// removeAccount removes an account and ends its logins. Searches that it saved stay, as do its entries of the audit record.
func (s *Server) removeAccount(ctx context.Context, in *accountName) (*none, error) {
	_, known, err := s.account(in.Name)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, noNamed("account", in.Name)
	}
	if err := s.c.Proposer.Propose(ctx, model.DropAccount{Stamp: s.stamp(ctx), Name: in.Name}); err != nil {
		return nil, err
	}
	s.sessions.forget()
	return nil, nil
}
