package apply

import (
	"fmt"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// RestoreTx is what Restore needs beyond Tx.
type RestoreTx interface {
	Tx
	// Life returns which life of its group the store is of; PutLife replaces it.
	Life() (model.Life, error)
	PutLife(model.Life) error
	// RaiseDirectives makes the next directive's Seq one that is above to.
	RaiseDirectives(to model.Seq) error
	// DirectiveHead returns the highest Seq given to a directive so far.
	DirectiveHead() (model.Seq, error)
	// Members returns the members of a kind, removed ones included.
	Members(model.MemberKind) ([]model.Member, error)
}

// Restored is what makes the rows of a backup the first of a controller group's next life. It is no model.Change,
// because it is in nobody's log: it is applied once, to rows that nobody serves yet, and whoever joins the group
// later gets it with them.
type Restored struct {
	model.Stamp
	Node model.Member // the one node that the group begins with
	From model.Time   // when the backup was made
}

// Restore begins the next life, so that nobody takes what it sends for what the group sent behind the backup, and
// nobody of the group as it was is let in:
//
//   - the epoch rises, and the numbers of directives and the cursors of advisories go on above all that can have been
//     given out behind the backup;
//   - every member is told;
//   - the rules and policies, the accepted risks and who may speak for what go down again: a site may hold what they became
//     behind the backup;
//   - the orders of commands that had not ended go down again: where a site has one already it says how far it came;
//   - the controllers and the logins that there were are removed, and Node is the only controller.
func Restore(tx RestoreTx, c Restored) (model.Life, error) {
	a := &applier{tx: tx, env: Env{Role: model.RoleController}}
	l, err := a.restore(tx, c)
	return l, fault.Wrap("restore the rows", err)
}

func (a *applier) restore(tx RestoreTx, c Restored) (model.Life, error) {
	self, ok, err := tx.Self()
	switch {
	case err != nil:
		return model.Life{}, err
	case !ok || self.Role != model.RoleController:
		return model.Life{}, fault.New(fault.Invalid, "", "they are not those of a controller group")
	case c.Node.ID.IsZero() || c.Node.Kind != model.MemberController || c.Node.Name == "" || c.Node.Pin == "":
		return model.Life{}, fault.New(fault.Invalid, "", "the node that the group begins with needs an id, a name and a key")
	}
	life, err := tx.Life()
	if err != nil {
		return life, err
	}
	life = model.Life{Epoch: life.Epoch + 1, At: c.At, From: c.From, Node: c.Node.ID}
	if err := tx.PutLife(life); err != nil {
		return life, err
	}
	if err := a.renumber(tx, c.At); err != nil {
		return life, err
	}
	if err := a.begin(tx, c); err != nil {
		return life, err
	}
	return life, a.note(c.Stamp, "group.restore", self.Self.String(), true, "", map[string]string{
		"epoch": fmt.Sprint(life.Epoch), "backup": c.From.String(), "node": c.Node.ID.String(), "name": c.Node.Name, "pin": c.Node.Pin,
	})
}

// renumber moves on everything that this group numbers for others, and sends what has to be said anew.
func (a *applier) renumber(tx RestoreTx, at model.Time) error {
	head, err := tx.DirectiveHead()
	if err != nil {
		return err
	}
	if err := tx.RaiseDirectives(beyond(head, at)); err != nil {
		return err
	}
	shelf, err := tx.Shelf()
	if err != nil {
		return err
	}
	shelf.Floor = beyond(max(shelf.Cursor.Seq, shelf.Floor), at)
	if shelf.AdvisoryN > 0 {
		// Sites hold changes of the life that was lost. A place above them, which is told, has each of them fetch the whole, and
		// what that does not have was lost.
		advance(&shelf, at)
		if err := tx.PutDirective(model.NodeID{}, model.ItemShelf, "shelf", at); err != nil {
			return err
		}
	}
	if err := tx.PutShelf(shelf); err != nil {
		return err
	}
	// With this, each member holds something of the new life, and will not follow the old one any more.
	if err := tx.PutDirective(model.NodeID{}, model.ItemRestored, "restored", at); err != nil {
		return err
	}
	if err := a.retellGuidance(at); err != nil {
		return err
	}
	if err := a.retellPartners(at); err != nil {
		return err
	}
	var open []model.Command
	if err := tx.OpenCommands(func(c model.Command) error { open = append(open, c); return nil }); err != nil {
		return err
	}
	for _, cmd := range open {
		site, key := model.NodeID(cmd.Site), cmd.ID.String()
		if err := tx.RemoveDirective(site, key); err != nil {
			return err
		}
		if err := tx.PutDirective(site, model.ItemOrder, key, at); err != nil {
			return err
		}
	}
	return nil
}

// Numbers that go on after a restore begin at the second of the restore, with room for a million a second: they are
// above all that were given out behind the backup, and two restores of one backup give different ones. Where the clock is
// not to be believed they are some billions on.
const (
	epochOfNumbers = 1_577_836_800_000 // 2020-01-01T00:00:00Z, in model.Time
	numbersSecond  = 20                // bits
	numbersApart   = 1 << 32
	lastSecond     = 1<<33 - 1 // so that the numbers stay below 2^53, which every reader of JSON can hold
)

func beyond(n model.Seq, at model.Time) model.Seq {
	second := min(max(int64(at)-epochOfNumbers, 0)/1000, lastSecond)
	return max(n+numbersApart, model.Seq(second)<<numbersSecond)
}

// begin removes those who may not act for the group any more, and puts its one node.
func (a *applier) begin(tx RestoreTx, c Restored) error {
	nodes, err := tx.Members(model.MemberController)
	if err != nil {
		return err
	}
	for _, m := range nodes {
		if m.Status == model.MemberRemoved {
			continue
		}
		m.Status, m.TokenHash, m.TokenExpires = model.MemberRemoved, "", 0
		if err := tx.PutMember(m); err != nil {
			return err
		}
	}
	me := c.Node
	me.Status = model.MemberEnrolled
	if err := tx.PutMember(me); err != nil {
		return err
	}
	// Somebody may have logged out, or have been locked out, behind the backup.
	var logins []model.SessionID
	if err := tx.EachSession(func(s model.Session) error { logins = append(logins, s.ID); return nil }); err != nil {
		return err
	}
	for _, id := range logins {
		if err := tx.DeleteSession(id); err != nil {
			return err
		}
	}
	return nil
}

// overtaken keeps with a member that it holds what was never numbered here.
func (a *applier) overtaken(c model.Overtaken) error {
	const op = "keep that this server is behind"
	m, ok, err := a.tx.Member(c.Member)
	switch {
	case err != nil:
		return err
	case !ok:
		return fault.New(fault.NotFound, op, "%s is not a member here", c.Member)
	case c.Held.Epoch == 0:
		return fault.New(fault.Invalid, op, "a member holds nothing of epoch 0")
	case c.Held.Epoch < m.Ahead.Epoch || c.Held.Epoch == m.Ahead.Epoch && m.Ahead.Seq > 0:
		return nil
	}
	m.Ahead = c.Held
	if err := a.tx.PutMember(m); err != nil {
		return err
	}
	return a.note(c.Stamp, noun(m.Kind)+".ahead", m.ID.String(), false, "it holds what was never numbered here: these rows are an older copy",
		map[string]string{"name": m.Name, "epoch": fmt.Sprint(c.Held.Epoch), "seq": fmt.Sprint(uint64(c.Held.Seq))})
}
