package index

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// Host returns the directory row of a host, with its newest beat.
func (r *Reader) Host(id model.HostID) (h model.Host, ok bool, err error) {
	ok, err = r.row(id, &h)
	if err != nil || !ok {
		return model.Host{}, false, err
	}
	return h, true, r.addBeat(&h)
}

// addBeat puts the beat that has a row of its own into a host; a row in the JSON of schema 1 brought one.
func (r *Reader) addBeat(h *model.Host) error {
	_, err := r.read(key.HostBeat(h.ID), func(v []byte) error {
		b, err := compact.ReadBeat(v)
		if err == nil {
			h.SetBeat(b)
		}
		return err
	})
	return err
}

// EachHost calls fn with every host.
func (r *Reader) EachHost(fn func(model.Host) error) error {
	return r.eachHost(key.SpaceHost.Prefix(), key.After(key.SpaceHost.Prefix()), func(h *model.Host) error { return fn(*h) })
}

// eachHost calls fn with every host whose key is in the range; the host is only valid until fn returns, its
// texts stay. The beats are read beside the rows, in the same order.
func (r *Reader) eachHost(lower, upper []byte, fn func(*model.Host) error) error {
	return r.iterate(beatKey(lower), beatKey(upper), func(beats *pebble.Iterator) error {
		more := beats.First()
		var h model.Host
		return r.scanRange(lower, upper, func(k, v []byte) error {
			id, err := key.ReadHost(k)
			if err != nil {
				return err
			}
			if err := r.rows.readHost(v, id, &h); err != nil {
				return readError(k, err)
			}
			for more && bytes.Compare(beats.Key()[1:], k[1:]) < 0 {
				more = beats.Next()
			}
			if more && bytes.Equal(beats.Key()[1:], k[1:]) {
				v, err := beats.ValueAndErr()
				if err != nil {
					return readError(beats.Key(), err)
				}
				b, err := compact.ReadBeat(v)
				if err != nil {
					return readError(beats.Key(), err)
				}
				h.SetBeat(b)
			}
			return fn(&h)
		})
	})
}

// beatKey turns the bound of a range of hosts into that of their beats.
func beatKey(host []byte) []byte {
	b := bytes.Clone(host)
	if b[0] == byte(key.SpaceHost) {
		b[0] = byte(key.SpaceHostBeat)
	} else {
		b[0] = byte(key.SpaceHostBeat) + 1 // the end of the keyspace
	}
	return b
}

// HostsWithPackages calls fn with each host whose PackagesDigest is digest.
func (r *Reader) HostsWithPackages(digest string, fn func(model.Host) error) error {
	return r.hostsWith(digest, r.Host, fn)
}

func (r *Reader) hostsWith(digest string, host func(model.HostID) (model.Host, bool, error), fn func(model.Host) error) error {
	return r.scan(key.HostsWith(digest), func(k, _ []byte) error {
		_, id, err := key.ReadHostPackages(k)
		if err != nil {
			return err
		}
		h, ok, err := host(id)
		if err != nil {
			return err
		}
		if !ok {
			return dangling(k)
		}
		return fn(h)
	})
}

// row reads the row of a host without its beat.
func (r *Reader) row(id model.HostID, h *model.Host) (bool, error) {
	return r.read(key.Host(id), func(v []byte) error { return r.rows.readHost(v, id, h) })
}

var errNoHost = fault.New(fault.NotFound, "write the beat of a host", "there is no such host")
