package site

import (
	"net"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/health"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/window"
	"github.com/skerryhq/skerry/ui/schema"
)

// line is how this site uses its line to the controller, and what it sees of it.
type line struct {
	pace    *link.Pace      // nil: as fast as it goes
	hours   *window.Window  // nil: always
	monitor *uplink.Monitor // nil while not enrolled
}

// openLine reads what is configured. It was checked before.
func openLine(c config.Uplink) (l line, err error) {
	if c.Bandwidth > 0 {
		l.pace = link.NewPace(int64(c.Bandwidth))
	}
	if len(c.Window) > 0 {
		l.hours, err = window.Parse(c.Window)
	}
	return l, err
}

// wrap fits link.DialConfig.Wrap; nil where the line is not paced.
func (l *line) wrap() func(net.Conn) net.Conn {
	if l.pace == nil {
		return nil
	}
	return l.pace.Wrap
}

// window fits uplink.Config.Window.
func (l *line) window() uplink.Window {
	if l.hours == nil {
		return nil
	}
	return l.hours
}

// urgent says what goes up at any hour, beside events: the counts of alerts, those of the site itself among them.
func urgent(k model.ItemKind) bool { return k == model.ItemAlerts }

// uplinkState is what is said of the link to the controller.
func (s *site) uplinkState() *schema.Uplink {
	if !s.enrolled() {
		return &schema.Uplink{State: "unenrolled"}
	}
	if s.damaged != nil {
		return &schema.Uplink{State: string(health.Offline), Controller: s.id.URL, LastError: s.damaged.Error()}
	}
	waiting := s.outbox.Len()
	h := s.line.monitor.Look(waiting)
	out := &schema.Uplink{
		State: string(h.Word), Reason: h.Reason, Controller: s.id.URL, Pending: waiting, Bytes: s.outbox.Bytes(), LastError: s.up.State().LastError,
		Bandwidth: int64(s.Uplink.Bandwidth),
	}
	if !h.Since.IsZero() {
		at := h.Since.UTC()
		out.Since = &at
	}
	if w := s.line.hours; w != nil {
		if now := s.clock.Now(); !w.Open(now) {
			at := w.Next(now).UTC()
			out.WindowOpens = &at
		}
	}
	return out
}
