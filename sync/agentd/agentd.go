// Package agentd is the agents' door on a site.
//
// It owns what a site does to an agent's items before they are proposed (Door): the bodies of reports
// (packages, certificates, facts of the system) and the output of commands are checked against their bounds, put into
// canonical form and into the detail tier, and replaced by references; and it owns the judgement whether each host's agent still
// reports (Presence). It moves no bytes itself: sync/hub runs the links and calls it.
//
// It never trusts an agent to speak for a host that is not its own, and never lets one bad item stop
// those behind it.
package agentd

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Detail is the detail tier, as the door uses it.
type Detail interface {
	// PutAll makes each body durable as the newest of its kind for its host, and returns their hex
	// SHA-256, in order.
	PutAll([]Body) (digests []string, err error)
}

// Body is what goes into the detail tier.
type Body struct {
	Host  model.HostID
	Kind  model.ItemKind // ItemPackages, ItemCertificates, ItemOSFacts, ItemOutput, or KindRefused
	Event [16]byte       // of ItemOutput: the command; of KindRefused: from the digest
	AsOf  model.Time
	Bytes []byte // canonical JSON; of ItemOutput the text, of KindRefused what came
}

// DoorConfig is what a Door needs; all fields without a stated default are required.
type DoorConfig struct {
	Detail Detail
	// Owner returns which agent reports a host; false: nobody has yet.
	Owner func(model.HostID) (model.NodeID, bool, error)
	// Ordered reports whether a command was sent to a host, so that nobody fills the detail tier with the output of
	// others; nil: everything was.
	Ordered func(model.CommandID, model.HostID) (bool, error)
	Now     func() time.Time
	Log     *slog.Logger
}

// Door prepares what agents send. It is safe for concurrent use.
type Door struct {
	c       DoorConfig
	refused refusals
	room    *semaphore.Weighted // of bodies under way, in bytes as they came
}

// maxUnderWay bounds the bodies that are made ready and stored at once, in bytes as they came. A fleet whose agents all
// report at one moment would otherwise have each body several times in memory; what waits here has it once. It is
// enough for some hundred inventories, which share their fsyncs.
const maxUnderWay = 16 << 20

// NewDoor returns a Door.
func NewDoor(c DoorConfig) *Door { return &Door{c: c, room: semaphore.NewWeighted(maxUnderWay)} }

// weight is how many bytes of bodies are among the items, at most maxUnderWay: one run that has more goes alone.
func weight(items []model.Item) int64 {
	n := 0
	for i := range items {
		switch items[i].Kind {
		case model.ItemPackages, model.ItemCertificates, model.ItemOSFacts, model.ItemOutput:
			n += len(items[i].Payload)
		}
	}
	return min(int64(n), maxUnderWay)
}

// Transform returns the items of m as they are to be proposed: the bodies that belong into the detail
// tier are durable there and replaced by references. An item that is refused loses its payload but
// keeps its place, because the watermark must come past it; apply then refuses it too. The reason is
// in the model.Note that is returned with the items: one for the whole run, and for so many runs of a member in an hour.
//
// Bodies wait for room, in turn; a run without any never waits. The error is of the detail tier, the rows or ctx, never of
// an item; the run is to be tried again.
func (d *Door) Transform(ctx context.Context, m model.Member, items []model.Item) ([]model.Item, []model.Change, error) {
	if n := weight(items); n > 0 {
		if err := d.room.Acquire(ctx, n); err != nil {
			return nil, nil, context.Cause(ctx)
		}
		defer d.room.Release(n)
	}
	out := make([]model.Item, len(items))
	var first error
	var evidence model.Item // the first that was refused
	refused := 0
	var bodies deposit
	for i, item := range items {
		payload, err := d.payload(m, item, i, &bodies)
		switch {
		case err == nil:
			item.Payload = payload
		case itemFault(err):
			d.c.Log.Warn("an item was refused", "member", m.Name, "item", string(item.Kind), "key", item.Key, "reason", err.Error())
			d.refused.count(err)
			if refused == 0 {
				evidence = item
			}
			item.Payload = nil
			if refused++; first == nil {
				first = fmt.Errorf("%s item %q: %w", item.Kind, item.Key, err)
			}
		default:
			return nil, nil, fault.Wrap("store the report of "+m.Name, err)
		}
		out[i] = item
	}
	kept := ""
	if len(evidence.Payload) > 0 && d.refused.keep(m.ID, d.c.Now()) {
		body := refusedBody(m, evidence)
		bodies.add(-1, body, func(digest string) any { kept = digest; return nil })
	}
	if err := bodies.store(d.c.Detail, out); err != nil {
		return nil, nil, fault.Wrap("store the report of "+m.Name, err)
	}
	if refused == 0 {
		return out, nil, nil
	}
	write, more := d.refused.note(m.ID, d.c.Now())
	if !write {
		return out, nil, nil
	}
	note := model.Note{
		Stamp:  model.Stamp{Actor: "agent:" + m.ID.String(), At: model.TimeOf(d.c.Now())},
		Action: "report.refuse", Object: m.Name, Reason: first.Error(),
		Detail: map[string]string{"refused": fmt.Sprint(refused), "items": fmt.Sprint(len(items))},
	}
	if more > 0 {
		note.Detail["reports_not_written_down"] = fmt.Sprint(more)
	}
	if kept != "" {
		note.Detail["body"], note.Detail["bytes"] = kept, fmt.Sprint(len(evidence.Payload))
	}
	return out, []model.Change{note}, nil
}

// itemFault reports whether err says that an item is wrong, and not that this site is unwell.
func itemFault(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Denied, fault.TooLarge, fault.Corrupt:
		return true
	}
	return false
}

// deposit is the bodies of one run, stored together for the price of one fsync.
type deposit struct {
	bodies []Body
	at     []int                     // of the items they came in; negative: of none
	refs   []func(digest string) any // what takes their place
}

func (p *deposit) add(at int, b Body, ref func(digest string) any) {
	p.bodies, p.at, p.refs = append(p.bodies, b), append(p.at, at), append(p.refs, ref)
}

// store makes the bodies durable and puts the references into the items.
func (p *deposit) store(to Detail, items []model.Item) error {
	if len(p.bodies) == 0 {
		return nil
	}
	digests, err := to.PutAll(p.bodies)
	if err != nil {
		return fault.New(fault.ReadOnly, "", "put %d bodies into the detail tier: %w", len(p.bodies), err)
	}
	for i, at := range p.at {
		ref := p.refs[i](digests[i])
		if at < 0 {
			continue
		}
		if items[at].Payload, err = model.Encode(ref); err != nil {
			return fmt.Errorf("encode a reference: %w", err)
		}
	}
	return nil
}

// payload returns what takes the place of the payload of the item at place i. A body goes into bodies;
// its reference is put into the item once they are stored.
func (d *Door) payload(m model.Member, item model.Item, i int, bodies *deposit) ([]byte, error) {
	switch item.Kind {
	case model.ItemFacts, model.ItemPackages, model.ItemCertificates, model.ItemOSFacts:
	case model.ItemOutput:
		return nil, d.output(m, item, i, bodies)
	default:
		return item.Payload, nil // moves are judged by apply; so is what an agent does not send
	}
	host, err := d.host(m, item)
	if err != nil {
		return nil, err
	}
	b := Body{Host: host, Kind: item.Kind, AsOf: item.AsOf}
	switch item.Kind {
	case model.ItemPackages:
		body, n, err := canonicalPackages(item.Payload)
		if err != nil {
			return nil, err
		}
		b.Bytes = body
		bodies.add(i, b, func(digest string) any { return model.InventoryRef{Digest: digest, PackageN: n} })
		return nil, nil
	case model.ItemCertificates:
		body, n, next, err := canonicalCertificates(item.Payload)
		if err != nil {
			return nil, err
		}
		b.Bytes = body
		bodies.add(i, b, func(digest string) any {
			return model.CertificatesRef{Digest: digest, CertificateN: n, NextExpiry: next}
		})
		return nil, nil
	case model.ItemOSFacts:
		body, err := canonicalOSFacts(item.Payload)
		if err != nil {
			return nil, err
		}
		b.Bytes = body
		bodies.add(i, b, func(digest string) any { return model.OSFactsRef{Digest: digest} })
		return nil, nil
	}
	return item.Payload, checkFacts(host, item.Payload)
}

// host returns the host that the item is about, if m may speak for it. Apply judges this again; here
// it keeps a foreign body out of the detail tier.
func (d *Door) host(m model.Member, item model.Item) (model.HostID, error) {
	id, err := model.ParseHostID(item.Key)
	if err != nil {
		return id, fault.New(fault.Invalid, "", "%w", err)
	}
	return id, d.speaks(m, id)
}

// speaks refuses a host that m may not speak for.
func (d *Door) speaks(m model.Member, id model.HostID) error {
	if m.Kind == model.MemberHost && model.NodeID(id) != m.ID {
		return fault.New(fault.Denied, "", "agent %q of host %s may not report host %s", m.Name, m.ID, id)
	}
	owner, known, err := d.c.Owner(id)
	if err != nil {
		return fault.New(fault.ReadOnly, "", "read the owner of host %s: %w", id, err)
	}
	if known && owner != m.ID {
		return fault.New(fault.Denied, "", "host %s is reported by agent %s; %q may not report it", id, owner, m.Name)
	}
	return nil
}
