package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/pull"
	"github.com/skerryhq/skerry/ui/api"
	"github.com/skerryhq/skerry/ui/schema"
)

// Pulls fetches the advisories that are configured, and says of each source how it is. It satisfies api.Sources.
type Pulls struct {
	puller *pull.Puller
	server *api.Server
	leads  func() bool
}

// SourcesFolder has what is known of the sources, within the data folder. It goes by the rows: where those are replaced by others, it is
// removed before, and everything is fetched again.
const SourcesFolder = "sources"

// PullsConfig is what Pulls needs.
type PullsConfig struct {
	Config  config.Config
	Version string
	Leads   func() bool  // whether this server is the one that fetches; nil: it is
	Room    func() error // an error where the disk is full
	Now     func() time.Time
	Log     *slog.Logger
}

// OpenPulls reads what is known of the sources. Nothing is fetched before Bind and Run.
func OpenPulls(c PullsConfig) (*Pulls, error) {
	s := &Pulls{leads: c.Leads}
	if s.leads == nil {
		s.leads = func() bool { return true }
	}
	p, err := pull.New(pull.Config{
		Sources: c.Config.Advisories.Pull(), Dir: filepath.Join(c.Config.Data, SourcesFolder), Leads: s.leads, Ingest: s.ingest, Import: s.take,
		Room: c.Room, Agent: "skerry " + c.Version, Now: c.Now, Log: c.Log,
	})
	s.puller = p
	return s, err
}

// Bind says who takes in what is fetched.
func (s *Pulls) Bind(server *api.Server) { s.server = server }

// Run fetches until ctx ends, and returns nil then.
func (s *Pulls) Run(ctx context.Context) error { return s.puller.Run(ctx) }

// Fetch implements api.Sources.
func (s *Pulls) Fetch(name string) error { return s.puller.Ask(name) }

func (s *Pulls) ingest(ctx context.Context, src pull.Source, each pull.Each) (pull.Taken, error) {
	done, err := s.server.IngestFrom(ctx, model.RunPull, src.Of, each)
	out := pull.Taken{
		Read: done.Read, Created: done.Created, Updated: done.Updated, Deleted: done.Deleted, Unchanged: done.Unchanged, Malformed: done.MalformedN,
		Outside: done.OutsideN, Older: done.OlderN,
	}
	if len(done.Malformed) > 0 {
		out.Example = done.Malformed[0].Name + ": " + done.Malformed[0].Reason
	}
	return out, later(err)
}

// later says of what another run was in the way of that it is to be tried again.
func later(err error) error {
	if errors.Is(err, api.ErrUnderWay) {
		return fault.New(fault.Busy, "", "%w", err)
	}
	return err
}

// take imports a bundle. What is held from somebody else stays: a mirror that is behind takes nothing back, unseen. One that is not newer than what is held brings nothing, and that is well.
func (s *Pulls) take(ctx context.Context, _ pull.Source, f *os.File) (pull.Taken, error) {
	done, err := s.server.TakeBundle(ctx, f, api.TakeIn{OnConflict: "prefer_local"})
	through := done.ImportedCursor
	if done.Waiting != nil { // nothing was imported yet
		through = ""
	}
	if fault.Is(err, fault.Conflict) && strings.Contains(err.Error(), notNewer) {
		return pull.Taken{Through: through}, nil
	}
	n := done.Counts
	return pull.Taken{Through: through, Read: n.Created + n.Updated + n.Skipped + n.Deleted, Created: n.Created, Updated: n.Updated, Deleted: n.Deleted, Unchanged: n.Skipped}, later(err)
}

// notNewer is the name of the error of a bundle that brings nothing new.
const notNewer = "Cursor not after current"

// Ages is how old each source is that is fetched here, by its configured name; one that was never reached is not among them.
func (s *Pulls) Ages() map[string]time.Duration {
	if !s.leads() {
		return nil
	}
	out := map[string]time.Duration{}
	for _, st := range s.puller.Status() {
		if st.Age >= 0 {
			out[st.Name] = st.Age
		}
	}
	return out
}

// List implements api.Sources.
func (s *Pulls) List() []schema.AdvisorySource {
	var out []schema.AdvisorySource
	leads := s.leads()
	for _, st := range s.puller.Status() {
		row := schema.AdvisorySource{
			Name: st.Name, Kind: st.Kind, From: st.URL + st.Path, Of: st.Of, Ecosystems: st.Ecosystems, EverySec: int64(st.Every / time.Second),
			State: sourceState(st, leads), CheckedAt: When(st.Checked), ChangedAt: When(st.Changed), FailedAt: When(st.Failed), Reason: st.Reason,
			Failures: st.Failures, HaveBytes: st.Have, SizeBytes: st.Size,
			Read: st.Taken.Read, Created: st.Taken.Created, Updated: st.Taken.Updated, Deleted: st.Taken.Deleted, MalformedN: st.Taken.Malformed,
			Malformed: st.Taken.Example, OutsideN: st.Taken.Outside, Warning: outsideText(st),
		}
		if leads {
			row.NextAt = When(st.Next)
		}
		if st.Age >= 0 {
			age := int64(st.Age / time.Second)
			row.AgeSec = &age
		}
		out = append(out, row)
	}
	return out
}

// outsideText says what is wrong where a source names ecosystems that it may not speak for; "": it does not.
func outsideText(st pull.Status) string {
	n := st.Taken.Outside
	if n == 0 {
		return ""
	}
	of := fmt.Sprintf("%q", st.Of)
	if st.Of == "" {
		of = "their sources"
	}
	return fmt.Sprintf("%d records name ecosystems that %s may not speak for: those parts are never matched; say what it may speak for, or of which source its records are", n, of)
}

// sourceState is the one word for a source.
func sourceState(st pull.Status, leads bool) string {
	switch {
	case st.Running:
		return "running"
	case !leads:
		return "elsewhere"
	case st.Old:
		return "old"
	case st.Failures > 0:
		return "failing"
	case st.Checked.IsZero():
		return "never"
	}
	return "current"
}

// When returns a time for an answer; nil: never.
func When(t model.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	at := t.Std()
	return &at
}
