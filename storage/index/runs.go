package index

import (
	"slices"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// OpenRun returns the run of advisory changes whose parts are kept aside.
func (r *Reader) OpenRun() (apply.Run, bool, error) {
	return get[apply.Run](r, key.Of(key.MetaRun))
}

// PutRun implements apply.Tx.
func (t *Tx) PutRun(run apply.Run) error { return t.put(key.Of(key.MetaRun), run) }

// Part returns a part of a run.
func (r *Reader) Part(run string, part int) (apply.Part, bool, error) {
	return get[apply.Part](r, key.Stage(run, part))
}

// Part implements apply.Tx. Who reads the first part is about to take in the run.
func (t *Tx) Part(run string, part int) (apply.Part, bool, error) {
	if part == 0 {
		r, ok, err := t.OpenRun()
		if err == nil && ok && r.ID == run {
			err = t.makeRoom(t.batch.Len() + int(r.Bytes)*runGrows)
		}
		if err != nil {
			return apply.Part{}, false, err
		}
	}
	return t.Reader.Part(run, part)
}

// PutPart implements apply.Tx. Records of one source repeat themselves, so parts are compressed.
func (t *Tx) PutPart(run string, part int, p apply.Part) (size int, err error) {
	k := key.Stage(run, part)
	b, err := model.Encode(p)
	if err != nil {
		return 0, fault.New(fault.Invalid, "write "+key.Describe(k), "%w", err)
	}
	if len(b) > maxRow {
		return 0, fault.New(fault.TooLarge, "write "+key.Describe(k), "the part has %d bytes; the limit is %d", len(b), maxRow)
	}
	return len(b), t.batch.Set(k, t.rows.pack(b, true), nil)
}

// DropRun implements apply.Tx.
func (t *Tx) DropRun() error {
	run, ok, err := t.OpenRun()
	if err != nil || !ok {
		return err
	}
	for i := range run.Parts {
		if err := t.remove(key.Stage(run.ID, i)); err != nil {
			return err
		}
	}
	return t.remove(key.Of(key.MetaRun))
}

// runsKept is how many runs are remembered, and turnsKept how many generations.
const (
	runsKept  = 16
	turnsKept = 64
)

// RunResult returns what came of a run that was taken in, while it is one of the newest.
func (r *Reader) RunResult(run string) (apply.RunResult, bool, error) {
	all, _, err := get[[]apply.RunResult](r, key.Of(key.MetaRan))
	if i := slices.IndexFunc(all, func(x apply.RunResult) bool { return x.Run == run }); i >= 0 {
		return all[i], true, err
	}
	return apply.RunResult{}, false, err
}

// PutRunResult implements apply.Tx.
func (t *Tx) PutRunResult(x apply.RunResult) error {
	all, _, err := get[[]apply.RunResult](&t.Reader, key.Of(key.MetaRan))
	if err != nil {
		return err
	}
	all = append(all, x)
	return t.put(key.Of(key.MetaRan), all[max(0, len(all)-runsKept):])
}

// CursorOf returns the cursor of the newest change of advisories that a generation holds; false where it is not known any
// more: the last 64 are.
func (r *Reader) CursorOf(generation uint64) (model.Cursor, bool, error) {
	all, _, err := get[[]apply.Turn](r, key.Of(key.MetaTurns))
	if i := slices.IndexFunc(all, func(x apply.Turn) bool { return x.Generation == generation }); i >= 0 {
		return all[i].Cursor, true, err
	}
	return model.Cursor{}, false, err
}

// PutTurn implements apply.Tx.
func (t *Tx) PutTurn(x apply.Turn) error {
	all, _, err := get[[]apply.Turn](&t.Reader, key.Of(key.MetaTurns))
	if err != nil {
		return err
	}
	all = append(all, x)
	return t.put(key.Of(key.MetaTurns), all[max(0, len(all)-turnsKept):])
}
