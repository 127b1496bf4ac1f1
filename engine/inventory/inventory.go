// Package inventory folds what an agent reports into the directory row of its host.
//
// It owns which report sets which group of values, and the bounds of what may be said of one host. The
// newest report is the one that comes last: an origin's items are applied in the order of their numbers,
// and no clock is asked, since one that was ahead for a while would freeze its host for as long. It
// stores nothing.
package inventory

import (
	"encoding/binary"
	"reflect"

	"github.com/skerryhq/skerry/engine/model"
)

// Facts returns h with f as observed at asOf, and whether that changed anything.
func Facts(h model.Host, f model.Facts, asOf model.Time) (model.Host, bool) {
	changed := !reflect.DeepEqual(h.Facts, f) || h.FactsAt != asOf
	h.Facts, h.FactsAt = f, asOf
	return h, changed
}

// Packages returns h with the inventory that ref names, as observed at asOf. Where that is another
// inventory than before, what was known of the host's exposure no longer holds and is cleared.
func Packages(h model.Host, ref model.InventoryRef, asOf model.Time) (model.Host, bool) {
	changed := h.PackagesAt != asOf
	if h.PackagesDigest != ref.Digest {
		changed = true
		h.Exposure, h.ExposureAt, h.Updates = model.SeverityCounts{}, 0, nil
	}
	h.PackagesDigest, h.PackageN, h.PackagesAt = ref.Digest, ref.PackageN, asOf
	return h, changed
}

// Certificates returns h with the certificates that ref names, as observed at asOf.
func Certificates(h model.Host, ref model.CertificatesRef, asOf model.Time) (model.Host, bool) {
	changed := h.CertificatesDigest != ref.Digest || h.CertificatesAt != asOf
	h.CertificatesDigest, h.CertificateN, h.NextCertExpiry, h.CertificatesAt = ref.Digest, ref.CertificateN, ref.NextExpiry, asOf
	return h, changed
}

// Looked returns h with its packages and certificates as of when the agent last found them to be what it had sent, at most
// the given time. It holds for what is here: a report that was sent and is not, as one that was refused, leaves the row as of
// what it has.
func Looked(h model.Host, l model.Looks, at model.Time) (model.Host, bool) {
	changed := false
	for _, x := range []struct {
		asOf *model.Time
		look model.Look
	}{{&h.PackagesAt, l.Packages}, {&h.CertificatesAt, l.Certificates}} {
		same := Capped(x.look.Same, at)
		if x.look.Sent != 0 && *x.asOf >= x.look.Sent && same > *x.asOf {
			*x.asOf, changed = same, true
		}
	}
	return h, changed
}

// Exposure returns h with the counts of a match. Equal counts leave the row alone: that they still hold
// is said once for the whole site, by its roll-up. The match's findings are not looked at.
func Exposure(h model.Host, m model.Match) (model.Host, bool) {
	if h.ExposureAt != 0 && h.Exposure == m.Counts && same(h.Updates, m.FixableN) {
		return h, false
	}
	h.Exposure, h.ExposureAt, h.Updates = m.Counts, m.At, m.FixableN
	return h, true
}

func same(a, b *int) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// lookedEvery is how often the tier above is told that what it knows of a host still held when it was looked at.
const lookedEvery = 24 * 60 * 60 * 1000 // ms

// NewsOf reports whether the row that was, and is now, is worth telling the tier above. It is not where a report only
// said again what was known: that is told once a day, at a time of day that hangs on the host, so that not all are told
// at once. What a tier above shows of such a host is true, and as of an earlier look.
func NewsOf(was, now model.Host) bool {
	if !reflect.DeepEqual(timeless(now), timeless(was)) {
		return true
	}
	at := model.Time(binary.BigEndian.Uint32(now.ID[len(now.ID)-4:])) % lookedEvery
	for _, t := range [][2]model.Time{{was.FactsAt, now.FactsAt}, {was.PackagesAt, now.PackagesAt}, {was.CertificatesAt, now.CertificatesAt}} {
		if t[0] == 0 != (t[1] == 0) || (t[0]+at)/lookedEvery != (t[1]+at)/lookedEvery {
			return true
		}
	}
	return false
}

// Beat returns b as judged at the given time. Only a change of status is worth telling the tier above:
// news says so.
func Beat(b model.HostBeat, s model.HostStatus, lastSeen, at model.Time) (now model.HostBeat, news bool) {
	return model.HostBeat{Status: s, StatusAt: at, LastSeen: max(lastSeen, b.LastSeen)}, b.Status != s
}
