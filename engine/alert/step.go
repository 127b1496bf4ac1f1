package alert

import "github.com/skerryhq/skerry/engine/model"

// Event is what a step does to an alert.
type Event uint8

// The events.
const (
	None    Event = 0
	Open    Event = 1 // one is to be opened
	Resolve Event = 2 // that of the watch is to be resolved: what it is about has ended
)

// Step is the life of what is watched: from was, the zero Watch where there is none, to what is to be remembered
// once the rule was judged at the given time. A zero TrueSince in the answer says that there is nothing to remember
// any more. With Open the caller sets the Alert of the answer; with Resolve it is that of was.
//
// A clock that went back begins a wait anew, and so can delay an alert by that wait and no more.
func Step(r *model.Rule, was model.Watch, holds bool, at model.Time) (model.Watch, Event) {
	now := was
	now.Rule = r.Name
	if holds {
		now.FalseSince = 0
		if now.TrueSince == 0 || now.TrueSince > at {
			now.TrueSince = at
		}
		if now.Alert.IsZero() && !now.Held && passed(now.TrueSince, r.ForS, at) {
			return now, Open
		}
		return now, None
	}
	switch {
	case was.TrueSince == 0, was.Alert.IsZero() && !was.Held:
		return model.Watch{}, None
	case now.FalseSince == 0 || now.FalseSince > at:
		now.FalseSince = at
	}
	switch {
	case !passed(now.FalseSince, r.ClearS, at):
		return now, None
	case was.Alert.IsZero():
		return model.Watch{}, None
	}
	return model.Watch{}, Resolve
}

func passed(since model.Time, seconds int64, at model.Time) bool {
	return int64(at-since) >= seconds*1000
}

// Due returns when a watch that is as it is must be looked at again though nothing changes; zero: never.
func Due(r *model.Rule, w model.Watch) model.Time {
	switch {
	case w.TrueSince == 0:
		return 0
	case w.FalseSince != 0:
		return w.FalseSince + model.Time(r.ClearS*1000)
	case w.Alert.IsZero() && !w.Held:
		return w.TrueSince + model.Time(r.ForS*1000)
	}
	return 0
}
