package inventory

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/skerryhq/skerry/engine/model"
)

// DigestForm is the form of Digest and Bucket: what two forms say cannot be compared. It rises whenever a field is added
// to what is digested, or left out.
const DigestForm = 2

// DigestBuckets is into how many groups the hosts of a site are divided.
const DigestBuckets = 64

// Bucket returns in which group a host is, from 0 to DigestBuckets-1. The last bits of an id are random.
func Bucket(id model.HostID) int { return int(id[len(id)-1]) % DigestBuckets }

// Digest returns what stands for a host's row where a site and its controller compare what they hold: the first eight
// bytes of the SHA-256 of its JSON, without what may differ between the two. That is whose it is, which each knows by
// itself, when its status was last judged and its agent heard, which rise only with other news, and when what has not
// changed was last looked at, which rises once a day (NewsOf).
func Digest(h model.Host) (uint64, error) {
	h.Site = model.SiteID{}
	raw, err := model.Encode(timeless(h))
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(raw)
	return binary.BigEndian.Uint64(sum[:]), nil
}

// timeless returns h without the times that rise each time it is looked at, whether or not anything is new.
func timeless(h model.Host) model.Host {
	h.StatusAt, h.LastSeen, h.FactsAt, h.PackagesAt, h.CertificatesAt = 0, 0, 0, 0, 0
	return h
}

// Digests adds up the rows of one site.
type Digests [DigestBuckets]model.BucketDigest

// Add takes a host in. The order in which hosts come does not matter.
func (d *Digests) Add(h model.Host) error {
	sum, err := Digest(h)
	if err != nil {
		return err
	}
	b := &d[Bucket(h.ID)]
	b.Hosts++
	b.Sum += mix(sum, h.ID)
	return nil
}

// mix makes a row count for its own host alone: two hosts that change rows with each other do not cancel out.
func mix(sum uint64, id model.HostID) uint64 {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], sum)
	copy(b[8:], id[:])
	h := sha256.Sum256(b[:])
	return binary.BigEndian.Uint64(h[:])
}
