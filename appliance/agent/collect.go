package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const (
	factsEvery   = time.Hour       // facts go up at least this often
	factsLook    = 5 * time.Minute // how often they are looked at
	bootTimeSlip = 5 * time.Second // the kernel's boot time moves a little as the clock is disciplined
)

// collector observes the host and puts into the outbox what is new.
type collector struct {
	host  model.HostID
	probe Probe
	tags  []string
	owner string
	out   appender
	log   *slog.Logger
	now   func() time.Time
	paced chan struct{} // has room for one: the site wishes another interval
	wish  atomic.Int64  // the interval that the site wishes, in nanoseconds; 0: none

	mu      sync.Mutex // one observation at a time; guards what follows
	facts   model.Facts
	factsAt time.Time // when facts were last put into the outbox; zero: not since the start
	sent    map[model.ItemKind][sha256.Size]byte
	looked  model.Looks       // goes along with the facts, so that what did not change need not be sent to be known as fresh
	told    map[string]string // what was last logged as failing, by subject
}

// appender is the outbox. What Append returns without error is durable.
type appender interface {
	Append([]model.Item) (model.Seq, error)
}

// run observes at once and then at intervals until ctx ends. Its errors are of the disk: what cannot be
// observed is logged and tried again.
func (c *collector) run(ctx context.Context, interval time.Duration) error {
	own := interval
	timer := time.NewTicker(min(factsLook, interval))
	defer timer.Stop()
	due := c.now()
	for {
		if wish := cmp.Or(time.Duration(c.wish.Load()), own); wish != interval {
			due = due.Add(wish - interval)
			interval = wish
			timer.Reset(min(factsLook, interval))
		}
		if _, err := c.sendFacts(ctx, false); fault.Is(err, fault.ReadOnly) {
			return err
		}
		if now := c.now(); !now.Before(due) {
			due = now.Add(interval)
			for _, send := range []func(context.Context, bool) (int, error){c.sendPackages, c.sendCertificates, c.sendOSFacts} {
				if _, err := send(ctx, false); fault.Is(err, fault.ReadOnly) {
					return err
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.paced:
		case <-timer.C:
		}
	}
}

// pace takes how often the site wishes that packages and certificates are looked at; zero: as this agent is configured.
func (c *collector) pace(wish time.Duration) {
	if c.wish.Swap(int64(wish)) != int64(wish) {
		select {
		case c.paced <- struct{}{}:
		default:
		}
	}
}

// refresh observes everything now and sends it whether it changed or not: the command
// inventory.refresh.
func (c *collector) refresh(ctx context.Context) (string, error) {
	_, errFacts := c.sendFacts(ctx, true)
	packages, errPackages := c.sendPackages(ctx, true)
	certificates, errCertificates := c.sendCertificates(ctx, true)
	_, errSystem := c.sendOSFacts(ctx, true)
	var partly *incomplete
	if errors.As(errCertificates, &partly) {
		errCertificates = nil
	}
	if err := errors.Join(errFacts, errPackages, errCertificates, errSystem); err != nil {
		return "", fault.New(fault.KindOf(cmp.Or(errFacts, errPackages, errCertificates, errSystem)), "", "%w", err)
	}
	text := fmt.Sprintf("%d packages, %d certificates", packages, certificates)
	if partly != nil {
		text += "\n" + partly.Error()
	}
	return text, nil
}

// sendFacts sends the facts if they changed, are an hour old, or force is set.
func (c *collector) sendFacts(ctx context.Context, force bool) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.now()
	f, err := c.probe.Facts(ctx)
	if err != nil {
		return 0, c.failed(ctx, "facts", err)
	}
	f.Tags, f.Owner = slices.Sorted(slices.Values(c.tags)), c.owner
	if d := f.BootedAt.Std().Sub(c.facts.BootedAt.Std()); d.Abs() <= bootTimeSlip {
		f.BootedAt = c.facts.BootedAt
	}
	age := at.Sub(c.factsAt)
	if !force && !c.factsAt.IsZero() && age < factsEvery && reflect.DeepEqual(f, c.facts) {
		return 0, c.worked("facts")
	}
	if err := c.append(model.ItemFacts, at, model.FactsReport{Facts: f, Looked: c.looked}); err != nil {
		return 0, c.failed(ctx, "facts", err)
	}
	c.facts, c.factsAt = f, at
	return 0, c.worked("facts")
}

// sendPackages sends the packages if they changed since the start, or force is set; it returns how
// many there are.
func (c *collector) sendPackages(ctx context.Context, force bool) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.now()
	inv, err := c.probe.Inventory(ctx)
	if err == nil {
		err = c.changed(model.ItemPackages, at, inv, force)
	}
	if err != nil {
		return 0, c.failed(ctx, "packages", err)
	}
	return len(inv.Packages), c.worked("packages")
}

// sendCertificates is sendPackages for certificates. An *incomplete error says that some could not be
// read; the others were sent.
func (c *collector) sendCertificates(ctx context.Context, force bool) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.now()
	list, errs := c.probe.Certificates(ctx)
	if err := ctx.Err(); err != nil {
		return 0, c.failed(ctx, "certificates", err) // what was found until then is not all
	}
	if list == nil {
		list = []model.Certificate{}
	}
	if err := c.changed(model.ItemCertificates, at, list, force); err != nil {
		return 0, c.failed(ctx, "certificates", err)
	}
	if len(errs) > 0 {
		return len(list), c.failed(ctx, "certificates", &incomplete{errs})
	}
	return len(list), c.worked("certificates")
}

// sendOSFacts is sendPackages for the facts of the system. That some section of them is not whole they say themselves.
func (c *collector) sendOSFacts(ctx context.Context, force bool) (int, error) {
	if c.probe.OSFacts == nil {
		return 0, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.now()
	f, err := c.probe.OSFacts(ctx)
	if err == nil {
		err = c.changed(model.ItemOSFacts, at, f, force)
	}
	if err != nil {
		return 0, c.failed(ctx, "facts of the system", err)
	}
	return 0, c.worked("facts of the system")
}

// incomplete says that an observation lacks something.
type incomplete struct{ errs []error }

func (e *incomplete) Error() string {
	var b strings.Builder
	b.WriteString("not all could be read:")
	for _, err := range e.errs {
		b.WriteString("\n" + err.Error())
	}
	return b.String()
}

// changed sends v unless it is what was sent last.
func (c *collector) changed(kind model.ItemKind, at time.Time, v any, force bool) error {
	b, err := model.Encode(v)
	if err != nil {
		return fault.New(fault.Other, "report "+string(kind), "%w", err)
	}
	sum := sha256.Sum256(b)
	if last, ok := c.sent[kind]; ok && last == sum && !force {
		if l := c.look(kind); l != nil {
			l.Same = model.TimeOf(at)
		}
		return nil
	}
	if _, err := c.out.Append([]model.Item{{Kind: kind, Key: c.host.String(), AsOf: model.TimeOf(at), Payload: b}}); err != nil {
		return err
	}
	if c.sent == nil {
		c.sent = map[model.ItemKind][sha256.Size]byte{}
	}
	c.sent[kind] = sum
	if l := c.look(kind); l != nil {
		*l = model.Look{Sent: model.TimeOf(at), Same: model.TimeOf(at)}
	}
	return nil
}

// look is where it is kept when a kind was looked at; nil: that of other kinds is not told.
func (c *collector) look(kind model.ItemKind) *model.Look {
	switch kind {
	case model.ItemPackages:
		return &c.looked.Packages
	case model.ItemCertificates:
		return &c.looked.Certificates
	}
	return nil
}

func (c *collector) append(kind model.ItemKind, at time.Time, v any) error {
	return c.changed(kind, at, v, true)
}

// failed logs an error once, not at every look, and returns it.
func (c *collector) failed(ctx context.Context, subject string, err error) error {
	if ctx.Err() != nil {
		return err // the agent is ending
	}
	if c.told == nil {
		c.told = map[string]string{}
	}
	if text := err.Error(); c.told[subject] != text {
		c.told[subject] = text
		c.log.Warn("the host could not be observed in full", "subject", subject, "err", err)
	}
	return err
}

func (c *collector) worked(subject string) error {
	delete(c.told, subject)
	return nil
}
