package api

import (
	"context"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// waits is how long an open run of another node of the group is waited for.
type waits struct {
	most  time.Duration // then whoever asks is told; a node that dies is known to be down within less
	quiet time.Duration // without a part, after which a run whose node the group does not know is given up
	look  time.Duration // between two looks at the group
}

var usualWaits = waits{15 * time.Second, 10 * time.Second, 500 * time.Millisecond}

// runOf begins the ids of the runs of a node.
func runOf(node string) string { return merge.Hash("node " + node)[len("sha256:"):][:12] + "-" }

// ownRuns begins the ids of the runs of this server, so that it knows one that a crash left open, and others of its group whose it is. One
// that is no node goes by where it is.
func (s *Server) ownRuns() string {
	if !s.c.Node.IsZero() {
		return runOf(s.c.Node.String())
	}
	return runOf(s.c.URL + " " + s.c.Data)
}

// mine reports whether a run is of this server. A site is alone.
func (s *Server) mine(id string) bool {
	return s.c.Role == model.RoleSite || strings.HasPrefix(id, s.ownRuns())
}

// openRun returns the run that is open, if there is one.
func (s *Server) openRun() (apply.Run, bool, error) {
	v, done := s.c.Store.View()
	defer done()
	return v.OpenRun()
}

// makeWay ends a run that stands in the way of one of this server and that nobody goes on with: of this server, which a crash left open,
// or of a node of the group that is down. Whoever calls holds Server.hold. It waits a little for a node to end its run, or to be known as
// down; nil: the way is free.
func (s *Server) makeWay(ctx context.Context, w waits) error {
	wait, cancel := context.WithTimeout(ctx, w.most)
	defer cancel()
	var seen apply.Run
	var since, away time.Time // since when that one is seen, and its node is not reached
	name := ""
	for {
		before := s.c.Store.Version() // from before looking, so that nothing falls in between
		open, there, err := s.openRun()
		if err != nil || !there {
			return err
		}
		if s.mine(open.ID) {
			return s.giveUp(ctx, open, "this server")
		}
		if s.c.Group == nil || wait.Err() != nil {
			return inTheWay(open, name)
		}
		if seen != open {
			seen, since, away = open, time.Now(), time.Time{} // who adds a part is there
		}
		owner, known := s.ownerOf(wait, open.ID)
		switch gone := known && !owner.Reachable; {
		case !gone:
			away = time.Time{}
		case away.IsZero():
			away = time.Now()
		}
		switch {
		case !away.IsZero() && time.Since(away) >= w.look: // one look may be of a line that broke for a moment
			return s.giveUp(ctx, open, owner.Name)
		case !known && time.Since(since) >= w.quiet:
			return s.giveUp(ctx, open, "a node that the group does not know")
		case owner.Name != "":
			name = owner.Name
		}
		look, stop := context.WithTimeout(wait, w.look)
		_, _ = s.c.Store.Wait(look, before)
		stop()
	}
}

// ownerOf finds the node of the group that a run is of; false: the group has none such. Of what the group cannot say now it is assumed
// that it is well.
func (s *Server) ownerOf(ctx context.Context, run string) (schema.ClusterMember, bool) {
	status, err := s.c.Group.Status(ctx)
	if err != nil {
		return schema.ClusterMember{Reachable: true}, true
	}
	for _, m := range status.Members {
		if strings.HasPrefix(run, runOf(m.ID)) {
			return m, true
		}
	}
	return schema.ClusterMember{}, false
}

// giveUp drops an open run.
func (s *Server) giveUp(ctx context.Context, open apply.Run, of string) error {
	if err := s.c.Proposer.Propose(unkeyed(ctx), model.Abandon{Stamp: s.stamp(ctx), Run: open.ID}); err != nil {
		return underWay{fault.Wrap("give up what "+of+" was taking in when it ended", err)}
	}
	s.c.Log.Warn("a run of advisories was given up: who began it is not there any more", "run", open.ID, "of", of, "newest_part", open.At.String())
	return nil
}

// inTheWay says whose run it is that another waits for, since when, and until when at most.
func inTheWay(open apply.Run, owner string) error {
	if owner == "" {
		owner = "another server of the group"
	}
	return underWay{fault.New(fault.Conflict, "", "%s is taking in advisories: its newest part came at %s. Try again when it has ended; where it sends nothing more, "+
		"its run is given up at %s", owner, open.At, open.At.Add(model.RunPatience))}
}
