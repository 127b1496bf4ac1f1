package uplink

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// SiteTx is one transaction of the site's rows; a transaction of storage/index satisfies it.
type SiteTx interface {
	apply.Tx
	// Commit makes the rows and the position applied durable together (durable: with fsync).
	Commit(applied uint64, durable bool) error
	// Discard drops the transaction.
	Discard()
}

// Appender is where what goes up is kept; storage/queue satisfies it.
type Appender interface {
	// Append stores the items, durably, all or none, and returns the number of the last one.
	Append(items []model.Item) (model.Seq, error)
	// Head returns the number of the newest append of this epoch; zero: there was none.
	Head() model.Seq
}

// ProposerConfig is what a Proposer needs; all fields but Room and Now are required.
type ProposerConfig struct {
	// Begin starts a transaction; there is one at a time.
	Begin func() SiteTx
	// Applied is the position that the rows were last committed with: the outbox's head at that time.
	Applied uint64
	Outbox  Appender
	// Apply turns a change into rows and returns what goes up: engine/apply.Change with its Env.
	Apply func(apply.Tx, model.Change) ([]model.Item, error)
	// Room, if set, says why the disk has no room for changes: they are refused with that, before a store fails.
	Room func(changes []model.Change) error
	Now  func() time.Time // nil: time.Now
	// Retry is how long to wait after the rows could not be sent again, and twice that after each further time, up to a
	// minute; a second if zero.
	Retry time.Duration
	Log   *slog.Logger
}

// Proposer is how a site makes changes durable: one writer, and one fsync of the outbox and one of
// the rows for all proposals that came while the writer was busy.
//
// What goes up is durable before the rows are, for the other order could lose it for ever. The rows
// are committed with the outbox's head as their position, so that a crash in between shows at the next
// start: the outbox is then ahead of the rows and may have told the tier above what never became true
// here. Run puts that right by a model.Resync, whose items take the place of those.
type Proposer struct {
	c      ProposerConfig
	queue  chan *proposal
	done   chan struct{} // closed when Run has ended
	broken atomic.Pointer[error]
	owed   bool // the rows are to be sent again; only Run touches it
}

// proposal is one call of Propose.
type proposal struct {
	changes []model.Change
	result  chan error // has room for the one answer
}

// Bounds of what shares a commit.
const (
	maxGroup  = 256     // proposals
	maxWeight = 4 << 20 // bytes, about; one proposal may exceed it alone
)

// NewProposer returns a Proposer; nothing is applied before Run is called.
func NewProposer(c ProposerConfig) *Proposer {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Retry == 0 {
		c.Retry = time.Second
	}
	return &Proposer{c: c, queue: make(chan *proposal, maxGroup), done: make(chan struct{})}
}

// Propose returns once the changes are durable and applied, or none of them is. Where ctx ends first
// the outcome is unknown. After a failed write or fsync every call returns an error of kind ReadOnly; while there is no
// room, one of kind Full.
func (p *Proposer) Propose(ctx context.Context, changes ...model.Change) error {
	if err := p.Err(); err != nil {
		return err
	}
	if len(changes) == 0 {
		return nil
	}
	if p.c.Room != nil {
		if err := p.c.Room(changes); err != nil {
			return fault.Wrap("propose", err)
		}
	}
	r := &proposal{changes: changes, result: make(chan error, 1)}
	select {
	case p.queue <- r:
	case <-p.done:
		return errStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-r.result:
		return err
	case <-p.done:
		select {
		case err := <-r.result: // answered just before the end
			return err
		default:
			return errStopping
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errStopping = fault.New(fault.ReadOnly, "propose", "this server is stopping; try again when it is back")

// Err returns why nothing can be written any more; nil while it can.
func (p *Proposer) Err() error {
	if err := p.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Run writes until ctx ends. To be called once.
func (p *Proposer) Run(ctx context.Context) error {
	defer close(p.done)
	pause := p.c.Retry
	retry := time.NewTimer(pause)
	defer retry.Stop()
	if head := p.c.Outbox.Head(); uint64(head) != p.c.Applied {
		p.c.Log.Warn("the outbox and the rows were not written together the last time; sending all rows again",
			"outbox", uint64(head), "rows", p.c.Applied)
		p.owed = true
		p.recover()
	}
	for {
		var again <-chan time.Time
		if p.owed {
			again = retry.C
		}
		var group []*proposal
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			p.recover()
			pause = min(2*pause, mostRetrying)
			retry.Reset(pause)
			continue
		case r := <-p.queue:
			group = append(group, r)
		}
		weight := group[0].weight()
	fill:
		for len(group) < maxGroup && weight < maxWeight {
			select {
			case r := <-p.queue:
				group = append(group, r)
				weight += r.weight()
			default:
				break fill
			}
		}
		p.write(group)
	}
}

// mostRetrying is the longest pause before the rows are tried to be sent again.
const mostRetrying = time.Minute

// recover brings the tier above to what is true here, where the last run ended between the outbox and
// the rows, or the outbox was given another epoch. Where that fails it is owed as before.
func (p *Proposer) recover() {
	again := model.Resync{Stamp: model.Stamp{Actor: "system", At: model.TimeOf(p.c.Now())}}
	p.owed = false
	if err := p.commit([]*proposal{{changes: []model.Change{again}}}); err != nil {
		p.owed = true
		p.c.Log.Error("the rows were not sent again; trying it again later", "reason", err.Error())
	}
}

// weight is about how many bytes a proposal adds to a commit.
func (r *proposal) weight() int {
	n := 0
	for _, c := range r.changes {
		n += 512
		switch c := c.(type) {
		case model.Received:
			for i := range c.Items {
				n += len(c.Items[i].Payload)
			}
		case model.Advisories:
			n += len(c.Put) * 2048
		case model.Matched:
			for i := range c.Matches {
				n += len(c.Matches[i].Findings)*256 + len(c.Matches[i].Parts)*64
			}
			for i := range c.Judged {
				n += 256 + (len(c.Judged[i].Findings)+2*len(c.Judged[i].Changes))*256
			}
		}
	}
	return n
}

// write makes a group durable and answers it. Where one proposal of several is at fault, each is
// written by itself, so that the fault hits none but its own.
func (p *Proposer) write(group []*proposal) {
	err := p.commit(group)
	if err != nil && p.Err() == nil && len(group) > 1 {
		for _, r := range group {
			r.result <- p.commit([]*proposal{r})
		}
		return
	}
	for _, r := range group {
		r.result <- err
	}
}

// commit applies a group in one transaction. An error is final for the Proposer if Err returns it
// too; else nothing was written.
func (p *Proposer) commit(group []*proposal) error {
	if err := p.Err(); err != nil {
		return err
	}
	tx := p.c.Begin()
	var up []model.Item
	for _, r := range group {
		for _, c := range r.changes {
			items, err := p.c.Apply(tx, c)
			if err != nil {
				tx.Discard()
				return err
			}
			up = append(up, items...)
		}
	}
	head := p.c.Outbox.Head()
	if len(up) > 0 {
		var err error
		if head, err = p.c.Outbox.Append(up); err != nil {
			tx.Discard()
			if fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) {
				return err // of an item, not of the disk
			}
			return p.fail(fmt.Errorf("write the outbox: %w", err))
		}
	}
	at := uint64(head)
	if p.owed { // no position that the outbox can have: the next start has to find out as well
		at++
	}
	if err := tx.Commit(at, true); err != nil {
		return p.fail(fmt.Errorf("commit the rows: %w", err))
	}
	return nil
}

// fail latches err: after a failed fsync nobody knows what the disk holds, and another try could
// report success for what is lost.
func (p *Proposer) fail(err error) error {
	err = fault.New(fault.ReadOnly, "propose", "this server cannot write any more until it is restarted; check its disk: %w", err)
	p.broken.Store(&err)
	p.c.Log.Error("the store failed; serving read-only", "reason", err.Error())
	return err
}
