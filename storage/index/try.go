package index

import (
	"iter"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Try applies changes, hands fn the rows as they would be, and throws all of it away: nothing of it is ever written. What
// others commit meanwhile shows through, but for the advisories: where those changed, the kind is fault.Conflict and it may
// be tried again. The View is for one goroutine, and only valid until fn returns. Errors of changes and of fn are returned
// as they are.
func (s *Store) Try(changes []model.Change, fn func(*View) error) error {
	return s.TryEach(func(yield func(model.Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}, fn)
}

// TryEach is Try for changes that are made one by one, so that not all of them are in memory. It ends with the first error
// among them.
func (s *Store) TryEach(changes iter.Seq2[model.Change, error], fn func(*View) error) error {
	const op = "try changes"
	t := s.Begin()
	defer t.Discard()
	self, ok, err := t.Self()
	if err != nil {
		return err
	}
	if !ok { // a site that was never enrolled imports all the same; a controller founds itself before it is asked anything
		self.Role = model.RoleSite
	}
	was, err := t.Shelf()
	if err != nil {
		return err
	}
	err = func() error {
		for c, err := range changes {
			if err != nil {
				return err
			}
			if _, err := apply.Change(t, apply.Env{Role: self.Role}, c); err != nil {
				return err
			}
		}
		return fn(&View{Reader: t.Reader, store: s, life: t.life})
	}()
	// A transaction reads what is committed beside it.
	v := s.View()
	defer v.Close()
	now, e := v.Shelf()
	if e != nil {
		return e
	}
	if now.Cursor != was.Cursor || now.Generation != was.Generation {
		return fault.New(fault.Conflict, op, "the advisories changed meanwhile; try again")
	}
	return err
}
