package api

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// A page of hosts is what this server sends most, and writing it by reflection took longer than
// finding it. The functions here append the very bytes that encoding/json would write for schema.Host,
// which a test holds them to; nothing else has a second way to be written.

// A row is written once for all pages that show it, and kept by the store until it changes. What changes while
// the row does not goes in between when a page is made: the place of its site, and its beat.
//
//	+---------+--------+--------+-----------+-------+-----------------+-------+--------------------+-------+
//	| site:16 | n1:be32| n2:be32| {"id":"…" | place | n1: "hostname"… | beat  | n2: "first_seen"…  | beat  | the rest
//	+---------+--------+--------+-----------+-------+-----------------+-------+--------------------+-------+
//
// The place and the two parts of the beat take no bytes in what is kept.
const (
	rowHead = 16 + 4 + 4
	rowID   = len(`{"id":"00000000-0000-0000-0000-000000000000"`)
)

// writeRow is the query.Writer of this interface.
func writeRow(b []byte, h *model.Host) []byte {
	if b == nil {
		b = make([]byte, 0, 1<<10)
	}
	var d dates
	return d.appendParts(b, h)
}

// appendParts appends a row in the form above.
func (d *dates) appendParts(b []byte, h *model.Host) []byte {
	from := len(b)
	b = append(b, h.Site[:]...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, `{"id":"`...)
	b = appendID(b, h.ID)
	b = append(b, '"')
	first := len(b)
	b = appendText(append(b, `,"hostname":`...), h.Hostname)
	b = appendSome(b, `,"fqdn":`, h.FQDN)
	b = appendTexts(b, `,"ipv4":`, h.IPv4)
	b = appendTexts(b, `,"ipv6":`, h.IPv6)
	b = appendTexts(b, `,"mac":`, h.MAC)
	b = append(b, `,"os":{`...)
	mark := len(b)
	b = appendSome(b, `,"id":`, h.OS.ID)
	b = appendSome(b, `,"name":`, h.OS.Name)
	b = appendSome(b, `,"version":`, h.OS.Version)
	b = appendSome(b, `,"codename":`, h.OS.Codename)
	b = append(dropComma(b, mark), '}')
	b = appendSome(b, `,"kernel":`, h.Kernel)
	b = appendSome(b, `,"arch":`, h.Arch)
	b = d.appendTime(b, `,"booted_at":`, h.BootedAt)
	if h.RebootNeeded != nil {
		b = strconv.AppendBool(append(b, `,"reboot_needed":`...), *h.RebootNeeded)
	}
	b = appendSome(b, `,"agent_version":`, h.AgentVersion)
	b = appendTexts(b, `,"tags":`, h.Tags)
	b = appendSome(b, `,"owner":`, h.Owner)
	b = appendCount(b, `,"cpus":`, h.CPUs)
	b = appendCount(b, `,"memory_mb":`, h.MemoryMB)
	b = appendSome(b, `,"serial":`, h.Serial)
	if h.Simulated {
		b = append(b, `,"simulated":true`...)
	}
	second := len(b)
	b = d.appendTime(b, `,"first_seen":`, h.FirstSeen)
	b = strconv.AppendInt(append(b, `,"package_n":`...), int64(h.PackageN), 10)
	b = strconv.AppendInt(append(b, `,"certificate_n":`...), int64(h.CertificateN), 10)
	b = d.appendTime(b, `,"next_cert_expiry":`, h.NextCertExpiry)
	b = appendCounts(append(b, `,"exposure":`...), h.Exposure)
	b = appendText(append(b, `,"worst":`...), h.Worst())
	if h.Updates != nil {
		b = strconv.AppendInt(append(b, `,"updates":`...), int64(*h.Updates), 10)
	}
	if c := finite(h.Compliance); c != nil {
		b = appendFloat(append(b, `,"compliance":`...), *c)
	}
	b = append(b, `,"as_of":{`...)
	mark = len(b)
	b = dropComma(d.appendTime(b, `,"facts":`, h.FactsAt), mark)
	third := len(b)
	b = d.appendTime(b, `,"packages":`, h.PackagesAt)
	b = d.appendTime(b, `,"certificates":`, h.CertificatesAt)
	b = d.appendTime(b, `,"exposure":`, h.ExposureAt)
	b = append(b, '}', '}')
	binary.BigEndian.PutUint32(b[from+16:], uint32(second-first))
	binary.BigEndian.PutUint32(b[from+20:], uint32(third-second))
	return b
}

// siteOf returns whose a row is.
func siteOf(row []byte) model.SiteID { return model.SiteID(row[:16]) }

// appendRow appends a host as hostRow and encoding/json would, of its row as appendParts wrote it.
func (d *dates) appendRow(b, row []byte, beat *model.HostBeat, p *place, reason string) []byte {
	n1, n2 := binary.BigEndian.Uint32(row[16:]), binary.BigEndian.Uint32(row[20:])
	row = row[rowHead:]
	b = append(append(b, row[:rowID]...), p.json...)
	row = row[rowID:]
	b = append(b, row[:n1]...)
	row = row[n1:]
	b = appendText(append(b, `,"status":`...), string(statusOf(beat.Status)))
	b = appendSome(b, `,"status_reason":`, reason)
	b = d.appendTime(b, `,"last_seen":`, beat.LastSeen)
	b = append(b, row[:n2]...)
	row = row[n2:]
	mark := len(b)
	b = append(d.appendTime(b, `,"status":`, beat.StatusAt), row...)
	if b[mark-1] == '{' && b[mark] == ',' {
		b = append(b[:mark], b[mark+1:]...)
	}
	return b
}

// appendHost is appendRow for a host that is shown once.
func (d *dates) appendHost(b []byte, h *model.Host, p *place, reason string) []byte {
	d.row = d.appendParts(d.row[:0], h)
	beat := h.Beat()
	return d.appendRow(b, d.row, &beat, p, reason)
}

// placeJSON is what of a host's JSON is the same for each host of a site.
func placeJSON(s model.Site) []byte {
	b := append([]byte(nil), `,"site_id":"`...)
	b = appendID(b, s.ID)
	b = appendText(append(b, `","site":`...), s.Name)
	b = appendSome(b, `,"region":`, s.Region)
	b = appendSome(b, `,"country":`, s.Country)
	b = appendSome(b, `,"city":`, s.City)
	if lat := finite(s.Lat); lat != nil {
		b = appendFloat(append(b, `,"lat":`...), *lat)
	}
	if lng := finite(s.Lng); lng != nil {
		b = appendFloat(append(b, `,"lng":`...), *lng)
	}
	return b
}

// finite is v, or nil for what JSON has no number for.
func finite(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return v
}

// appendPage appends what comes after the hosts of a page, all of it small.
func appendPage(b []byte, p *schema.Hosts, facets []query.Facet) []byte {
	b = strconv.AppendInt(append(b, `],"total":`...), int64(p.Total), 10)
	b = appendSome(b, `,"next":`, p.Next)
	b = append(b, `,"as_of":"`...)
	b = p.AsOf.AppendFormat(b, time.RFC3339Nano)
	b = strconv.AppendInt(append(b, `","took_us":`...), p.TookUS, 10)
	b = appendText(append(b, `,"query":`...), p.Query)
	b = appendText(append(b, `,"sort":`...), p.Sort)
	if len(facets) > 0 {
		b = appendFacets(append(b, `,"facets":`...), facets)
	}
	return append(appendNotes(b, p.Notes), '}', '\n')
}

// appendFacets appends what schema.Facet describes.
func appendFacets(b []byte, facets []query.Facet) []byte {
	b = append(b, '[')
	for i := range facets {
		f := &facets[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"field":`...), f.Field.String())
		b = strconv.AppendInt(append(b, `,"distinct":`...), int64(f.Distinct), 10)
		b = strconv.AppendInt(append(b, `,"none":`...), int64(f.None), 10)
		b = append(b, `,"values":[`...)
		for k, v := range f.Values {
			if k > 0 {
				b = append(b, ',')
			}
			b = appendText(append(b, `{"value":`...), v.Value)
			b = append(strconv.AppendInt(append(b, `,"n":`...), int64(v.N), 10), '}')
		}
		b = append(b, ']', '}')
	}
	return append(b, ']')
}
