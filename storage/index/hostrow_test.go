package index

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// full is a row that has everything.
func full(n int) model.Host {
	h := host(n, model.SiteID{1, 2, 3})
	yes, seven, pct := true, 7, 97.5
	h.IPv6 = []string{fmt.Sprintf("2001:db8::%x", n+1)}
	h.Tags, h.Owner, h.CPUs, h.MemoryMB, h.Serial = []string{"pci", "web", "ring-2"}, "team-storage", 8, 32768, fmt.Sprintf("VMW%08d", n)
	h.RebootNeeded, h.Updates, h.Compliance = &yes, &seven, &pct
	h.Exposure, h.ExposureAt = model.SeverityCounts{Critical: 1, High: 12, Medium: 40, Low: 3}, 1_700_000_000_000
	h.FirstSeen, h.CertificatesDigest, h.CertificateN = 1_690_000_000_000, fmt.Sprintf("%064x", n), 3
	h.CertificatesAt, h.NextCertExpiry = 1_700_000_000_000, 1_720_000_000_000
	return h
}

// TestHostRowForms: a row is read in the compact form and in the JSON of schema 1, and in no other.
func TestHostRowForms(t *testing.T) {
	c, err := newRowCodec()
	ok(t, err)
	now, err := compact.AppendHost(nil, new(full(7)))
	ok(t, err)
	old, err := c.encode(full(7), false)
	ok(t, err)
	var h model.Host
	ok(t, c.readHost(now, hostID(7), &h))
	if h.Status != "" || h.Serial != "VMW00000007" {
		t.Errorf("a row reads as %+v", h)
	}
	kind(t, c.readHost(old, hostID(8), &h), fault.Corrupt, "holds the row of host")
	ok(t, c.readHost(old, hostID(7), &h))
	if h.Status != model.HostUp || h.Serial != "VMW00000007" {
		t.Errorf("the JSON of schema 1 reads as %+v", h)
	}
	newer := bytes.Clone(now)
	newer[1]++
	kind(t, c.readHost(newer, hostID(7), &h), fault.Version, "start the version")
	for _, v := range [][]byte{nil, {0}, {formCounts, countsLayout}, now[:20]} {
		kind(t, c.readHost(v, hostID(7), &h), fault.Corrupt)
	}
}
