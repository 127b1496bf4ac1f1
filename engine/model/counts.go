package model

import (
	"maps"
	"math"
	"slices"
)

// Add counts host h (by = 1), or takes it out again (by = -1): the one definition of what the sums of a
// SiteCounts are. What was added and taken out leaves no trace. LastItem and JudgedAt are not touched.
func (n *SiteCounts) Add(h *Host, by int64) {
	n.Hosts += by
	n.AddStatus(h.Status, by)
	n.ByWorst = countIn(n.ByWorst, h.Worst(), by)
	n.Exposure.sum(h.Exposure, by)
	if h.RebootNeeded != nil && *h.RebootNeeded {
		n.Reboot += by
	}
	if h.Updates != nil {
		n.Updates += by * int64(*h.Updates)
	}
	if h.Compliance != nil {
		n.Compliance += by * int64(math.Round(*h.Compliance*10))
		n.ComplianceN += by
	}
}

// AddStatus counts a status alone (by = 1), or takes it out (by = -1): the part of Add that a beat moves.
func (n *SiteCounts) AddStatus(s HostStatus, by int64) {
	n.ByStatus = countIn(n.ByStatus, string(s), by)
}

// Sum adds the sums of d, by times: a site to the sum over all, or one host's change to its site.
func (n *SiteCounts) Sum(d SiteCounts, by int64) {
	n.Hosts += by * d.Hosts
	for _, k := range slices.Sorted(maps.Keys(d.ByStatus)) {
		n.ByStatus = countIn(n.ByStatus, k, by*d.ByStatus[k])
	}
	for _, k := range slices.Sorted(maps.Keys(d.ByWorst)) {
		n.ByWorst = countIn(n.ByWorst, k, by*d.ByWorst[k])
	}
	n.Exposure.sum(d.Exposure, by)
	n.Reboot += by * d.Reboot
	n.Updates += by * d.Updates
	n.Compliance += by * d.Compliance
	n.ComplianceN += by * d.ComplianceN
}

// SameSums reports whether n and d count the same, whatever their Site and times.
func (n SiteCounts) SameSums(d SiteCounts) bool {
	return n.Hosts == d.Hosts && maps.Equal(n.ByStatus, d.ByStatus) && maps.Equal(n.ByWorst, d.ByWorst) && n.Exposure == d.Exposure &&
		n.Reboot == d.Reboot && n.Updates == d.Updates && n.Compliance == d.Compliance && n.ComplianceN == d.ComplianceN
}

// countIn keeps no zeros, so that equal fleets have equal rows.
func countIn(m map[string]int64, key string, by int64) map[string]int64 {
	if m == nil {
		m = map[string]int64{}
	}
	if m[key] += by; m[key] == 0 {
		delete(m, key)
	}
	return m
}

func (c *SeverityCounts) sum(d SeverityCounts, by int64) {
	n := int(by)
	c.Critical += n * d.Critical
	c.High += n * d.High
	c.Medium += n * d.Medium
	c.Low += n * d.Low
	c.None += n * d.None
	c.Unknown += n * d.Unknown
	c.Uncertain += n * d.Uncertain
}
