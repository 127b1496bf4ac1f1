package apply

import (
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// maxPlace bounds each text that says where a site is, in bytes.
const maxPlace = 128

// putSite changes what was named of where a site is.
func (a *applier) putSite(c model.PutSite) error {
	const op = "change site"
	was, ok, err := a.tx.Site(c.Site)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotFound, op, "there is no site %s", c.Site)
	}
	s := was
	for _, f := range [...]struct{ to, from *string }{
		{&s.Location, c.Location}, {&s.Region, c.Region}, {&s.Country, c.Country}, {&s.City, c.City},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	switch {
	case (c.Lat == nil) != (c.Lng == nil):
		return fault.New(fault.Invalid, op, "a latitude and a longitude belong together; give both or neither")
	case c.Lat != nil && c.NoPosition:
		return fault.New(fault.Invalid, op, "a position and no position were asked for; give one of them")
	case c.Lat != nil:
		s.Lat, s.Lng = c.Lat, c.Lng
	case c.NoPosition:
		s.Lat, s.Lng = nil, nil
	}
	if err := checkSite(op, s); err != nil {
		return err
	}
	if sameSite(s, was) {
		return nil
	}
	if err := a.tx.PutSite(s); err != nil {
		return err
	}
	return a.note(c.Stamp, "site.change", s.ID.String(), true, "", map[string]string{
		"location": s.Location, "region": s.Region, "country": s.Country, "city": s.City, "lat": degrees(s.Lat), "lng": degrees(s.Lng),
	})
}

// checkSite refuses what an operator cannot have meant about a place.
func checkSite(op string, s model.Site) error {
	for _, f := range [...]struct{ name, text string }{
		{"location", s.Location}, {"region", s.Region}, {"country", s.Country}, {"city", s.City},
	} {
		switch {
		case len(f.text) > maxPlace:
			return fault.New(fault.TooLarge, op, "the %s has %d bytes; the limit is %d", f.name, len(f.text), maxPlace)
		case !utf8.ValidString(f.text) || strings.ContainsFunc(f.text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return fault.New(fault.Invalid, op, "the %s %q holds what is no text", f.name, fault.Clip(f.text, 32))
		}
	}
	switch {
	case (s.Lat == nil) != (s.Lng == nil):
		return fault.New(fault.Invalid, op, "a latitude and a longitude belong together; give both or neither")
	case s.Lat != nil && !(*s.Lat >= -90 && *s.Lat <= 90):
		return fault.New(fault.Invalid, op, "the latitude %s is not in -90 to 90 degrees", degrees(s.Lat))
	case s.Lng != nil && !(*s.Lng >= -180 && *s.Lng <= 180):
		return fault.New(fault.Invalid, op, "the longitude %s is not in -180 to 180 degrees", degrees(s.Lng))
	}
	return nil
}

// fillSite keeps what was said of a site before, where a new token for it says nothing.
func fillSite(s, was model.Site) model.Site {
	s.Location, s.Region = cmp.Or(s.Location, was.Location), cmp.Or(s.Region, was.Region)
	s.Country, s.City = cmp.Or(s.Country, was.Country), cmp.Or(s.City, was.City)
	if s.Lat == nil && s.Lng == nil {
		s.Lat, s.Lng = was.Lat, was.Lng
	}
	return s
}

func sameSite(x, y model.Site) bool {
	return x.ID == y.ID && x.Name == y.Name && x.Location == y.Location && x.Region == y.Region && x.Country == y.Country && x.City == y.City &&
		degrees(x.Lat) == degrees(y.Lat) && degrees(x.Lng) == degrees(y.Lng)
}

func degrees(d *float64) string {
	if d == nil {
		return ""
	}
	return strconv.FormatFloat(*d, 'f', -1, 64)
}
