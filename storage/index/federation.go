package index

import (
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// Partner returns what is allowed of an origin's bundles.
func (r *Reader) Partner(name string) (model.Partner, bool, error) {
	return get[model.Partner](r, key.Partner(name))
}

// Partners returns every partner by name.
func (r *Reader) Partners() ([]model.Partner, error) {
	return all[model.Partner](r, key.SpacePartner.Prefix(), 0)
}

// PutPartner implements apply.Tx.
func (t *Tx) PutPartner(p model.Partner) error { return t.put(key.Partner(p.Name), p) }

// DeletePartner implements apply.Tx; one that is not there is no error.
func (t *Tx) DeletePartner(name string) error { return t.remove(key.Partner(name)) }

// Acceptance returns an accepted risk.
func (r *Reader) Acceptance(id string) (model.Acceptance, bool, error) {
	return get[model.Acceptance](r, key.Acceptance(id))
}

// Acceptances returns every accepted risk by id, those that ended included.
func (r *Reader) Acceptances() ([]model.Acceptance, error) {
	return all[model.Acceptance](r, key.SpaceAcceptance.Prefix(), 0)
}

// PutAcceptance implements apply.Tx.
func (t *Tx) PutAcceptance(a model.Acceptance) error { return t.put(key.Acceptance(a.ID), a) }

// DeleteAcceptance implements apply.Tx; one that is not there is no error.
func (t *Tx) DeleteAcceptance(id string) error { return t.remove(key.Acceptance(id)) }

// AuthorityRows returns what was said of sources, by source; one without ecosystems is as it is built in.
func (r *Reader) AuthorityRows() ([]model.PutAuthority, error) {
	return all[model.PutAuthority](r, key.SpaceAuthority.Prefix(), 0)
}

// Authorities returns for which ecosystems sources may speak, where that was said otherwise than it is built in.
func (r *Reader) Authorities() (map[string][]string, error) {
	rows, err := r.AuthorityRows()
	said := make(map[string][]string, len(rows))
	for _, a := range rows {
		if len(a.Ecosystems) > 0 {
			said[a.Source] = a.Ecosystems
		}
	}
	return said, err
}

// PutAuthority implements apply.Tx.
func (t *Tx) PutAuthority(a model.PutAuthority) error { return t.put(key.Authority(a.Source), a) }
