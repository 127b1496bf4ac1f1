package index

import (
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// Account returns an account.
func (r *Reader) Account(name string) (model.Account, bool, error) {
	return get[model.Account](r, key.Account(name))
}

// Accounts returns every account by name.
func (r *Reader) Accounts() ([]model.Account, error) {
	return all[model.Account](r, key.SpaceAccount.Prefix(), 0)
}

// PutAccount implements apply.Tx.
func (t *Tx) PutAccount(a model.Account) error { return t.put(key.Account(a.Name), a) }

// DeleteAccount implements apply.Tx; one that is not there is no error.
func (t *Tx) DeleteAccount(name string) error { return t.remove(key.Account(name)) }

// Session returns a login.
func (r *Reader) Session(id model.SessionID) (model.Session, bool, error) {
	return get[model.Session](r, key.Session(id))
}

// EachSession calls fn with every login.
func (r *Reader) EachSession(fn func(model.Session) error) error {
	return each(r, key.SpaceSession.Prefix(), fn)
}

// PutSession implements apply.Tx.
func (t *Tx) PutSession(s model.Session) error { return t.put(key.Session(s.ID), s) }

// DeleteSession implements apply.Tx; a login that is not there is no error.
func (t *Tx) DeleteSession(id model.SessionID) error { return t.remove(key.Session(id)) }

// Search returns a saved search.
func (r *Reader) Search(name string) (model.SavedSearch, bool, error) {
	return get[model.SavedSearch](r, key.Search(name))
}

// Searches returns every saved search by name.
func (r *Reader) Searches() ([]model.SavedSearch, error) {
	return all[model.SavedSearch](r, key.SpaceSearch.Prefix(), 0)
}

// Secret returns what the group keeps under a name.
func (r *Reader) Secret(name string) (model.Secret, bool, error) {
	return get[model.Secret](r, key.Secret(name))
}

// Secrets returns everything that the group keeps, by name.
func (r *Reader) Secrets() (all []model.Secret, err error) {
	err = each(r, key.SpaceSecret.Prefix(), func(s model.Secret) error {
		all = append(all, s)
		return nil
	})
	return all, err
}

// PutSecret implements apply.Tx.
func (t *Tx) PutSecret(s model.Secret) error { return t.put(key.Secret(s.Name), s) }

// PutSearch implements apply.Tx.
func (t *Tx) PutSearch(s model.SavedSearch) error { return t.put(key.Search(s.Name), s) }

// DeleteSearch implements apply.Tx; a search that is not there is no error.
func (t *Tx) DeleteSearch(name string) error { return t.remove(key.Search(name)) }

// LastAudit returns the newest entry.
func (r *Reader) LastAudit() (model.AuditEntry, bool, error) {
	e, err := r.Audit(0, 1)
	if err != nil || len(e) == 0 {
		return model.AuditEntry{}, false, err
	}
	return e[0], true, nil
}

// Audit returns entries with a Seq below before (0: all), newest first, at most limit; 0 is all.
func (r *Reader) Audit(before model.Seq, limit int) ([]model.AuditEntry, error) {
	var upper []byte
	if before != 0 {
		upper = key.Audit(before)
	}
	return newest[model.AuditEntry](r, key.SpaceAudit.Prefix(), upper, limit)
}

// PutAudit implements apply.Tx. An entry whose Seq is not one more than the newest is refused with kind
// fault.Conflict.
func (t *Tx) PutAudit(e model.AuditEntry) error {
	last, _, err := t.LastAudit()
	if err != nil {
		return err
	}
	if e.Seq != last.Seq+1 {
		return fault.New(fault.Conflict, "append to the audit record", "entry %d does not follow entry %d", e.Seq, last.Seq)
	}
	return t.put(key.Audit(e.Seq), e)
}
