package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/sync/health"
)

// Each case is a history of sights; every one is judged, and word, since and reason of each are compared.
func TestJudge(t *testing.T) {
	zero := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return zero.Add(time.Duration(seconds) * time.Second) }
	type step struct {
		see    health.Sight
		word   health.Word
		since  int // seconds
		reason string
	}
	up := func(now, since int) health.Sight {
		return health.Sight{Now: at(now), Tried: true, Online: true, Since: at(since)}
	}
	with := func(s health.Sight, change func(*health.Sight)) health.Sight { change(&s); return s }
	sent := func(now, since, sent int) health.Sight {
		return with(up(now, since), func(s *health.Sight) { s.Sent = at(sent) })
	}
	waiting := func(now, since, waits int) health.Sight {
		return with(up(now, since), func(s *health.Sight) { s.Waiting, s.WaitN = at(waits), 7 })
	}
	breaks := func(now, since, n int) health.Sight {
		return with(up(now, since), func(s *health.Sight) { s.Breaks = n })
	}
	down := func(now, since int) health.Sight {
		return health.Sight{Now: at(now), Tried: true, Since: at(since), Error: "no route"}
	}
	gone := func(now, since int) health.Sight {
		return health.Sight{Now: at(now), Tried: true, Since: at(since), Error: `admit: site "oslo" is removed here (moved): ask an operator of this server`}
	}
	for name, steps := range map[string][]step{
		"nothing is known before the first attempt has ended": {
			{health.Sight{Now: at(0), Since: at(0)}, health.Unknown, 0, "no attempt"},
			{health.Sight{Now: at(40), Since: at(0)}, health.Unknown, 0, "no attempt"},
			{down(45, 0), health.Offline, 0, "no route"},
			{up(50, 48), health.Online, 48, ""},
		},
		"a node that was removed stays so, whoever answers next": {
			{up(5, 1), health.Online, 1, ""},
			{gone(9, 8), health.Removed, 9, `site "oslo" is removed here`},
			{down(20, 8), health.Removed, 9, `site "oslo" is removed here`},
			{up(30, 29), health.Online, 29, ""},
			{down(31, 31), health.Offline, 31, "no route"},
		},
		"a link that breaks and comes back": {
			{up(5, 1), health.Online, 1, ""},
			{down(9, 8), health.Offline, 8, "no route"},
			{down(20, 8), health.Offline, 8, "no route"},
			{up(30, 29), health.Online, 29, ""},
		},
		"an acknowledgement that is late, and comes": {
			{sent(15, 0, 0), health.Online, 0, ""},
			{sent(16, 0, 0), health.Degraded, 16, "what was sent 16s ago is not acknowledged"},
			{sent(30, 0, 20), health.Degraded, 16, "what was sent 10s ago"}, // better, but not well
			{sent(31, 0, 26), health.Online, 31, ""},
			{sent(40, 0, 26), health.Online, 31, ""}, // and not at once back
		},
		"silence": {
			{with(up(100, 0), func(s *health.Sight) { s.Heard = at(90) }), health.Online, 0, ""},
			{with(up(106, 0), func(s *health.Sight) { s.Heard = at(90) }), health.Degraded, 106, "nothing was heard for 16s"},
			{with(up(119, 0), func(s *health.Sight) { s.Heard = at(106) }), health.Degraded, 106, "nothing was heard for 13s"},
			{with(up(120, 0), func(s *health.Sight) { s.Heard = at(119) }), health.Online, 120, ""},
		},
		"a backlog": {
			{waiting(60, 0, 0), health.Online, 0, ""},
			{waiting(61, 0, 0), health.Degraded, 61, "7 items wait, the oldest since 2026-03-01T12:00:00Z"},
			{waiting(90, 0, 69), health.Degraded, 61, "7 items wait"},
			{waiting(90, 0, 70), health.Online, 90, ""},
		},
		"a backlog on purpose": {
			{with(waiting(600, 0, 0), func(s *health.Sight) { s.Until = at(3600) }), health.Online, 0, "waits until 2026-03-01T13:00:00Z"},
			{waiting(3600, 0, 0), health.Degraded, 3600, "7 items wait"},
		},
		"a link that flaps": {
			{breaks(10, 9, 2), health.Online, 9, ""},
			{down(11, 11), health.Offline, 11, "no route"},
			{breaks(12, 12, 3), health.Degraded, 12, "broke 3 times within 5m0s"},
			{breaks(200, 12, 2), health.Degraded, 12, "broke 2 times"},
			{breaks(300, 12, 1), health.Online, 300, ""},
		},
		"what is worst is said first": {
			{with(sent(100, 0, 0), func(s *health.Sight) { s.Waiting, s.Breaks = at(0), 9 }), health.Degraded, 100, "not acknowledged"},
			{down(101, 101), health.Offline, 101, "no route"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var j health.Judge
			for i, s := range steps {
				got := j.Look(s.see)
				if got.Word != s.word || !got.Since.Equal(at(s.since)) || !strings.Contains(got.Reason, s.reason) || (s.reason == "") != (got.Reason == "") {
					t.Errorf("step %d: got %s since %ds: %q; want %s since %ds: %q",
						i, got.Word, int(got.Since.Sub(zero).Seconds()), got.Reason, s.word, s.since, s.reason)
				}
			}
		})
	}
}
