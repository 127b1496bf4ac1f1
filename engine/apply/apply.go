// Package apply is the one switch that turns a model.Change into rows, on controllers and sites alike.
//
// It owns what each change means: which rows it writes, what it refuses, what goes down to members
// and what is emitted upward. It is a pure function of the change and the rows: no clock, no
// randomness, no I/O but the transaction. It never commits; whoever calls it does, so that the rows
// and the position they were reached at become durable together.
package apply

import (
	"fmt"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/audit"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Env is what apply must know of the server it runs in.
type Env struct {
	Role model.Role
	// Version is that of the log entry that the change stands in; zero: what this program writes. Where a version changed
	// what a change does, entries of earlier ones do what they did, since other nodes have applied them so.
	Version uint32
	// Lax, if set, is told of each item that an entry of an early version was more lenient with than this program's are:
	// refused without a ration, or stored without a check. It must not change what is applied.
	Lax func()
	// Step, if set, is told now and then that a change which takes long goes on. It must not change what is applied.
	Step func()
}

// Change applies c to tx and returns what goes up to the next tier (Seq unset; nil at a controller,
// which has no tier above). On an error the caller discards the whole transaction: some rows may
// have been written to it already.
func Change(tx Tx, env Env, c model.Change) ([]model.Item, error) {
	a := &applier{tx: tx, env: env}
	if err := a.change(c); err != nil {
		return nil, err
	}
	return a.up, nil
}

type applier struct {
	tx     Tx
	env    Env
	steps  int // see step
	up     []model.Item
	counts []*tally // of the sites whose aggregate rows this change touches, in the order it met them
}

func (a *applier) change(c model.Change) error {
	switch c := c.(type) {
	case model.Found:
		return a.found(c)
	case model.Invite:
		return a.invite(c)
	case model.Enroll:
		return a.enroll(c)
	case model.Received:
		return a.counted(a.received(c), c.At)
	case model.Advisories:
		return a.advisories(c)
	case model.Generation:
		return a.generation(c)
	case model.Stage:
		return a.stage(c)
	case model.Commit:
		return a.commit(c)
	case model.Abandon:
		return a.abandon(c)
	case model.PutPartner:
		return a.putPartner(c)
	case model.DropPartner:
		return a.dropPartner(c)
	case model.PutAcceptance:
		return a.putAcceptance(c)
	case model.DropAcceptance:
		return a.dropAcceptance(c)
	case model.PutAuthority:
		return a.putAuthority(c)
	case model.Matched:
		return a.counted(a.matched(c), c.At)
	case model.Rollup:
		return a.rollup(c)
	case model.Dispatch:
		return a.dispatch(c)
	case model.Moves:
		return a.moves(c)
	case model.PutAccount:
		return a.putAccount(c)
	case model.DropAccount:
		return a.dropAccount(c)
	case model.PutSession:
		return a.putSession(c)
	case model.EndSession:
		return a.tx.DeleteSession(c.ID)
	case model.TrustSigner:
		return a.trustSigner(c)
	case model.Note:
		return a.note(c.Stamp, c.Action, c.Object, c.OK, c.Reason, c.Detail)
	case model.HostStatuses:
		return a.counted(a.hostStatuses(c), c.At)
	case model.Resync:
		return a.resync(c)
	case model.PutSearch:
		return a.putSearch(c)
	case model.DropSearch:
		return a.dropSearch(c)
	case model.PutSite:
		return a.putSite(c)
	case model.RemoveMember:
		return a.removeMember(c)
	case model.PutController:
		return a.putController(c)
	case model.PutSecret:
		return a.putSecret(c)
	case model.Repair:
		return a.repair(c)
	case model.Overtaken:
		return a.overtaken(c)
	case model.PutRule:
		return a.putRule(c)
	case model.DropRule:
		return a.dropRule(c)
	case model.JudgeAlerts:
		return a.judgeAlerts(c)
	case model.AckAlert:
		return a.ackAlert(c)
	case model.AskAlert:
		return a.askAlert(c)
	case model.PutPolicy:
		return a.putPolicy(c)
	case model.DropPolicy:
		return a.dropPolicy(c)
	case model.Quarantine:
		return a.quarantine(c)
	case model.Rekey:
		return a.rekey(c)
	case model.RetireHosts:
		return a.counted(a.retireHosts(c), c.At)
	case model.SetMemberStatus:
		return a.setMemberStatus(c)
	case model.ClearSite:
		return a.clearSite(c)
	case model.Introduced:
		return a.introduced(c)
	case model.Evaluated:
		return a.counted(a.evaluated(c), c.At)
	}
	return fault.New(fault.Version, "apply change", "unknown change %T: this version cannot apply it; upgrade this server", c)
}

// since reports whether what that version of log entries brought holds for this change.
func (a *applier) since(version uint32) bool { return a.env.Version == 0 || a.env.Version >= version }

func (a *applier) lax() {
	if a.env.Lax != nil {
		a.env.Lax()
	}
}

// stepEvery is how many pieces of a long change are done before Env.Step hears of it: some milliseconds.
const stepEvery = 256

// step counts a piece of a change that may take long.
func (a *applier) step() {
	if a.steps++; a.steps%stepEvery == 0 && a.env.Step != nil {
		a.env.Step()
	}
}

// emit adds an item to what goes up. A controller is the highest tier and emits nothing.
func (a *applier) emit(kind model.ItemKind, key string, asOf model.Time, payload any) error {
	if a.env.Role != model.RoleSite {
		return nil
	}
	item := model.Item{Kind: kind, Key: key, AsOf: asOf}
	if payload != nil {
		b, err := model.Encode(payload)
		if err != nil {
			return fmt.Errorf("encode %s item %s: %w", kind, key, err)
		}
		item.Payload = b
	}
	a.up = append(a.up, item)
	return nil
}

// note appends to the audit record.
func (a *applier) note(s model.Stamp, action, object string, ok bool, reason string, detail map[string]string) error {
	last, _, err := a.tx.LastAudit()
	if err != nil {
		return err
	}
	e, err := audit.Chain(last, model.AuditEntry{
		At: s.At, Actor: s.Actor, Action: action, Object: object, OK: ok, Reason: reason, Detail: detail,
	})
	if err != nil {
		return err
	}
	return a.tx.PutAudit(e)
}

func (a *applier) found(c model.Found) error {
	const op = "found"
	was, ok, err := a.tx.Self()
	if err != nil {
		return err
	}
	if ok {
		if was.Self != c.Self || was.Role != c.Role {
			return fault.New(fault.Conflict, op, "this data folder belongs to %s %s and cannot become %s %s; use an empty folder",
				was.Role, was.Self, c.Role, c.Self)
		}
		return nil
	}
	if c.Self.IsZero() || c.Role != a.env.Role {
		return fault.New(fault.Invalid, op, "a %s cannot take the identity %s of a %s", a.env.Role, c.Self, c.Role)
	}
	if err := a.tx.PutSelf(c); err != nil {
		return err
	}
	if c.Role == model.RoleSite {
		if err := a.tx.PutSite(model.Site{ID: model.SiteID(c.Self), Name: c.Name}); err != nil {
			return err
		}
		for _, r := range alert.Defaults() {
			r.Origin, r.By, r.At = c.Self, c.Actor, c.At
			if err := a.tx.PutRule(r); err != nil {
				return err
			}
		}
	}
	return a.note(c.Stamp, string(c.Role)+".found", c.Self.String(), true, "", map[string]string{"name": c.Name})
}

// self returns the identity of this store; without one nothing but Found can be applied.
func (a *applier) self() (model.NodeID, error) {
	f, ok, err := a.tx.Self()
	if err != nil {
		return model.NodeID{}, err
	}
	if !ok {
		return model.NodeID{}, fault.New(fault.Conflict, "apply change", "this %s has no identity yet", a.env.Role)
	}
	return f.Self, nil
}
