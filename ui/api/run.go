package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

const (
	// maxChunk is how many bytes of encoded advisories are proposed at once: one entry of the log.
	maxChunk = 1 << 20
	// maxRun is from how many bytes of them on an ingest goes on in another run, at the end of a file. It is less than a run may have.
	maxRun = 384 << 20
	// maxTried is how many bytes of them a dry run holds.
	maxTried = 256 << 20
)

// maxCompared is how many records are held against the stored ones through one view.
const maxCompared = 256

// hold waits until no other ingest or import runs: their counts would otherwise be of both.
func (s *Server) hold(ctx context.Context) (release func(), err error) {
	select {
	case s.writing <- struct{}{}:
		return func() { <-s.writing }, nil
	case <-ctx.Done():
		return nil, underWay{fault.New(fault.Conflict, "", "another ingest or import is still running: try again when it has ended")}
	}
}

// ErrUnderWay is in the chain of the errors, of kind Conflict, which say that another run is at work or came in between: nothing is
// wrong with what was to be taken in, and it may be later.
var ErrUnderWay = errors.New("another run of advisories is at work")

type underWay struct{ error }

func (u underWay) Unwrap() error        { return u.error }
func (u underWay) Is(target error) bool { return target == ErrUnderWay }

// proposeRun proposes what a run stages and what takes it in. Such a change is in conflict with another run alone.
func (s *Server) proposeRun(ctx context.Context, changes ...model.Change) error {
	err := s.c.Proposer.Propose(ctx, changes...)
	if fault.Is(err, fault.Conflict) {
		return underWay{err}
	}
	return err
}

// run is a run of advisory changes on its way into the rows: parts that are staged, and one commit that takes them all in.
// Records that are equal to the stored ones are not staged. Whoever makes one holds Server.hold.
type run struct {
	s    *Server
	id   string
	kind string // model.RunIngest, model.RunPull or model.RunImport
	by   string
	dry  bool // keep the changes in place of proposing them
	// origin is whose bundle the records come from; zero: they were made here.
	origin model.NodeID
	// differs is called with each record that is there from another origin and says something else, and with the one in its
	// place (nil: it is removed). It returns whether the one that is there stays. nil: it never does.
	differs func(was model.Advisory, now *model.Advisory) (stays bool, err error)
	// keeps is the origin whose records differs is asked about even where the run's origin holds them as well; zero: nobody's.
	keeps model.NodeID

	// wanted is asked whether a record is to be held here at all, with the stored one of its key, if there is one. nil: all are.
	wanted func(v View, now, was *model.Advisory) (bool, error)
	probe  bool // forget what would be staged: only differs is to be called

	authorities map[string][]string

	passed, created, updated, same, deleted, outside, older int

	docs map[model.AdvisoryKey]edition // what is known of the documents that came so far

	waiting []taken                        // not yet held against what is stored
	put     []model.Advisory               // of the part that is being made
	remove  []model.AdvisoryKey            //
	alike   []model.AdvisoryKey            // see model.Stage
	left    []model.AdvisoryKey            //
	size    int                            // bytes of them, about
	inPart  map[model.AdvisoryKey]bool     // the keys of them
	part    int                            // parts made so far
	staged  int                            // bytes of them, about
	touched map[model.AdvisoryKey]bool     // staged so far; whether there is such a record then
	kept    map[model.AdvisoryKey]struct{} // records that are as they were, where somebody asks (see keeping)
	changes []model.Change                 // of a dry run
	tried   int                            // bytes of those
}

// taken is one record or removal that was taken.
type taken struct {
	key model.AdvisoryKey
	now *model.Advisory // nil: removed
	raw []byte          // now without what this server adds
}

// newRun begins a run. Nothing is proposed before there is something to change.
func (s *Server) newRun(ctx context.Context, kind string, dry bool) (*run, error) {
	var b [8]byte
	if _, err := io.ReadFull(s.c.Rand, b[:]); err != nil {
		return nil, fault.New(fault.Other, "name the run", "%w", err)
	}
	r := &run{s: s, id: s.ownRuns() + hex.EncodeToString(b[:]), kind: kind, by: actorOf(ctx).name, dry: dry, touched: map[model.AdvisoryKey]bool{}, inPart: map[model.AdvisoryKey]bool{}}
	if r.by == "" { // nobody asked: it is on schedule, or came over the link
		r.by = "system"
	}
	v, done := s.c.Store.View()
	defer done()
	var err error
	r.authorities, err = v.Authorities()
	return r, err
}

func (r *run) stamp() model.Stamp { return model.Stamp{Actor: r.by, At: model.TimeOf(r.s.c.Now())} }

// bare is a record without what this server adds to it, in bytes that are equal where records are.
func bare(a model.Advisory) ([]byte, error) {
	a.Cursor, a.Origin, a.Also = model.Cursor{}, model.NodeID{}, nil
	raw, err := model.Encode(a)
	if err != nil {
		return nil, fault.New(fault.Invalid, "store advisory "+a.AdvisoryKey.String(), "%w", err)
	}
	return raw, nil
}

// add takes one record.
func (r *run) add(ctx context.Context, a model.Advisory) error {
	a = merge.Judge(a, r.authorities)
	if slices.ContainsFunc(a.Affected, func(f model.Affected) bool { return f.Outside }) || slices.ContainsFunc(a.Statements, func(x model.Statement) bool { return x.Outside }) {
		r.outside++
	}
	a.Cursor, a.Origin, a.Also = model.Cursor{}, r.origin, nil
	raw, err := bare(a)
	if err != nil {
		return err
	}
	return r.take(ctx, taken{key: a.AdvisoryKey, now: &a, raw: raw})
}

// drop takes one removal.
func (r *run) drop(ctx context.Context, key model.AdvisoryKey) error {
	return r.take(ctx, taken{key: key})
}

func (r *run) take(ctx context.Context, t taken) error {
	r.waiting = append(r.waiting, t)
	if len(r.waiting) < maxCompared {
		return nil
	}
	return r.compare(ctx)
}

// compare holds what was taken against what is stored, and stages what is something else.
func (r *run) compare(ctx context.Context) error {
	if len(r.waiting) == 0 {
		return nil
	}
	stored := make([]*model.Advisory, len(r.waiting))
	v, done := r.s.c.Store.View()
	for i, t := range r.waiting {
		a, ok, err := v.Advisory(t.key)
		if err != nil {
			done()
			return err
		}
		if ok {
			stored[i] = &a
		}
		if r.wanted == nil || t.now == nil {
			continue
		}
		if ok, err = r.wanted(v, t.now, stored[i]); err != nil {
			done()
			return err
		} else if !ok {
			r.waiting[i].key = model.AdvisoryKey{}
		}
	}
	done()
	for i, t := range r.waiting {
		if t.key.ID == "" {
			r.passed++
			continue
		}
		if r.size > 0 && (r.size+len(t.raw)+64 > maxChunk-4096 || r.inPart[t.key]) {
			if err := r.stage(ctx); err != nil {
				return err
			}
		}
		if err := r.judge(t, stored[i]); err != nil {
			return err
		}
	}
	r.waiting = r.waiting[:0]
	return ctx.Err()
}

// judge puts t into the part that is being made, if it changes anything. was is the stored record, nil if there is none.
func (r *run) judge(t taken, was *model.Advisory) error {
	there := was != nil
	staged, again := r.touched[t.key]
	if again {
		there = staged
	}
	if !again && there {
		stays, err := r.stays(t, was)
		if err != nil {
			return err
		}
		if stays {
			r.same++
			if r.kept != nil {
				r.kept[t.key] = struct{}{}
			}
			return nil
		}
	}
	switch {
	case t.now == nil && !there:
		return nil
	case t.now == nil:
		r.remove = append(r.remove, t.key)
		r.size += len(t.key.Source) + len(t.key.ID) + 32
		r.deleted++
	default:
		r.put = append(r.put, *t.now)
		r.size += len(t.raw) + 64
		switch {
		case !there:
			r.created++
		case !again:
			r.updated++
		}
	}
	r.touched[t.key], r.inPart[t.key] = t.now != nil, true
	return nil
}

// stays decides whether the stored record stays as it is, and if it does not, by whom the one in its place is held as well.
//
// A record is held of every origin that brought it alike. What one of them makes of it later is no conflict with the others, since nobody
// changed anything here; and where one takes it back, it is still that of the others. What run.keeps holds
// is apart: it would not send anew what another overwrote, since nothing changed there.
func (r *run) stays(t taken, was *model.Advisory) (bool, error) {
	origin := r.origin
	if t.now != nil {
		origin = t.now.Origin
	}
	ours := was.HeldBy(origin)
	if t.now == nil {
		switch {
		case ours && !origin.IsZero() && len(was.Also) > 0:
			r.mention(&r.left, t.key)
			return true, nil
		case !ours && r.differs != nil:
			return r.differs(*was, nil)
		}
		return false, nil
	}
	raw, err := bare(*was)
	if err != nil {
		return false, err
	}
	if bytes.Equal(raw, t.raw) {
		if !ours && len(was.Also) < model.MaxAlso {
			r.mention(&r.alike, t.key)
		}
		return true, nil
	}
	others := slices.DeleteFunc(append([]model.NodeID{was.Origin}, was.Also...), func(id model.NodeID) bool { return id == origin })
	others = others[:min(len(others), model.MaxAlso)]
	kept := !r.keeps.IsZero() && origin != r.keeps && was.HeldBy(r.keeps)
	switch {
	case len(merge.FieldDifferences(*was, *t.now)) == 0: // only in what a server adds
		t.now.Also = others
	case ours && was.Origin != origin && !t.now.Modified.IsZero() && t.now.Modified < was.Modified:
		return true, nil // it follows what the other has already
	case ours && !kept && !origin.IsZero():
		t.now.Also = others
	case (!ours || kept) && r.differs != nil:
		return r.differs(*was, t.now)
	}
	return false, nil
}

// mention puts a record that stays as it is on one of the lists of the part that is being made.
func (r *run) mention(list *[]model.AdvisoryKey, key model.AdvisoryKey) {
	*list = append(*list, key)
	r.size += len(key.Source) + len(key.ID) + 32
}

// stage proposes the part that was made. A part never has a record twice, nor one that it removes as well: the order within a
// part is not that of the run.
func (r *run) stage(ctx context.Context) error {
	if len(r.put)+len(r.remove)+len(r.alike)+len(r.left) == 0 {
		return nil
	}
	c := model.Stage{Stamp: r.stamp(), Run: r.id, Part: r.part, Put: r.put, Delete: r.remove, Alike: r.alike, Left: r.left}
	size := r.size
	r.put, r.remove, r.alike, r.left, r.size = nil, nil, nil, nil, 0
	clear(r.inPart)
	if r.probe {
		return nil
	}
	r.part++
	r.staged += size
	if r.dry {
		if r.tried += size; r.tried > maxTried {
			return fault.New(fault.TooLarge, "try advisories", "what is only tried is held in memory, and this is more than %d MiB: import it, or export a smaller delta", maxTried>>20)
		}
		r.changes = append(r.changes, c)
		return nil
	}
	if err := r.s.room(int64(size), int64(r.staged-size)); err != nil {
		return err
	}
	err := r.s.proposeRun(ctx, c)
	if errors.Is(err, ErrUnderWay) && c.Part == 0 {
		if err = r.s.makeWay(ctx, usualWaits); err == nil {
			err = r.s.proposeRun(ctx, c)
		}
	}
	return fault.Wrap("store advisories", err)
}

// perByte is how many bytes of the disk one byte of records may need on its way in: it is kept aside as a part of the run, then as a row,
// on a controller in the log besides, and what is merged in the background is there twice for a while. What is packed makes it less.
const perByte = 3

// room is an error where the disk has no room for so many bytes of records, both at most mostBytes: fresh ones, and those of the same run
// that are kept aside by now and so are off what is free. A store that runs into its end within a large commit may end the process.
func (s *Server) room(fresh, aside int64) error {
	if s.c.Room == nil {
		return nil
	}
	need := min(fresh, mostBytes/perByte)*perByte + min(aside, mostBytes/perByte)*(perByte-1)
	return s.c.Room(need)
}

// end stages the rest and returns the change that takes the whole run in.
func (r *run) end(ctx context.Context) (model.Commit, error) {
	err := r.compare(ctx)
	if err == nil {
		err = r.stage(ctx)
	}
	return model.Commit{Stamp: r.stamp(), Run: r.id, Parts: r.part, Kind: r.kind}, err
}

// abandon drops what was staged. Where that fails the next run takes its place in time.
func (r *run) abandon(ctx context.Context) {
	if r.dry || r.part == 0 {
		return
	}
	ctx = unkeyed(context.WithoutCancel(ctx))
	if err := r.s.c.Proposer.Propose(ctx, model.Abandon{Stamp: r.stamp(), Run: r.id}); err != nil {
		r.s.c.Log.Warn("what an unfinished run staged is not dropped yet", "run", r.id, "err", err)
	}
}
