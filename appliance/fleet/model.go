package fleet

import (
	"fmt"

	"github.com/skerryhq/skerry/engine/model"
)

// systemIDs are the ids that os-release(5), or the agent where there is no such file, has for the names.
var systemIDs = map[string]string{
	"Ubuntu": "ubuntu", "Red Hat Enterprise Linux": "rhel", "Debian GNU/Linux": "debian", "Rocky Linux": "rocky",
	"AlmaLinux": "almalinux", "SUSE Linux Enterprise Server": "sles", "Amazon Linux": "amzn", "Windows Server": "windows-server",
	"Windows": "windows", "macOS": "macos", "FreeBSD": "freebsd", "OpenBSD": "openbsd",
}

// SystemID returns the model.OS.ID of an operating system by the name that Host.OSName has for it.
func SystemID(name string) string { return systemIDs[name] }

// Status returns a status of a host or a Query as the model has it; "" stays "".
func Status(s string) model.HostStatus {
	if s == "degraded" {
		return model.HostLate
	}
	return model.HostStatus(s)
}

// Model returns s as a row of the registry.
func (s Site) Model() model.Site {
	return model.Site{ID: siteID(s.ID), Name: s.Code, Region: s.Region, Country: s.Country, City: s.City, Lat: &s.Lat, Lng: &s.Lng}
}

// Model returns h as a row of the directory, as its site would send it up. What a fleet knows nothing of
// (packages, certificates) stays unset.
func (h Host) Model() model.Host {
	id := hostID(h.HostID)
	reboot, updates, compliance := h.Reboot, h.Updates, h.Compliance
	at := model.Time(h.ModTime)
	return model.Host{
		ID: id, Site: siteID(h.SiteID), Agent: model.NodeID(id),
		Facts: model.Facts{
			Hostname: h.Hostname, FQDN: h.FQDN, IPv4: []string{h.IPv4}, IPv6: []string{h.IPv6}, MAC: []string{h.MAC},
			OS:     model.OS{ID: SystemID(h.OSName), Name: h.OSName, Version: h.OSVersion},
			Kernel: h.Kernel, Arch: h.Arch, RebootNeeded: &reboot, AgentVersion: h.Agent, Tags: h.Tags, Owner: h.Owner,
			CPUs: h.CPUs, MemoryMB: h.MemMB, Serial: h.Serial, Simulated: true,
		},
		FactsAt: at, FirstSeen: model.Time(h.FirstSeen),
		Status: Status(h.Status), StatusAt: at, LastSeen: model.Time(h.LastSeen),
		Exposure: model.SeverityCounts{Critical: h.CVECritical, High: h.CVEHigh}, ExposureAt: at,
		Updates: &updates, Compliance: &compliance,
	}
}

// Item returns d as its site sends it to its controller, without a sequence number.
func (d Delta) Item() (model.Item, error) {
	switch d.Op {
	case OpBeat:
		return item(model.ItemStatus, d.HostID, d.ModTime, model.HostBeat{
			Status: Status(d.Status), StatusAt: model.Time(d.ModTime), LastSeen: model.Time(d.LastSeen),
		})
	case OpRemove:
		return model.Item{Kind: model.ItemHostGone, Key: d.HostID, AsOf: model.Time(d.ModTime)}, nil
	case OpAttr, OpNew:
		return d.Host.Item()
	}
	return model.Item{}, fmt.Errorf("there is no delta %q", d.Op)
}

// Item returns h as its site sends it to its controller, without a sequence number.
func (h Host) Item() (model.Item, error) {
	return item(model.ItemHost, h.HostID, h.ModTime, h.Model())
}

func item(kind model.ItemKind, key string, at int64, payload any) (model.Item, error) {
	b, err := model.Encode(payload)
	if err != nil {
		return model.Item{}, fmt.Errorf("write %s item %q: %w", kind, key, err)
	}
	return model.Item{Kind: kind, Key: key, AsOf: model.Time(at), Payload: b}, nil
}

// hostID and siteID read ids that this package made.
func hostID(s string) model.HostID {
	id, err := model.ParseHostID(s)
	if err != nil {
		panic(err) // uuidFrom wrote it
	}
	return id
}

func siteID(s string) model.SiteID {
	id, err := model.ParseSiteID(s)
	if err != nil {
		panic(err) // uuidFrom wrote it
	}
	return id
}
