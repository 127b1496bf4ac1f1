package apply

import (
	"maps"
	"strconv"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of a run.
const (
	maxRunName  = 128
	maxRunBytes = 512 << 20 // of all parts together, before they are packed: all of it becomes one transaction, in memory
	maxDetail   = 64        // entries of Commit.Detail
)

func checkRun(op, run string) error {
	if n := len(run); n == 0 || n > maxRunName {
		return fault.New(fault.Invalid, op, "the name of a run has 1 to %d bytes, this one has %d", maxRunName, n)
	}
	return nil
}

// stage keeps a part of a run aside.
func (a *applier) stage(c model.Stage) error {
	const op = "take in advisories"
	if err := checkRun(op, c.Run); err != nil {
		return err
	}
	if _, done, err := a.tx.RunResult(c.Run); err != nil || done {
		return err // said again by a proposer that lost the answer
	}
	run, open, err := a.tx.OpenRun()
	if err != nil {
		return err
	}
	mine := open && run.ID == c.Run
	switch {
	case mine && c.Part >= 0 && c.Part < run.Parts:
		return nil
	case mine && c.Part != run.Parts || !mine && c.Part != 0:
		have := 0
		if mine {
			have = run.Parts
		}
		return fault.New(fault.Conflict, op, "part %d of run %q does not follow: %d are here; begin again", c.Part, c.Run, have)
	case open && !mine && c.At < run.At.Add(model.RunPatience) && run.At < c.At.Add(model.RunPatience): // a clock that was far ahead holds nobody up
		return fault.New(fault.Conflict, op, "run %q is under way since %s; try again when it has ended", run.ID, run.At)
	case open && !mine:
		if err := a.tx.DropRun(); err != nil {
			return err
		}
	}
	if !mine {
		run = Run{ID: c.Run}
	}
	for i := range c.Put {
		if err := checkKey(c.Put[i].AdvisoryKey); err != nil {
			return err
		}
	}
	size, err := a.tx.PutPart(c.Run, c.Part, Part{c.Put, c.Delete, c.Alike, c.Left})
	if err != nil {
		return err
	}
	run.Parts, run.At, run.Bytes = run.Parts+1, c.At, run.Bytes+int64(size)
	if run.Bytes > maxRunBytes {
		return fault.New(fault.TooLarge, op, "run %q has more than %d MiB; take in fewer records at once", c.Run, maxRunBytes>>20)
	}
	return a.tx.PutRun(run)
}

// abandon drops an open run.
func (a *applier) abandon(c model.Abandon) error {
	run, open, err := a.tx.OpenRun()
	if err != nil || !open || run.ID != c.Run {
		return err
	}
	return a.tx.DropRun()
}

// commit takes in all parts of a run.
func (a *applier) commit(c model.Commit) error {
	const op = "take in advisories"
	if err := checkRun(op, c.Run); err != nil {
		return err
	}
	action, err := runAction(op, &c)
	if err != nil {
		return err
	}
	if _, done, err := a.tx.RunResult(c.Run); err != nil || done {
		return err
	}
	run, open, err := a.tx.OpenRun()
	if err != nil {
		return err
	}
	if mine := open && run.ID == c.Run; mine && run.Parts != c.Parts || !mine && c.Parts != 0 {
		return fault.New(fault.Conflict, op, "run %q is not here with %d parts: another took its place, or parts are missing; begin again", c.Run, c.Parts)
	}
	s, err := a.shelve(c.Stamp)
	if err != nil {
		return err
	}
	if c.Imported != nil {
		self, _, err := a.tx.Self() // a site that was never enrolled has none
		if err != nil {
			return err
		}
		have := s.shelf.Imported[c.Imported.Origin.String()]
		if c.Imported.Origin == self.Self {
			have = s.shelf.Cursor
		}
		if have != c.Have {
			return fault.New(fault.Conflict, op, "another import came first: %s is held through %q now; import it again", c.Imported.OriginName, have)
		}
	}
	s.run = c
	for i := range c.Parts {
		p, ok, err := a.tx.Part(c.Run, i)
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(fault.Corrupt, op, "part %d of run %q is not here", i, c.Run)
		}
		for _, adv := range p.Put {
			if err := s.put(adv); err != nil {
				return err
			}
		}
		for _, k := range p.Delete {
			if err := s.remove(k); err != nil {
				return err
			}
		}
		if err := s.holders(c, p); err != nil {
			return err
		}
	}
	if c.Parts > 0 {
		if err := a.tx.DropRun(); err != nil {
			return err
		}
	}
	if err := s.regroup(); err != nil {
		return err
	}
	return s.finish(c, action)
}

// runAction returns what the audit record calls a run.
func runAction(op string, c *model.Commit) (string, error) {
	switch {
	case c.Parts < 0:
		return "", fault.New(fault.Invalid, op, "a run cannot have %d parts", c.Parts)
	case len(c.Detail) > maxDetail:
		return "", fault.New(fault.TooLarge, op, "%d details; the limit is %d", len(c.Detail), maxDetail)
	case (c.Imported != nil) != (c.Kind == model.RunImport):
		return "", fault.New(fault.Invalid, op, "a run of kind %q has a record of an import exactly where it is one", c.Kind)
	case c.Imported != nil && len(c.Imported.Differences) > model.MaxDifferences:
		return "", fault.New(fault.TooLarge, op, "%d differences; the limit is %d", len(c.Imported.Differences), model.MaxDifferences)
	case c.Imported != nil && len(c.Imported.LeftOut) > model.MaxLeftOut:
		return "", fault.New(fault.TooLarge, op, "records of %d sources were left out; the limit is %d", len(c.Imported.LeftOut), model.MaxLeftOut)
	}
	switch c.Kind {
	case model.RunIngest:
		return "advisories.ingest", nil
	case model.RunPull:
		return "advisories.pull", nil
	case model.RunImport:
		return "bundle.import", nil
	}
	return "", fault.New(fault.Invalid, op, "there is no kind of run %q", c.Kind)
}

// finish records what came of a run, and begins a new generation where it changed something.
func (s *shelving) finish(c model.Commit, action string) error {
	done := &s.done
	object, detail := c.Run, maps.Clone(c.Detail)
	if detail == nil {
		detail = map[string]string{}
	}
	if c.Imported != nil {
		i := *c.Imported
		i.Created, i.Updated, i.Deleted = done.Created, done.Updated, done.Deleted
		i.Skipped += done.Skipped
		i.CanonicalCreated, i.CanonicalUpdated, i.CanonicalDeleted, i.EdgesAdded = done.CanonicalCreated, done.CanonicalUpdated, done.CanonicalDeleted, done.EdgesAdded
		done.Skipped = i.Skipped
		// What came after it is to come again, since parts of it were overwritten. A delta that changed nothing overwrote nothing; all
		// of an origin is how one is taken in that was restored, whose log is another from there on.
		if i.Forced && (done.Changed() || i.From.IsZero()) {
			delete(s.shelf.Imported, i.Origin.String())
		}
		raise(&s.shelf, i.Origin, i.To)
		if err := s.tx.PutImport(i, c.At); err != nil {
			return err
		}
		object = i.BundleHash
		maps.Copy(detail, importDetail(&i))
		if i.DifferenceN > 0 {
			detail["conflicts"], detail["on_conflict"] = strconv.Itoa(i.DifferenceN), i.OnConflict
		}
		if i.Unsigned {
			detail["unsigned"] = yes(true)
		}
		if i.LeftOutN > 0 {
			detail["left_out"] = strconv.Itoa(i.LeftOutN)
		}
	}
	for _, n := range []struct {
		name string
		n    int
	}{
		{"created", done.Created},
		{"updated", done.Updated},
		{"skipped", done.Skipped},
		{"deleted", done.Deleted},
		{"canonicals_created", done.CanonicalCreated},
		{"canonicals_updated", done.CanonicalUpdated},
		{"canonicals_deleted", done.CanonicalDeleted},
		{"edges_added", done.EdgesAdded},
	} {
		detail[n.name] = strconv.Itoa(n.n)
	}
	last, known, err := s.tx.CursorOf(s.shelf.Generation)
	if err != nil {
		return err
	}
	if done.Changed() || known && last != s.shelf.Cursor {
		if err := s.turn(&s.shelf, c.At); err != nil {
			return err
		}
	}
	done.Run, done.Kind, done.At, done.Cursor, done.Generation = c.Run, c.Kind, c.At, s.shelf.Cursor, s.shelf.Generation
	if err := s.tx.PutRunResult(*done); err != nil {
		return err
	}
	if err := s.tx.PutShelf(s.shelf); err != nil {
		return err
	}
	return s.note(c.Stamp, action, object, true, "", detail)
}
