package site

import (
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/clock"
	"github.com/skerryhq/skerry/storage/space"
)

// sources is what this site tells Prometheus.
func (s *site) sources() serve.Sources {
	out := serve.Sources{
		Disk: func() serve.DiskState {
			st := s.space.State()
			return serve.DiskState{Free: st.Free, Level: int(st.Level)}
		},
		Links:    s.linkCounts,
		ReadOnly: s.readOnly,
		Clock:    func() bool { return s.clock.State().Judged == clock.Believed },
	}
	if s.outbox != nil {
		out.Outbox = func() serve.OutboxState { return serve.OutboxState{Items: s.outbox.Len(), Bytes: s.outbox.Bytes()} }
	}
	if s.detail != nil {
		out.Bodies = s.detail.Damaged
	}
	out.Refused = func() map[string]uint64 {
		if s.agents == nil {
			return nil
		}
		return s.agents.Refused()
	}
	out.RefusedLinks = func() map[string]uint64 {
		if s.door == nil || s.hub == nil {
			return nil
		}
		n := s.door.Refused()
		n[serve.RefusedCopy] = s.hub.Copies()
		return n
	}
	out.Drift = func() (time.Duration, uint64, bool) {
		if s.follow == nil {
			return 0, 0, false
		}
		return s.follow.drift()
	}
	out.Ages = func() map[string]time.Duration {
		if s.pulls == nil {
			return nil
		}
		return s.pulls.Ages()
	}
	if s.rows.Store != nil {
		out.Hosts = func() map[string]int64 { return s.rows.HostsByStatus(nil) }
		out.Turned = s.rows.Turned
	}
	return out
}

// readOnly says why nothing can be changed here now, of serve.ReadOnlyReasons.
func (s *site) readOnly() (why []string) {
	if s.space.Err(space.Low) != nil {
		why = append(why, "disk_full")
	}
	if s.unwell() != nil || s.prop.Err() != nil {
		why = append(why, "disk_failed")
	}
	return why
}

// linkCounts counts the agents by their links, and the link to the controller.
func (s *site) linkCounts() []serve.LinkCount {
	if s.up == nil {
		return nil
	}
	state := "down"
	if s.up.State().Online {
		state = "up"
	}
	out := []serve.LinkCount{{Kind: "controller", State: state, N: 1}}
	v := s.rows.Store.View()
	defer v.Close()
	for _, kind := range []model.MemberKind{model.MemberHost, model.MemberGateway} {
		members, err := v.Members(kind)
		if err != nil {
			return out
		}
		for _, m := range members {
			if m.Status != model.MemberEnrolled {
				continue
			}
			state := "never"
			if l, ok := s.hub.Live(m.ID); ok {
				state = "down"
				if l.Up {
					state = "up"
				}
			}
			out = append(out, serve.LinkCount{Kind: string(kind), State: state, N: 1})
		}
	}
	return out
}
