package index

import (
	"bytes"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// Bounds of model.HostQuery.Limit, and what zero means.
const (
	MaxHostPage     = 1000
	defaultHostPage = 100
)

// Hosts returns one page of the hosts that q selects. It reads every host of the site, or of the store,
// to count them. The kind of a wrong Limit is fault.Invalid.
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
	// take is called with each candidate in id order; row is read only where the host is needed.
	take := func(id model.HostID, value func() ([]byte, error)) error {
		wanted := !more && bytes.Compare(id[:], q.After[:]) > 0
		if text == "" && q.Status == "" && (!wanted || len(page.Hosts) == q.Limit) {
			page.Total++
			more = more || wanted
			return nil
		}
		v, err := value()
		if err != nil {
			return err
		}
		if !mayHold(v, text, string(q.Status)) {
			return nil
		}
		var h model.Host
		if err := r.rows.decode(v, &h); err != nil {
			return readError(key.Host(id), err)
		}
		if q.Status != "" && h.Status != q.Status || text != "" && !hostHas(h, text) {
			return nil
		}
		page.Total++
		switch {
		case wanted && len(page.Hosts) < q.Limit:
			page.Hosts = append(page.Hosts, h)
		case wanted:
			more = true
		}
		return nil
	}
	err := r.candidates(q.Site, take)
	if more {
		page.Next = page.Hosts[len(page.Hosts)-1].ID
	}
	return page, err
}

// candidates calls take with every host of a site (zero: of all), in id order. The value is valid until
// take returns.
func (r *Reader) candidates(site model.SiteID, take func(id model.HostID, value func() ([]byte, error)) error) error {
	if site.IsZero() {
		return r.scan(key.SpaceHost.Prefix(), func(k, v []byte) error {
			id, err := key.ReadHost(k)
			if err != nil {
				return err
			}
			return take(id, func() ([]byte, error) { return v, nil })
		})
	}
	var buf []byte
	return r.scan(key.HostsOf(site), func(k, _ []byte) error {
		_, id, err := key.ReadHostSite(k)
		if err != nil {
			return err
		}
		return take(id, func() ([]byte, error) {
			v, ok, err := r.raw(key.Host(id), buf[:0])
			if err == nil && !ok {
				err = dangling(k)
			}
			buf = v
			return v, err
		})
	})
}

// mayHold is a quick look at a value that spares decoding most rows of a search. It may say yes in vain
// but never no in vain: text and status are only looked for where JSON writes them as they are.
func mayHold(v []byte, text, status string) bool {
	if len(v) == 0 || v[0] != formJSON {
		return true
	}
	if plain(status) && !bytes.Contains(v, []byte(status)) {
		return false
	}
	return !plain(text) || containsFold(v, text)
}

// plain reports whether JSON writes s without escapes, and case is a matter of ASCII alone.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7F || strings.IndexByte(`"\/&<>`, c) >= 0 {
			return false
		}
	}
	return true
}

// containsFold reports whether b holds s, which is lower-case ASCII, in any case.
func containsFold(b []byte, s string) bool {
	if s == "" {
		return true
	}
	first, last := s[0], len(b)-len(s)
search:
	for i := 0; i <= last; i++ {
		if lower(b[i]) != first {
			continue
		}
		for j := 1; j < len(s); j++ {
			if lower(b[i+j]) != s[j] {
				continue search
			}
		}
		return true
	}
	return false
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
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
