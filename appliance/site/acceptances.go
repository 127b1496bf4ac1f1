package site

import (
	"bytes"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/engine/recalc"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/bundle"
)

// acceptanceHolds reports whether the signature of an acceptance is that of a key that may accept risks, over all that it says. A site
// believes no acceptance for the way that it came by.
func acceptanceHolds(v *index.View, a model.Acceptance, now model.Time) bool {
	keys, err := v.Signers()
	if err != nil {
		return false
	}
	keys = slices.DeleteFunc(keys, func(k model.SignerKey) bool { return !k.AcceptsRisks() })
	payload, _, err := bundle.Unseal(a.Envelope, model.AcceptanceType, keys, now, model.PurposeAcceptance, model.PurposeFederation)
	if err != nil {
		return false
	}
	a.Envelope = nil
	said, err := model.Encode(a)
	return err == nil && bytes.Equal(said, payload)
}

// hostScope returns which hosts a search finds.
func hostScope(v *index.View, search string, at model.Time) (func(*model.Host) bool, error) {
	where, err := query.Parse(search)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the hosts of an acceptance", "%w", err)
	}
	if strings.TrimSpace(search) == "" {
		return func(*model.Host) bool { return true }, nil
	}
	env := policyEnv(v, at)
	return func(h *model.Host) bool { return query.Match(where, h, env) }, nil
}

// accepting gives the recalculation what it needs to know of acceptances.
func (s *site) accepting(c *recalc.Config) {
	c.Holds = func(v recalc.View, a model.Acceptance) bool {
		rows, ok := v.(*index.View)
		return ok && acceptanceHolds(rows, a, model.TimeOf(s.clock.Now()))
	}
	c.Scope = func(v recalc.View, search string, at model.Time) (func(*model.Host) bool, error) {
		rows, ok := v.(*index.View)
		if !ok {
			return nil, fault.New(fault.Other, "", "a view of type %T", v)
		}
		return hostScope(rows, search, at)
	}
}

// accepted are the acceptances that held at a time, with the hosts that each is of.
type accepted []acceptedAt

type acceptedAt struct {
	model.Acceptance
	of func(*model.Host) bool
}

// acceptedAt returns the acceptances that hold at a time. One whose search cannot be read is of no host.
func (d drill) acceptedAt(v *index.View, at model.Time) (accepted, error) {
	all, err := v.Acceptances()
	if err != nil {
		return nil, err
	}
	var out accepted
	for _, a := range all {
		if at < a.At || at >= a.Until || !acceptanceHolds(v, a, model.TimeOf(d.clock.Now())) {
			continue
		}
		if of, err := hostScope(v, a.Hosts, at); err == nil {
			out = append(out, acceptedAt{a, of})
		}
	}
	return out, nil
}

// at returns the acceptances that are of a host.
func (a accepted) at(h *model.Host) []model.Acceptance {
	var out []model.Acceptance
	for i := range a {
		if a[i].of(h) {
			out = append(out, a[i].Acceptance)
		}
	}
	return out
}

// acceptanceOf returns who accepted a finding; nil: nobody.
func acceptanceOf(all []model.Acceptance, f *model.Finding) *model.AcceptedBy {
	for i := range all {
		if a := &all[i]; a.Covers(f) {
			return &model.AcceptedBy{ID: a.ID, By: a.By, Reason: a.Reason, Until: a.Until}
		}
	}
	return nil
}
