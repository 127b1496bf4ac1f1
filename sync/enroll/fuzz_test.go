package enroll

import (
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// FuzzIdentity reads any bytes as an identity, with certificates as an upper tier may send them. What
// is accepted belongs to the key at hand.
func FuzzIdentity(f *testing.F) {
	ca, err := OpenCA(f.TempDir(), "hq", func() time.Time { return earliest.Add(time.Hour) }, nil)
	if err != nil {
		f.Fatal(err)
	}
	key, err := newKey()
	if err != nil {
		f.Fatal(err)
	}
	m := model.Member{ID: model.NodeID{15: 1}, Kind: model.MemberSite, Name: "oslo", Epoch: 1, EnrolledAt: model.TimeOf(earliest)}
	cert, err := ca.IssueMember(m, key.Public())
	if err != nil {
		f.Fatal(err)
	}
	good, err := model.Encode(stored{Version: identityVersion, Identity: Identity{
		Member: m.ID, Kind: m.Kind, Name: m.Name, Epoch: 1, Upper: model.NodeID{15: 9}, URL: "https://hq:8443",
		CACert: string(ca.CertPEM()), Cert: string(pemCert(cert)), EnrolledAt: m.EnrolledAt,
	}})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := decodeIdentity(good, key); err != nil {
		f.Fatal("the seed is not good: ", err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"member":"00000000-0000-0000-0000-000000000001","upper":"00000000-0000-0000-0000-000000000001","epoch":1,"ca_cert":"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := decodeIdentity(b, key)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version && k != fault.Conflict {
				t.Errorf("an error of kind %s: %v", k, err)
			}
			return
		}
		if !samePublic(id.cert.PublicKey, key.Public()) || id.Pin() == "" || id.CAPin() == "" || id.Member.IsZero() {
			t.Errorf("accepted: %+v", id)
		}
	})
}
