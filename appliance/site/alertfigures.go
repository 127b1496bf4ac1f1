package site

import (
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/model"
)

// figuresNow are the metrics of this site that a rule compares. What cannot be read is not known, and says nothing.
func (s *site) figuresNow(need map[alert.Metric]bool) alert.Figures {
	var f alert.Figures
	if len(need) == 0 {
		return f
	}
	now := s.clock.Now()
	s.linkFigures(&f, now)
	if need[alert.OutboxItems] {
		f.Set(alert.OutboxItems, float64(s.outbox.Len()))
	}
	if need[alert.OutboxAge] {
		if items, err := s.outbox.After(0, 1, 1); err == nil {
			age := time.Duration(0)
			if len(items) > 0 && !items[0].AsOf.IsZero() {
				age = max(now.Sub(items[0].AsOf.Std()), 0)
			}
			f.Set(alert.OutboxAge, age.Seconds())
		}
	}
	if d := s.space.State(); d.Total > 0 {
		f.Set(alert.DiskFree, float64(d.Free))
		f.Set(alert.DiskFreePercent, 100*float64(d.Free)/float64(d.Total))
	}
	if block, _ := pem.Decode([]byte(s.id.Cert)); block != nil && need[alert.CertificateDays] {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			f.Set(alert.CertificateDays, cert.NotAfter.Sub(now).Seconds())
		}
	}
	if need[alert.AdvisoriesAge] && s.follow != nil {
		if age, _, known := s.follow.drift(); known {
			f.Set(alert.AdvisoriesAge, age.Seconds())
		}
	}
	s.rowFigures(&f, need)
	return f
}

// linkFigures says for how long the controller could not be reached, or not well.
func (s *site) linkFigures(f *alert.Figures, now time.Time) {
	up := s.uplinkState()
	if up == nil || up.Since == nil {
		return
	}
	since := max(now.Sub(*up.Since), 0).Seconds()
	switch up.State {
	case "online":
		f.Set(alert.UplinkOffline, 0)
		f.Set(alert.UplinkDegraded, 0)
	case "degraded":
		f.Set(alert.UplinkOffline, 0)
		f.Set(alert.UplinkDegraded, since)
	case "offline":
		f.Set(alert.UplinkOffline, since)
		f.Set(alert.UplinkDegraded, since)
	}
}

// rowFigures counts hosts and agents.
func (s *site) rowFigures(f *alert.Figures, need map[alert.Metric]bool) {
	v := s.rows.Store.View()
	defer v.Close()
	if n, _, err := v.Counts(model.SiteID(s.id.Member)); err == nil {
		down, unknown := n.ByStatus[string(model.HostDown)], n.ByStatus[string(model.HostUnknown)]
		f.Set(alert.HostsTotal, float64(n.Hosts))
		f.Set(alert.HostsDown, float64(down))
		f.Set(alert.HostsUnknown, float64(unknown))
		f.Set(alert.HostsDownPercent, 0)
		if n.Hosts > 0 {
			f.Set(alert.HostsDownPercent, 100*float64(down)/float64(n.Hosts))
		}
	}
	if !need[alert.AgentsQuarantined] {
		return
	}
	members, err := v.Members("")
	if err != nil {
		return
	}
	n := 0
	for _, m := range members {
		if m.Status == model.MemberQuarantined || m.Status == model.MemberEnrolled && len(m.Clones) > 0 {
			n++
		}
	}
	f.Set(alert.AgentsQuarantined, float64(n))
}
