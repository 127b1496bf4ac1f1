package site

import (
	"context"
	"net"
	"path/filepath"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
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

// joinUpper builds the link to the controller.
func (s *site) joinUpper() error {
	addr, err := link.Address(s.id.URL)
	if err != nil {
		return err
	}
	if s.outbox.Epoch() < s.id.Epoch {
		if err := s.outbox.SetEpoch(s.id.Epoch); err != nil {
			return err
		}
	}
	if s.line, err = openLine(s.Uplink); err != nil {
		return err
	}
	// Beside the identity: the addresses belong to the controller that it is of.
	s.ends = uplink.OpenEndpoints(filepath.Join(identityDir(s.Config), "endpoints.json"), addr)
	s.up = uplink.New(uplink.Config{
		Self: s.id.Member, Name: s.id.Name, Software: "skerry " + s.opts.Version, Upper: s.id.Upper,
		Dial: func(ctx context.Context) (exchange.Session, error) {
			return s.ends.Dial(ctx, func(ctx context.Context, addr string) (exchange.Session, error) { return s.dial(ctx, addr) })
		},
		Outbox: s.outbox,
		Sink: &exchange.Received{
			Origin: s.id.Upper, Actor: "controller:" + s.id.Upper.String(), Watermark: s.rows.Watermark,
			Propose: s.prop.Propose, Now: s.clock.Now, Accepted: s.follow.heard,
		},
		Changed: func(uplink.State) { s.follow.nudge() },
		Answers: s.answers(),
		Resync:  func(ctx context.Context) error { return s.prop.Propose(ctx, model.Resync{Stamp: s.stamp()}) },
		Told:    s.clock.Learn,
		Window:  s.line.window(), Urgent: urgent,
		Now: s.clock.Now, Log: s.log,
	})
	s.line.monitor = uplink.NewMonitor(s.up)
	return nil
}

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
