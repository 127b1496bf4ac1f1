package index

import (
	"bytes"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of model.HostQuery.Limit, and what zero means.
const (
	MaxHostPage     = 1000
	defaultHostPage = 100
)

// Hosts returns one page of the hosts that q selects, by id. It reads every host. The kind of a wrong
// Limit is fault.Invalid. Store.Find is what new callers use.
func (r *Reader) Hosts(q model.HostQuery) (model.HostPage, error) {
	var page model.HostPage
	if q.Limit == 0 {
		q.Limit = defaultHostPage
	}
	if q.Limit < 1 || q.Limit > MaxHostPage {
		return page, fault.New(fault.Invalid, "list hosts", "limit %d is not in 1 to %d", q.Limit, MaxHostPage)
	}
	text := strings.ToLower(strings.TrimSpace(q.Text))
	more := false
	err := r.EachHost(func(h model.Host) error {
		if !q.Site.IsZero() && h.Site != q.Site || q.Status != "" && h.Status != q.Status || text != "" && !hostHas(h, text) {
			return nil
		}
		page.Total++
		switch wanted := !more && bytes.Compare(h.ID[:], q.After[:]) > 0; {
		case wanted && len(page.Hosts) < q.Limit:
			page.Hosts = append(page.Hosts, h)
		case wanted:
			more = true
		}
		return nil
	})
	if more {
		page.Next = page.Hosts[len(page.Hosts)-1].ID
	}
	return page, err
}

// hostHas reports whether text, in lower case, finds the host.
func hostHas(h model.Host, text string) bool {
	if holds(h.Hostname, text) || holds(h.FQDN, text) || h.ID.String() == text {
		return true
	}
	for _, list := range [][]string{h.IPv4, h.IPv6} {
		for _, a := range list {
			if holds(a, text) {
				return true
			}
		}
	}
	return false
}

func holds(s, text string) bool { return strings.Contains(strings.ToLower(s), text) }
