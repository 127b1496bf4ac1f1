package model

import "time"

// Resolution is how far the slots of a trend are apart. The numbers are on disk: append, never reorder.
type Resolution uint8

// The resolutions: the finer a trend is, the sooner it forgets.
const (
	ResFiveMinutes Resolution = 1 // for a day
	ResHour        Resolution = 2 // for a month
	ResDay         Resolution = 3 // for two years
)

// Resolutions returns every resolution, finest first.
func Resolutions() [3]Resolution { return [3]Resolution{ResFiveMinutes, ResHour, ResDay} }

// String returns the length of one slot in words: "5m", "1h", "1d"; anything else is "none".
func (r Resolution) String() string {
	switch r {
	case ResFiveMinutes:
		return "5m"
	case ResHour:
		return "1h"
	case ResDay:
		return "1d"
	}
	return "none"
}

// Duration returns the length of one slot; zero for what is no resolution.
func (r Resolution) Duration() time.Duration {
	switch r {
	case ResFiveMinutes:
		return 5 * time.Minute
	case ResHour:
		return time.Hour
	case ResDay:
		return 24 * time.Hour
	}
	return 0
}

// Slots returns how many slots are kept, which is the length of the ring they stand in; zero for what is
// no resolution.
func (r Resolution) Slots() int {
	switch r {
	case ResFiveMinutes:
		return 288
	case ResHour:
		return 744
	case ResDay:
		return 732
	}
	return 0
}

// Start returns when the slot that holds t began: t cut to the resolution in UTC. It is zero for the
// unknown time and for what is no resolution.
func (r Resolution) Start(t Time) Time {
	d := Time(r.Duration().Milliseconds())
	if d == 0 || t <= 0 {
		return 0
	}
	return t - t%d
}

// Place returns where in the ring the slot of t stands: 0 to Slots()-1.
func (r Resolution) Place(t Time) int {
	d := Time(r.Duration().Milliseconds())
	if d == 0 || t <= 0 {
		return 0
	}
	return int(t / d % Time(r.Slots()))
}

// TrendSlot is one point of a site's trend: its counts as they were when the last change of the slot was
// applied; LastItem and JudgedAt are not part of it. A slot in which nothing changed is not written;
// whoever reads carries the one before it forward.
type TrendSlot struct {
	Start  Time       `json:"start"`
	Counts SiteCounts `json:"counts"`
}
