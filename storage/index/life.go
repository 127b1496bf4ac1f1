package index

import (
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

var _ apply.RestoreTx = (*Tx)(nil)

// Life returns which life of its group this store is of: the first, until it was restored.
func (r *Reader) Life() (model.Life, error) {
	l, ok, err := get[model.Life](r, key.Of(key.MetaLife))
	if err == nil && !ok {
		l.Epoch = 1
	}
	return l, err
}

// PutLife implements apply.RestoreTx.
func (t *Tx) PutLife(l model.Life) error { return t.put(key.Of(key.MetaLife), l) }

// DirectiveHead returns the highest Seq given to a directive so far.
func (r *Reader) DirectiveHead() (model.Seq, error) {
	n, err := r.number(key.MetaDirective)
	return model.Seq(n), err
}

// RaiseDirectives implements apply.RestoreTx.
func (t *Tx) RaiseDirectives(to model.Seq) error {
	head, err := t.DirectiveHead()
	if err != nil {
		return err
	}
	t.directive = max(t.directive, head, to)
	return nil
}
