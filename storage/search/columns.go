package search

import (
	"math"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// The statuses by number. The order is that of query's sort.
const (
	statusUp = iota
	statusLate
	statusDown
	statusUnknown
	statusN
)

// statusGone is what the columns of statuses hold for an ordinal without a host.
const statusGone = 0xFF

var statusWords = [statusN]model.HostStatus{model.HostUp, model.HostLate, model.HostDown, model.HostUnknown}

// statusNumber returns the number of a status; what nobody knows is unknown.
func statusNumber(s model.HostStatus) uint8 {
	for i, w := range statusWords {
		if w == s {
			return uint8(i)
		}
	}
	return statusUnknown
}

// The values of Host.Worst by number, in the order of concern.
const (
	worstUnmatched = iota
	worstClean
	worstNone
	worstUnknown
	worstLow
	worstMedium
	worstHigh
	worstCritical
	worstN
)

var worstWords = [worstN]string{model.WorstUnmatched, model.WorstClean, "none", "unknown", "low", "medium", "high", "critical"}

func worstNumber(word string) uint8 {
	for i, w := range worstWords {
		if w == word {
			return uint8(i)
		}
	}
	return worstUnmatched
}

// Whether a reboot is needed, by number.
const (
	rebootUnknown = iota
	rebootNo
	rebootYes
	rebootN
)

var rebootWords = [rebootN]string{"unknown", "no", "yes"}

func rebootNumber(need *bool) uint8 {
	switch {
	case need == nil:
		return rebootUnknown
	case *need:
		return rebootYes
	}
	return rebootNo
}

// none is the value of a number that a host does not have.
const none = math.MinInt32

// columns are the numbers of the hosts, by ordinal.
type columns struct {
	seen     []int64 // last seen, ms; raised while the site vouches for the host
	lastSeen []int64 // as the row says
	statusAt []int64 // as the row says
	booted   []int64
	first    []int64
	expiry   []int64 // of the next certificate; 0: none

	updates    []int32 // or none
	compliance []int32 // tenths of a percent, or none
	packages   []int32
	cpus       []int32
	memory     []int32
	found      [severityN][]uint16 // vulnerabilities by severity; at most 65,535 are told apart
}

// The severities by number, as the parts of query.FieldCVE.
const (
	severityCritical = iota
	severityHigh
	severityMedium
	severityLow
	severityNone
	severityUnknown
	severityN
)

var severityWords = [severityN]string{"critical", "high", "medium", "low", "none", "unknown"}

func (c *columns) grow(n int) {
	c.seen, c.lastSeen, c.statusAt = grown(c.seen, n), grown(c.lastSeen, n), grown(c.statusAt, n)
	c.booted, c.first, c.expiry = grown(c.booted, n), grown(c.first, n), grown(c.expiry, n)
	c.updates, c.compliance, c.packages = grown(c.updates, n), grown(c.compliance, n), grown(c.packages, n)
	c.cpus, c.memory = grown(c.cpus, n), grown(c.memory, n)
	for i := range c.found {
		c.found[i] = grown(c.found[i], n)
	}
}

// set writes everything but the beat.
func (c *columns) set(ord uint32, h *model.Host) {
	c.booted[ord], c.first[ord], c.expiry[ord] = int64(h.BootedAt), int64(h.FirstSeen), int64(h.NextCertExpiry)
	c.updates[ord], c.compliance[ord] = none, none
	if h.Updates != nil {
		c.updates[ord] = clamp(*h.Updates)
	}
	if h.Compliance != nil {
		c.compliance[ord] = tenths(*h.Compliance)
	}
	c.packages[ord], c.cpus[ord], c.memory[ord] = none, none, none
	if h.PackagesAt != 0 {
		c.packages[ord] = clamp(h.PackageN)
	}
	if h.CPUs != 0 {
		c.cpus[ord] = clamp(h.CPUs)
	}
	if h.MemoryMB != 0 {
		c.memory[ord] = clamp(h.MemoryMB)
	}
	e := h.Exposure
	for i, n := range [severityN]int{e.Critical, e.High, e.Medium, e.Low, e.None, e.Unknown} {
		c.found[i][ord] = uint16(min(max(n, 0), math.MaxUint16))
	}
}

func clamp(n int) int32 { return int32(min(max(n, 0), math.MaxInt32)) }

func tenths(percent float64) int32 { return int32(math.Round(percent * 10)) }

func (c *columns) beat(ord uint32, status uint8) model.HostBeat {
	return model.HostBeat{Status: statusWords[status], StatusAt: model.Time(c.statusAt[ord]), LastSeen: model.Time(c.lastSeen[ord])}
}

// number is how a field is read as a number: get returns the value and whether the host has one.
type number func(ord uint32) (int64, bool)

// number returns the reader of a numeric field: a count, a time in ms, tenths of a percent, a bool; nil for
// a field that has no numbers.
func (x *Index) number(f query.Field, part string) number {
	c := &x.columns
	switch f {
	case query.FieldSeen:
		return timeOf(c.seen)
	case query.FieldUptime:
		return timeOf(c.booted)
	case query.FieldFirstSeen:
		return timeOf(c.first)
	case query.FieldCertificate:
		return timeOf(c.expiry)
	case query.FieldUpdates:
		return func(ord uint32) (int64, bool) { return int64(c.updates[ord]), c.updates[ord] != none }
	case query.FieldCompliance:
		return func(ord uint32) (int64, bool) { return int64(c.compliance[ord]), c.compliance[ord] != none }
	case query.FieldPackages:
		return func(ord uint32) (int64, bool) { return int64(c.packages[ord]), c.packages[ord] != none }
	case query.FieldCPUs:
		return func(ord uint32) (int64, bool) { return int64(c.cpus[ord]), c.cpus[ord] != none }
	case query.FieldMemory:
		return func(ord uint32) (int64, bool) { return int64(c.memory[ord]), c.memory[ord] != none }
	case query.FieldCVE:
		return x.vulnerabilities(part)
	case query.FieldReboot:
		return func(ord uint32) (int64, bool) {
			return int64(x.reboot[ord]) - rebootNo, x.reboot[ord] != rebootUnknown
		}
	case query.FieldSimulated:
		return func(ord uint32) (int64, bool) {
			if x.flags[ord]&flagSimulated != 0 {
				return 1, true
			}
			return 0, true
		}
	case query.FieldStatus:
		return func(ord uint32) (int64, bool) { return int64(x.shown[ord]), true }
	case query.FieldSeverity:
		return func(ord uint32) (int64, bool) { return int64(x.worst[ord]), true }
	}
	return nil
}

func timeOf(column []int64) number {
	return func(ord uint32) (int64, bool) { return column[ord], column[ord] != 0 }
}

func (x *Index) vulnerabilities(part string) number {
	for i, word := range severityWords {
		if word == part {
			column := x.columns.found[i]
			return func(ord uint32) (int64, bool) { return int64(column[ord]), x.worst[ord] != worstUnmatched }
		}
	}
	f := &x.columns.found
	return func(ord uint32) (int64, bool) {
		n := int64(0)
		for i := range f {
			n += int64(f[i][ord])
		}
		return n, x.worst[ord] != worstUnmatched
	}
}
