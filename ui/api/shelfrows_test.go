package api

import (
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// A memory holds no canonicals, and nothing of others.

func (r rows) Having(string, int) ([]merge.Record, error)             { return nil, nil }
func (r rows) Canonical(string) (x model.Canonical, ok bool, _ error) { return x, false, nil }
func (r rows) CanonicalHashed(string) (x model.Canonical, ok bool, _ error) {
	return x, false, nil
}

func (r rows) CanonicalOf(model.AdvisoryKey) (string, bool, error)            { return "", false, nil }
func (r rows) EachCanonical(string, func(model.Canonical) error) error        { return nil }
func (r rows) EachAdvisory(func(model.Advisory) error) error                  { return nil }
func (r rows) EachAdvisoryJSON(func([]byte) error) error                      { return nil }
func (r rows) AdvisoriesOf(string, string, func(model.Advisory) error) error  { return nil }
func (r rows) AdvisoriesFor(string, string, func(model.Advisory) error) error { return nil }
func (r rows) Events(model.Seq, int) ([]model.CanonicalEvent, error)          { return nil, nil }
func (r rows) EventBounds() (model.Seq, model.Seq, error)                     { return 0, 0, nil }
func (r rows) OpenRun() (x apply.Run, ok bool, _ error)                       { return x, false, nil }

func (r rows) RunResult(string) (x apply.RunResult, ok bool, _ error) { return x, false, nil }
func (r rows) Partners() ([]model.Partner, error)                     { return nil, nil }
func (r rows) Partner(string) (x model.Partner, ok bool, _ error)     { return x, false, nil }
func (r rows) Authorities() (map[string][]string, error)              { return nil, nil }

func (m *memory) Try([]model.Change, func(View) error) error {
	return fault.New(fault.Other, "", "a memory tries nothing")
}

func (r rows) Acceptances() ([]model.Acceptance, error)                 { return nil, nil }
func (r rows) Acceptance(string) (x model.Acceptance, ok bool, _ error) { return x, false, nil }

func (r rows) KeysNaming(id string) (keys []model.AdvisoryKey, _ error) {
	records, err := r.AdvisoriesNaming(id)
	for _, a := range records {
		keys = append(keys, a.AdvisoryKey)
	}
	return keys, err
}
