package query

import (
	"math"

	"github.com/skerryhq/skerry/engine/model"
)

// StatusOf returns the status that a row's status is searched, sorted and counted as: one of the four, and
// unknown for anything else.
func StatusOf(s model.HostStatus) model.HostStatus {
	switch s {
	case model.HostUp, model.HostLate, model.HostDown:
		return s
	}
	return model.HostUnknown
}

// TimeValue returns the time that a field of KindAge or KindUntil has in h, zero for none, and whether f is
// such a field.
func TimeValue(f Field, h *model.Host) (at model.Time, ok bool) {
	switch f {
	case FieldSeen:
		return h.LastSeen, true
	case FieldCertificate:
		return h.NextCertExpiry, true
	case FieldUptime:
		return h.BootedAt, true
	case FieldFirstSeen:
		return h.FirstSeen, true
	}
	return 0, false
}

// NumberValue returns the number that a field of KindNumber or KindBool has in h, and whether it has one:
// compliance in tenths of a percent, memory in MiB, 1 for yes. The counts of vulnerabilities are known once
// somebody matched the host, that of packages once there was an inventory, processors and memory where they
// are not 0.
func NumberValue(f Field, part string, h *model.Host) (n int64, known bool) {
	switch f {
	case FieldCompliance:
		if h.Compliance != nil {
			return int64(math.Round(max(-1e6, min(*h.Compliance*10, 1e6)))), true
		}
	case FieldCVE:
		if h.ExposureAt != 0 {
			return int64(partOf(h.Exposure, part)), true
		}
	case FieldUpdates:
		if h.Updates != nil {
			return int64(*h.Updates), true
		}
	case FieldReboot:
		if h.RebootNeeded != nil {
			return oneIf(*h.RebootNeeded), true
		}
	case FieldSimulated:
		return oneIf(h.Simulated), true
	case FieldPackages:
		return int64(h.PackageN), h.PackagesAt != 0
	case FieldCPUs:
		return int64(h.CPUs), h.CPUs != 0
	case FieldMemory:
		return int64(h.MemoryMB), h.MemoryMB != 0
	}
	return 0, false
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// parts are the severities that FieldCVE has parts for, the worst first.
var parts = [...]string{"critical", "high", "medium", "low", "none", "unknown"}

func partOf(c model.SeverityCounts, part string) int {
	switch part {
	case "critical":
		return c.Critical
	case "high":
		return c.High
	case "medium":
		return c.Medium
	case "low":
		return c.Low
	case "none":
		return c.None
	case "unknown":
		return c.Unknown
	}
	return c.Total()
}

// severities are the values of FieldSeverity in the order of concern, by which they sort.
var severities = [...]string{model.WorstUnmatched, model.WorstClean, "none", "unknown", "low", "medium", "high", "critical"}

// SeverityRank returns the place of a value of Host.Worst in the order of FieldSeverity, from 0: unmatched,
// clean, none, unknown, low, medium, high, critical.
func SeverityRank(worst string) int {
	for i, s := range severities {
		if s == worst {
			return i
		}
	}
	return 0
}

// statuses are the values of FieldStatus in their order.
var statuses = [...]model.HostStatus{model.HostUp, model.HostLate, model.HostDown, model.HostUnknown}

// StatusRank returns the place of a status in the order of FieldStatus, from 0: up, late, down, unknown.
func StatusRank(s model.HostStatus) int {
	for i, t := range statuses {
		if s == t {
			return i
		}
	}
	return len(statuses) - 1
}

// EachValue calls yield with every value by which h is counted for a field that Info says is Counted; none
// at all means that it has no value. The texts are as they are shown: texts that fold to the same are the
// same value, and yield is called once for it. A search for FIELD:VALUE, with the value as Quote writes it,
// finds exactly the hosts that are counted for it.
func EachValue(f Field, h *model.Host, env Env, yield func(string)) {
	text := ""
	switch f {
	case FieldStatus:
		text = string(StatusOf(h.Status))
	case FieldOS:
		text = OSText(h.OS)
	case FieldArch:
		text = h.Arch
	case FieldKernel:
		text = h.Kernel
	case FieldSite:
		text = SiteText(h.Site, env.site(h.Site))
	case FieldRegion:
		text = env.site(h.Site).Region
	case FieldCountry:
		text = env.site(h.Site).Country
	case FieldCity:
		text = env.site(h.Site).City
	case FieldAgent:
		text = h.AgentVersion
	case FieldOwner:
		text = h.Owner
	case FieldSeverity:
		text = h.Worst()
	case FieldReboot, FieldSimulated:
		text = "unknown"
		if n, known := NumberValue(f, "", h); known {
			text = [...]string{"no", "yes"}[n]
		}
	case FieldTag:
		for i, tag := range h.Tags {
			if tag != "" && !seenBefore(h.Tags[:i], tag) {
				yield(tag)
			}
		}
	}
	if text != "" {
		yield(text)
	}
}

func seenBefore(tags []string, tag string) bool {
	for _, t := range tags {
		if t == tag || Fold(t) == Fold(tag) {
			return true
		}
	}
	return false
}
