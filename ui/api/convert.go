package api

import (
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// at converts a time; unknown becomes absent.
func at(t model.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	v := t.Std()
	return &v
}

// statusOf is a host's status; one that nobody has judged is unknown.
func statusOf(s model.HostStatus) model.HostStatus {
	if s == "" {
		return model.HostUnknown
	}
	return s
}

// hostRow is a host as it is shown. For pages appendHost writes the same, which a test proves.
func hostRow(h model.Host, site model.Site, reason string) schema.Host {
	return schema.Host{
		ID: h.ID.String(), SiteID: h.Site.String(), Site: site.Name,
		Region: site.Region, Country: site.Country, City: site.City, Lat: finite(site.Lat), Lng: finite(site.Lng),
		Hostname: h.Hostname, FQDN: h.FQDN, IPv4: h.IPv4, IPv6: h.IPv6, MAC: h.MAC,
		OS: schema.OS(h.OS), Kernel: h.Kernel, Arch: h.Arch, BootedAt: at(h.BootedAt),
		RebootNeeded: h.RebootNeeded, AgentVersion: h.AgentVersion, Tags: h.Tags,
		Owner: h.Owner, CPUs: h.CPUs, MemoryMB: h.MemoryMB, Serial: h.Serial, Simulated: h.Simulated,
		Status: string(statusOf(h.Status)), StatusReason: reason, LastSeen: at(h.LastSeen), FirstSeen: at(h.FirstSeen),
		PackageN: h.PackageN, CertificateN: h.CertificateN, NextCertExpiry: at(h.NextCertExpiry),
		Exposure: schema.Counts(h.Exposure), Worst: h.Worst(), Updates: h.Updates, Compliance: finite(h.Compliance),
		AsOf: schema.HostAsOf{
			Facts: at(h.FactsAt), Status: at(h.StatusAt), Packages: at(h.PackagesAt),
			Certificates: at(h.CertificatesAt), Exposure: at(h.ExposureAt),
		},
	}
}

func exposureRow(e model.Exposure, site string) schema.Exposure {
	row := schema.Exposure{
		SiteID: e.Site.String(), Site: site, AsOf: at(e.At), AdvisoryN: e.AdvisoryN, Counts: schema.Counts(e.Counts),
		AffectedHosts: e.AffectedHosts, MatchedHosts: e.MatchedHosts, Top: make([]schema.TopEntry, 0, len(e.Top)),
	}
	for _, t := range e.Top {
		row.Top = append(row.Top, schema.TopEntry{Vulnerability: t.Vulnerability, Severity: t.Severity.String(), Hosts: t.Hosts})
	}
	return row
}

func memberRow(m model.Member, link string) schema.Member {
	row := schema.Member{
		ID: m.ID.String(), Kind: string(m.Kind), Name: m.Name, Status: string(m.Status),
		InvitedAt: at(m.InvitedAt), EnrolledAt: at(m.EnrolledAt), Pin: m.Pin, Link: link,
		Reason: m.Reason, StatusAt: at(m.StatusAt), Machine: m.Machine, Software: m.Software,
	}
	if m.Can != nil {
		row.Commands, row.Reports = m.Can.Commands, m.Can.Items
	}
	for _, c := range m.Clones {
		row.Clones = append(row.Clones, schema.Clone{At: c.At.Std(), Machine: c.Machine, Remote: c.Remote})
	}
	if m.TokenHash != "" {
		row.TokenExpires = at(m.TokenExpires)
	}
	return row
}

func advisoryRow(a model.Advisory, severity model.Severity) schema.Advisory {
	row := schema.Advisory{
		Source: a.Source, ID: a.ID, Aliases: a.Aliases, Upstream: a.Upstream, Related: a.Related,
		Published: at(a.Published), Modified: at(a.Modified), Withdrawn: at(a.Withdrawn), Summary: a.Summary,
		Severity: severity.String(), CWEs: a.CWEs, Cursor: a.Cursor.String(),
	}
	if !a.Origin.IsZero() {
		row.Origin = a.Origin.String()
	}
	for _, x := range a.Severity {
		row.Scores = append(row.Scores, schema.Score(x))
	}
	if x := a.Exploit; x != nil {
		row.Exploit = &schema.Exploit{
			Known: at(x.Known), Due: at(x.Due), Ransomware: x.Ransomware, Probability: x.Probability, Percentile: x.Percentile, ScoredAt: at(x.ScoredAt),
		}
	}
	for _, f := range a.Affected {
		affected := schema.Affected{
			Ecosystem: f.Ecosystem, Package: f.Name, Purl: exposure.PackageURLOf(f.Ecosystem, f.Name), Versions: f.Versions, Modules: f.Modules, Outside: f.Outside,
		}
		for _, r := range f.Ranges {
			affected.Ranges = append(affected.Ranges, rangeText(r))
		}
		row.Affected = append(row.Affected, affected)
	}
	for _, x := range a.Statements {
		row.Statements = append(row.Statements, schema.Statement{
			Products: x.Products, Status: string(x.Status), Justification: x.Justification, Note: x.Note, At: at(x.At), Outside: x.Outside,
		})
	}
	return row
}

// rangeText writes the events of a range as a person would: ">= 1.0, < 1.2; >= 2.0".
func rangeText(r model.Range) string {
	var b strings.Builder
	for _, e := range r.Events {
		sign, version := ">=", e.Introduced
		switch {
		case e.Fixed != "":
			sign, version = "<", e.Fixed
		case e.LastAffected != "":
			sign, version = "<=", e.LastAffected
		case e.Limit != "":
			sign, version = "limit <", e.Limit
		}
		if b.Len() > 0 {
			if e.Introduced != "" {
				b.WriteString("; ")
			} else {
				b.WriteString(", ")
			}
		}
		b.WriteString(sign + " " + version)
	}
	return b.String()
}

func detailBody(d model.HostDetail, host schema.Host, site string) schema.HostDetail {
	body := schema.HostDetail{
		Host: host, AnsweredBy: site, AnsweredAt: d.At.Std(),
		Packages:     make([]schema.Package, 0, len(d.Packages)),
		Certificates: make([]schema.Certificate, 0, len(d.Certificates)),
		Findings:     make([]schema.Finding, 0, len(d.Findings)),
	}
	for _, p := range d.Packages {
		body.Packages = append(body.Packages, packageRow(p))
	}
	for _, c := range d.Certificates {
		body.Certificates = append(body.Certificates, certificateRow(c))
	}
	for _, f := range d.Findings {
		body.Findings = append(body.Findings, findingRow(f))
	}
	return body
}

func commandRow(c model.Command, site string, now time.Time) schema.Command {
	row := schema.Command{
		ID: c.ID.String(), Kind: c.Kind, SiteID: c.Site.String(), Site: site, Actor: c.Actor,
		State: string(c.State), StateAt: at(c.StateAt), CreatedAt: c.CreatedAt.Std(), ExpiresAt: c.ExpiresAt.Std(),
		SiteAt: at(c.SiteAt), TaskN: map[string]int{}, Version: progress(c),
	}
	row.Overdue = !command.Terminal(c.State) && now.After(c.ExpiresAt.Std())
	for state, n := range c.TaskN {
		row.TaskN[string(state)] = n
	}
	return row
}

func taskRow(t model.Task, hostname string) schema.Task {
	row := schema.Task{
		HostID: t.Host.String(), Hostname: hostname, State: string(t.State), Reason: t.Reason,
		Output: t.Output, OutputSize: t.OutputSize, History: make([]schema.Step, 0, len(t.History)),
	}
	for _, step := range t.History {
		row.History = append(row.History, schema.Step{State: string(step.State), At: step.At.Std()})
	}
	return row
}

// progress counts how far a command has come. Tasks only move forward, so it rises with every move
// and is the same on every node and after a restart, which a counter of the process would not be.
func progress(c model.Command) uint64 {
	n := uint64(1)
	if !c.SiteAt.IsZero() {
		n++
	}
	for state, tasks := range c.TaskN {
		rank := uint64(3)
		switch state {
		case model.CommandQueued:
			rank = 0
		case model.CommandDelivered:
			rank = 1
		case model.CommandRunning:
			rank = 2
		}
		n += rank * uint64(max(0, tasks))
	}
	return n
}

// severityOf is the worst that a record says of anything it names.
func severityOf(a model.Advisory) model.Severity {
	worst := exposure.SeverityOf(a.Severity)
	for _, f := range a.Affected {
		if len(f.Severity) > 0 {
			worst = max(worst, exposure.SeverityOf(f.Severity))
		}
	}
	return worst
}
