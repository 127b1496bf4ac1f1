package api

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// rowStore is the real rows of one server, written to without a queue or a group.
type rowStore struct {
	*index.Store
	role model.Role

	mu       sync.Mutex // one writer
	proposed []model.Change
	refuse   func(model.Change) error // nil: nothing is
}

func (s *rowStore) View() (View, func()) {
	v := s.Store.View()
	return v, func() { _ = v.Close() }
}

func (s *rowStore) Try(changes []model.Change, fn func(View) error) error {
	return s.Store.Try(changes, func(v *index.View) error { return fn(v) })
}

func (s *rowStore) Propose(_ context.Context, changes ...model.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.Begin()
	defer tx.Discard()
	for _, c := range changes {
		if s.refuse != nil {
			if err := s.refuse(c); err != nil {
				return err
			}
		}
		s.proposed = append(s.proposed, c)
		if _, err := apply.Change(tx, apply.Env{Role: s.role}, c); err != nil {
			return err
		}
	}
	return tx.Commit(0, true)
}

// rowRig is a rig over real rows.
type rowRig struct {
	*rig
	rows *rowStore
	self model.NodeID
}

// newRowRig starts a server of that role over a store of its own.
func newRowRig(t *testing.T, role model.Role, self model.NodeID, name string, change ...func(*Config)) *rowRig {
	t.Helper()
	store, err := index.Open(t.TempDir(), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s := &rowStore{Store: store, role: role}
	if err := s.Propose(t.Context(), model.Found{Stamp: model.Stamp{Actor: "system", At: model.TimeOf(noon)}, Self: self, Role: role, Name: name}); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, append([]func(*Config){func(c *Config) { c.Role, c.Store, c.Proposer = role, s, s }}, change...)...)
	return &rowRig{rig: r, rows: s, self: self}
}

// look reads the rows.
func look[T any](r *rowRig, read func(View) (T, error)) T {
	r.Helper()
	v, done := r.rows.View()
	defer done()
	x, err := read(v)
	if err != nil {
		r.Fatal(err)
	}
	return x
}

func (r *rowRig) shelf() apply.Shelf {
	return look(r, func(v View) (apply.Shelf, error) { return v.Shelf() })
}

// audited returns the newest entries of an action, the newest first.
func (r *rowRig) audited(action string) []model.AuditEntry {
	all := look(r, func(v View) ([]model.AuditEntry, error) { return v.Audit(0, 1000) })
	var some []model.AuditEntry
	for _, e := range all {
		if e.Action == action {
			some = append(some, e)
		}
	}
	return some
}

// look2 reads a row that may not be there.
func look2[T any](r *rowRig, read func(View) (T, bool, error)) (T, bool) {
	r.Helper()
	v, done := r.rows.View()
	defer done()
	x, ok, err := read(v)
	if err != nil {
		r.Fatal(err)
	}
	return x, ok
}

// write makes a file below dir and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
