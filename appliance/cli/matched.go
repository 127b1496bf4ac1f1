package cli

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

const (
	matchedLook = 100 * time.Millisecond // between two looks at the matching
	matchedWait = 8 * time.Second        // how long an import waits for it
	changedWait = 5 * time.Second        // how long it waits for what the matching changed
	changedPage = 500
	changedMost = 20 // pages that are counted
)

// pendingOf returns how many hosts of a site are not matched with its newest advisories, and how many are matched at all; false: no site
// answered.
func pendingOf(rows []schema.Exposure) (pending, matched int, ok bool) {
	for _, e := range rows {
		if e.PendingHosts != nil {
			pending, matched, ok = pending+*e.PendingHosts, matched+e.MatchedHosts, true
		}
	}
	return pending, matched, ok
}

// sayPending warns that an answer may be older than the advisories.
func (a *app) sayPending(rows []schema.Exposure) {
	if n, _, _ := pendingOf(rows); n > 0 {
		a.say("%s %s not matched yet with the newest advisories: ask again in a moment", grouped(n), plural(n, "host"))
	}
}

// sayMatched waits a little, after an import at a site that began at start, until the hosts are matched with what came, and says what
// that changed. The import stands either way, so nothing here is an error.
func (a *app) sayMatched(ctx context.Context, server *client, start time.Time) {
	whole, cancel := context.WithTimeout(ctx, matchedWait)
	defer cancel()
	tick := time.NewTicker(matchedLook)
	defer tick.Stop()
	pending, matched := 0, 0
	for most := 0; ; {
		var rows []schema.Exposure
		err := server.call(whole, http.MethodGet, "/exposure", nil, nil, &rows)
		n, all, ok := pendingOf(rows)
		if err == nil && !ok {
			return // a controller has no hosts of its own
		}
		if err == nil {
			pending, most = n, max(most, n)
			if matched = max(most, all); pending == 0 {
				break
			}
		} else if whole.Err() == nil {
			return
		}
		select {
		case <-whole.Done():
			if ctx.Err() == nil && pending > 0 {
				a.say("Still being matched with what came: %s %s. Until then `skerry exposure` shows their findings of before.", grouped(pending), plural(pending, "host"))
			}
			return
		case <-tick.C:
		}
	}
	if matched == 0 {
		return
	}
	text := ""
	if opened, closed, ok := a.changedSince(ctx, server, start); ok {
		text = ", findings: +" + grouped(opened) + " -" + grouped(closed)
	}
	a.say("Matched with what came: %s %s%s.", grouped(matched), plural(matched, "host"), text)
}

// changedSince counts what advisories opened and closed since a moment; false where the server cannot tell all of it.
func (a *app) changedSince(ctx context.Context, server *client, start time.Time) (opened, closed int, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, changedWait)
	defer cancel()
	query := url.Values{"limit": {strconv.Itoa(changedPage)}, "from": {start.UTC().Format(time.RFC3339Nano)}}
	if !strings.HasPrefix(server.shown, "unix:") { // its clock may be another
		query.Set("from", strconv.Itoa(int(time.Since(start)/time.Second)+1)+"s")
	}
	for range changedMost {
		var d schema.ExposureDiff
		if err := server.call(ctx, http.MethodGet, "/exposure/diff", query, nil, &d); err != nil || d.PartialN > 0 {
			return 0, 0, false
		}
		for _, x := range d.Answered {
			if x.Note != "" { // what was before is not known, as when nothing was matched before
				return 0, 0, false
			}
		}
		for _, x := range d.Changes {
			switch {
			case !strings.HasPrefix(x.Why, "advisory ") && x.Why != "vex statement":
			case x.Change == "opened":
				opened++
			default:
				closed++
			}
		}
		if d.Next == "" {
			return opened, closed, true
		}
		query.Set("cursor", d.Next)
	}
	return 0, 0, false
}

// sayNobody says in words that no host has a vulnerability, and how sure that is.
func (a *app) sayNobody(d schema.ExposedWhere) {
	hosts, lacking := 0, 0
	var asOf time.Time
	for _, x := range d.Answered {
		hosts, lacking = hosts+x.Hosts, lacking+x.Lacking
		if asOf.IsZero() || x.At.Before(asOf) {
			asOf = x.At
		}
	}
	id := fault.Printable(d.Vulnerability)
	switch {
	case d.AnsweredN == 0:
		a.say("Nobody answered: whether a host has %s is not known.", id)
	case hosts == 0:
		a.say("There was no host to look at for %s.", id)
	default:
		have, are := "have", "are"
		if hosts-lacking == 1 {
			have, are = "has", "is"
		}
		a.say("None of the %s %s that %s matched %s %s, as of %s.", grouped(hosts-lacking), plural(hosts-lacking, "host"), are, have, id, when(&asOf))
	}
}
