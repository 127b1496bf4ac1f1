package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) advisoriesSources() *cobra.Command {
	var now string
	c := leaf("sources", "What the server fetches advisories from, and how old each is", 0, 0, nil)
	f := a.formatted(c)
	c.Long = c.Short + `.

A controller fetches what its configuration names under advisories.sources; the leader of the group does it. A site fetches from its
controller, and bundles that its configuration names. A source that fails or is old changes nothing of what is held.

With --now NAME the server is asked to fetch that source at once, and the command waits until it has.`
	c.Flags().StringVar(&now, "now", "", "fetch this source at once, and wait for it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		var rows []schema.AdvisorySource
		if now != "" {
			rows, err = a.fetchSource(c.Context(), server, now)
		} else {
			err = server.call(c.Context(), http.MethodGet, "/advisories/sources", nil, nil, &rows)
		}
		if err != nil {
			return err
		}
		err = f.print(rows, func() view {
			v := view{
				head: []string{"SOURCE", "KIND", "STATE", "AGE", "RECORDS", "MALFORMED", "NEXT", "REASON"},
				wide: []string{"FROM", "EVERY", "CHANGED", "FAILED", "FETCHED", "HELD", "BEHIND", "OUTSIDE"},
			}
			for _, r := range rows {
				v.add(r.Name, r.Name, r.Kind, r.State, ageOf(r.AgeSec), ofEdition(r, r.Read), ofEdition(r, r.MalformedN), r.NextAt, r.Reason,
					r.From, ago(r.EverySec), r.ChangedAt, r.FailedAt, fetchedOf(r), r.Held, r.BehindN, r.OutsideN)
			}
			return v
		})
		if err != nil {
			return err
		}
		if len(rows) == 0 && f.kind == "table" {
			a.say("this server fetches nothing by itself: name sources under advisories.sources in its configuration")
		}
		for _, r := range rows {
			if r.Warning != "" {
				a.say("%s is %s, but %s (`skerry advisories authority set %s ECOSYSTEM...`)", fault.Printable(r.Name), r.State, fault.Printable(r.Warning), fault.Printable(cmp.Or(r.Of, "SOURCE")))
			}
			if r.Name == now && r.Reason != "" {
				return fmt.Errorf("%s was not fetched: %s", fault.Printable(now), fault.Printable(r.Reason))
			}
		}
		return nil
	}
	return c
}

const (
	sourceLook = time.Second      // between two looks at a source that is being fetched
	sourceIdle = 20 * time.Second // within which a fetch that was asked for has begun
)

// fetchSource has a source fetched, and waits until it was looked at.
func (a *app) fetchSource(ctx context.Context, server *client, name string) ([]schema.AdvisorySource, error) {
	look := func() (rows []schema.AdvisorySource, row schema.AdvisorySource, err error) {
		err = server.call(ctx, http.MethodGet, "/advisories/sources", nil, nil, &rows)
		for _, r := range rows {
			if r.Name == name {
				row = r
			}
		}
		return rows, row, err
	}
	_, was, err := look()
	if err != nil {
		return nil, err
	}
	if err := server.call(ctx, http.MethodPost, "/advisories/sources/"+url.PathEscape(name)+"/fetch", nil, nil, nil); err != nil {
		return nil, err
	}
	tick := time.NewTicker(sourceLook)
	defer tick.Stop()
	for began, shown := time.Now(), int64(0); ; {
		rows, is, err := look()
		if err != nil {
			return nil, err
		}
		moved := later(is.CheckedAt, was.CheckedAt) || later(is.FailedAt, was.FailedAt)
		if is.State != "running" && (moved || time.Since(began) > sourceIdle) {
			return rows, nil
		}
		if is.State == "running" && is.HaveBytes>>20 != shown {
			shown = is.HaveBytes >> 20
			a.say("%s: %s", fault.Printable(name), fetchedOf(is))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

func later(a, b *time.Time) bool { return a != nil && (b == nil || a.After(*b)) }

// ofEdition is a number of what was fetched last: a controller sends changes, and no editions that could be counted.
func ofEdition(r schema.AdvisorySource, n int) any {
	if r.Kind == "controller" {
		return nil
	}
	return n
}

// ageOf writes an age for people.
func ageOf(s *int64) any {
	if s == nil {
		return "never"
	}
	return ago(*s)
}

// fetchedOf says how far a fetch is.
func fetchedOf(r schema.AdvisorySource) any {
	switch {
	case r.HaveBytes == 0 && r.SizeBytes == 0:
		return nil
	case r.SizeBytes == 0:
		return fmt.Sprintf("%.1f MiB", float64(r.HaveBytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f of %.1f MiB", float64(r.HaveBytes)/(1<<20), float64(r.SizeBytes)/(1<<20))
}

// ago writes a number of seconds for people, in its two largest units.
func ago(s int64) string {
	d := time.Duration(s) * time.Second
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) < time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour && d < 48*time.Hour && d%time.Hour < time.Minute:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
