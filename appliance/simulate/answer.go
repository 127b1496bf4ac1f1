package simulate

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// numbers finds which hosts of the site the ids are of. The ids follow from the numbers and not the other
// way, so all of them are looked at; the log goes on meanwhile.
func (l *siteLog) numbers(ids ...model.HostID) map[model.HostID]int {
	want := make(map[model.HostID]bool, len(ids))
	for _, id := range ids {
		want[id] = true
	}
	l.mu.Lock()
	next := l.world.next
	l.mu.Unlock()
	return l.world.find(want, next)
}

// detail answers a question for everything that a site holds of one host.
func (l *siteLog) detail(_ context.Context, params map[string]string) (any, error) {
	id, err := model.ParseHostID(params[model.ParamHost])
	if err != nil {
		return nil, fault.New(fault.Invalid, "read host", "%w", err)
	}
	n, known := l.numbers(id)[id]
	l.mu.Lock()
	defer l.mu.Unlock()
	if !known || !l.world.there(n) {
		return nil, fault.New(fault.NotFound, "read host", "this site has no host %s", id)
	}
	h, i, err := l.world.host(n)
	if err != nil {
		return nil, err
	}
	d := model.HostDetail{Host: h, At: model.TimeOf(l.now())}
	if d.Host.Status == model.HostUp {
		d.Host.LastSeen, d.Host.StatusAt = d.At, d.At // nothing else was judged since
	}
	if i != nil {
		d.Packages, d.Findings = i.inv.Packages, i.found
	}
	return d, nil
}

// obey answers an order as the site and its agents would: hosts that report do what they are told.
func (l *siteLog) obey(_ context.Context, o model.Order) error {
	at := model.TimeOf(l.now())
	numbers := l.numbers(o.Hosts...)
	out := []model.Item{{Kind: model.ItemCommandHeld, Key: o.Command.ID.String(), AsOf: at}}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range o.Hosts {
		n, known := numbers[h]
		why := ""
		if !known || !l.world.there(n) {
			why = "this site has no such host"
		} else if s := l.world.status(n); s != model.HostUp && s != model.HostLate {
			why = "its agent does not answer"
		}
		if why == "" {
			moves, err := obeyed(o.Command, h, at)
			if err != nil {
				return err
			}
			out = append(out, moves...)
			continue
		}
		item, err := moveItem(model.Move{Command: o.Command.ID, Host: h, State: model.CommandFailed, At: at, Reason: why})
		if err != nil {
			return err
		}
		out = append(out, item)
	}
	l.sayLocked(out)
	return nil
}
