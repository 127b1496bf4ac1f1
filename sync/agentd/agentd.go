// Package agentd is the agents' door on a site.
//
// It owns what a site does to an agent's items before they are proposed (Door): the bodies of package
// and certificate reports are checked against their bounds, put into canonical form and into the
// detail tier, and replaced by references; and it owns the judgement whether each host's agent still
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

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Detail is the detail tier, as the door uses it.
type Detail interface {
	// Put makes the body durable as the newest of its kind (ItemPackages or ItemCertificates) for the
	// host, and returns its hex SHA-256.
	Put(host model.HostID, kind model.ItemKind, asOf model.Time, body []byte) (digest string, err error)
}

// DoorConfig is what a Door needs; all fields are required.
type DoorConfig struct {
	Detail Detail
	// Owner returns which agent reports a host; false: nobody has yet.
	Owner func(model.HostID) (model.NodeID, bool, error)
	Now   func() time.Time
	Log   *slog.Logger
}

// Door prepares what agents send. It is safe for concurrent use.
type Door struct{ c DoorConfig }

// NewDoor returns a Door.
func NewDoor(c DoorConfig) *Door { return &Door{c} }

// Transform returns the items of m as they are to be proposed: the bodies that belong into the detail
// tier are durable there and replaced by references. An item that is refused loses its payload but
// keeps its place, because the watermark must come past it; apply then refuses it too. The reason is
// in the model.Note that is returned with the items: one for the whole run.
//
// The error is of the detail tier or the rows, never of an item; the run is to be tried again.
func (d *Door) Transform(_ context.Context, m model.Member, items []model.Item) ([]model.Item, []model.Change, error) {
	out := make([]model.Item, len(items))
	var first error
	refused := 0
	for i, item := range items {
		payload, err := d.payload(m, item)
		switch {
		case err == nil:
			item.Payload = payload
		case itemFault(err):
			d.c.Log.Warn("an item was refused", "member", m.Name, "item", string(item.Kind), "key", item.Key, "reason", err.Error())
			item.Payload = nil
			if refused++; first == nil {
				first = fmt.Errorf("%s item %q: %w", item.Kind, item.Key, err)
			}
		default:
			return nil, nil, fault.Wrap("store the report of "+m.Name, err)
		}
		out[i] = item
	}
	if refused == 0 {
		return out, nil, nil
	}
	note := model.Note{
		Stamp:  model.Stamp{Actor: "agent:" + m.ID.String(), At: model.TimeOf(d.c.Now())},
		Action: "report.refuse", Object: m.Name, Reason: first.Error(),
		Detail: map[string]string{"refused": fmt.Sprint(refused), "items": fmt.Sprint(len(items))},
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

// payload returns what takes the place of the item's payload.
func (d *Door) payload(m model.Member, item model.Item) ([]byte, error) {
	switch item.Kind {
	case model.ItemFacts:
		host, err := d.host(m, item)
		if err != nil {
			return nil, err
		}
		return item.Payload, checkFacts(host, item.Payload)
	case model.ItemPackages:
		host, err := d.host(m, item)
		if err != nil {
			return nil, err
		}
		body, n, err := canonicalPackages(item.Payload)
		if err != nil {
			return nil, err
		}
		digest, err := d.put(host, item, body)
		if err != nil {
			return nil, err
		}
		return model.Encode(model.InventoryRef{Digest: digest, PackageN: n})
	case model.ItemCertificates:
		host, err := d.host(m, item)
		if err != nil {
			return nil, err
		}
		body, n, next, err := canonicalCertificates(item.Payload)
		if err != nil {
			return nil, err
		}
		digest, err := d.put(host, item, body)
		if err != nil {
			return nil, err
		}
		return model.Encode(model.CertificatesRef{Digest: digest, CertificateN: n, NextExpiry: next})
	}
	return item.Payload, nil // moves are judged by apply; so is what an agent does not send
}

// put hides the kind of the detail tier's error: whatever it is, it is not the item that is wrong.
func (d *Door) put(host model.HostID, item model.Item, body []byte) (string, error) {
	digest, err := d.c.Detail.Put(host, item.Kind, item.AsOf, body)
	if err != nil {
		return "", fault.New(fault.ReadOnly, "", "put %s of host %s into the detail tier: %w", item.Kind, host, err)
	}
	return digest, nil
}

// host returns the host that the item is about, if m may speak for it. Apply judges this again; here
// it keeps a foreign body out of the detail tier.
func (d *Door) host(m model.Member, item model.Item) (model.HostID, error) {
	id, err := model.ParseHostID(item.Key)
	if err != nil {
		return id, fault.New(fault.Invalid, "", "%w", err)
	}
	if m.Kind == model.MemberHost && model.NodeID(id) != m.ID {
		return id, fault.New(fault.Denied, "", "agent %q of host %s may not report host %s", m.Name, m.ID, id)
	}
	owner, known, err := d.c.Owner(id)
	if err != nil {
		return id, fault.New(fault.ReadOnly, "", "read the owner of host %s: %w", id, err)
	}
	if known && owner != m.ID {
		return id, fault.New(fault.Denied, "", "host %s is reported by agent %s; %q may not report it", id, owner, m.Name)
	}
	return id, nil
}
