package api

import (
	"context"
	"maps"
	"slices"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// everySite is the name under which the sums over all sites are asked for.
const everySite = "all"

type trendInput struct {
	Site   string `path:"site" maxLength:"64" doc:"id or name, or all for the sums over every site"`
	Window string `query:"window" enum:"day,month,years" default:"day" doc:"a day in steps of 5 minutes, 31 days in hours, or two years in days"`
}

var windows = map[string]model.Resolution{"day": model.ResFiveMinutes, "month": model.ResHour, "years": model.ResDay}

func (s *Server) siteTrend(_ context.Context, in *trendInput) (*out[schema.Trend], error) {
	v, done := s.c.Store.View()
	defer done()
	site := model.Site{Name: everySite}
	if in.Site != everySite {
		var err error
		if site, err = s.findSite(v, in.Site); err != nil {
			return nil, err
		}
	}
	res := windows[in.Window]
	body := schema.Trend{
		Site: site.Name, Window: in.Window, ResolutionS: int(res.Duration().Seconds()), Points: []schema.TrendPoint{},
	}
	slots, err := v.Trends(site.ID, res)
	if err != nil {
		return nil, err
	}
	last := res.Start(s.now())
	first := last - model.Time(res.Duration().Milliseconds())*model.Time(res.Slots()-1)
	var before *model.TrendSlot // how things stood when the window begins
	for i := range slots {
		switch start := slots[i].Start; {
		case start <= first:
			before = &slots[i]
		case start <= last: // else it is of a clock that was ahead
			body.Points = append(body.Points, trendPoint(slots[i]))
		}
	}
	if before != nil {
		before.Start = first
		body.Points = slices.Insert(body.Points, 0, trendPoint(*before))
	}
	return &out[schema.Trend]{Body: body}, nil
}

func trendPoint(slot model.TrendSlot) schema.TrendPoint {
	c := slot.Counts
	p := schema.TrendPoint{
		At: slot.Start.Std(), Hosts: c.Hosts, ByStatus: map[string]int64{}, ByWorst: map[string]int64{}, Exposure: schema.Counts(c.Exposure),
		Reboot: c.Reboot, Updates: c.Updates, Compliance: meanOf(c),
	}
	maps.Copy(p.ByStatus, c.ByStatus)
	maps.Copy(p.ByWorst, c.ByWorst)
	return p
}
