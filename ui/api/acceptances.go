package api

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

// maxAccepted is for how long a risk may be accepted: who still wants it then, decides again.
const maxAccepted = 2 * 366 * 24 * time.Hour

// mostCovered is how many findings are looked at to say what an acceptance covers.
const mostCovered = 5000

// acceptanceKey is the name of the key that a server makes where it has none that may sign acceptances.
const acceptanceKey = "acceptance"

func (s *Server) listAcceptances(context.Context, *none) (*out[[]schema.Acceptance], error) {
	v, done := s.c.Store.View()
	defer done()
	all, err := v.Acceptances()
	if err != nil {
		return nil, err
	}
	keys, err := v.Signers()
	if err != nil {
		return nil, err
	}
	return &out[[]schema.Acceptance]{Body: each(all, func(a model.Acceptance) schema.Acceptance { return s.acceptanceRow(a, keys) })}, nil
}

func (s *Server) acceptanceRow(a model.Acceptance, keys []model.SignerKey) schema.Acceptance {
	now := s.now()
	row := schema.Acceptance{
		ID: a.ID, Vulnerability: a.Vulnerability, Package: a.Package, Hosts: a.Hosts, Reason: a.Reason, By: a.By, At: a.At.Std(), Until: a.Until.Std(),
		State: "active",
	}
	if now >= a.Until {
		row.State = "ended"
	}
	keys = slices.DeleteFunc(keys, func(k model.SignerKey) bool { return !k.AcceptsRisks() })
	payload, signers, err := bundle.Unseal(a.Envelope, model.AcceptanceType, keys, now, model.PurposeAcceptance, model.PurposeFederation)
	if err == nil {
		a.Envelope = nil
		var said []byte
		if said, err = model.Encode(a); err == nil && !bytes.Equal(said, payload) {
			err = fault.New(fault.Denied, "", "what was signed is not what it says")
		}
	}
	if err != nil {
		row.State, row.Flaw = "invalid", err.Error()
		return row
	}
	row.Key = signers[0]
	for _, k := range keys {
		if k.ID == row.Key && k.Name != "" {
			row.Key = k.Name
		}
	}
	return row
}

type acceptRiskInput struct{ Body schema.AcceptanceMake }

type acceptanceOutput struct {
	Status int
	Body   schema.Acceptance
}

func (s *Server) acceptRisk(ctx context.Context, in *acceptRiskInput) (*acceptanceOutput, error) {
	const op = "accept risk"
	b := in.Body
	for _, x := range []*string{&b.Vulnerability, &b.Package, &b.Hosts, &b.Reason} {
		*x = strings.TrimSpace(*x)
	}
	if len(b.Vulnerability) > 4 && strings.EqualFold(b.Vulnerability[:4], "CVE-") {
		b.Vulnerability = strings.ToUpper(b.Vulnerability)
	}
	if b.Vulnerability == "" || b.Reason == "" {
		return nil, fault.New(fault.Invalid, op, "an acceptance needs a vulnerability and a reason, which may not be blank")
	}
	if _, err := where("body.hosts", b.Hosts); err != nil {
		return nil, err
	}
	until, err := s.moment("body.until", b.Until, 1)
	if err != nil {
		return nil, err
	}
	st := s.stamp(ctx)
	switch {
	case until <= st.At:
		return nil, fault.New(fault.Invalid, op, "until: it would end at %s, which is over", until)
	case until.Std().Sub(st.At.Std()) > maxAccepted:
		return nil, fault.New(fault.Invalid, op, "until: it would end at %s: accept a risk for two years at most, and decide again then", until)
	}
	if b.Vulnerability, err = s.acceptable(b.Vulnerability); err != nil {
		return nil, err
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	a := model.Acceptance{
		ID: model.NodeID(id).String(), Vulnerability: b.Vulnerability, Package: b.Package, Hosts: b.Hosts, Reason: b.Reason, By: st.Actor, At: st.At, Until: until,
	}
	key, err := s.accepter(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := model.Encode(a)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	if a.Envelope, err = bundle.Seal(key, model.AcceptanceType, payload); err != nil {
		return nil, err
	}
	if err := s.c.Proposer.Propose(ctx, model.PutAcceptance{Stamp: st, Acceptance: a}); err != nil {
		return nil, fault.Wrap(op, err)
	}
	signers, err := s.signers()
	if err != nil {
		return nil, err
	}
	row := s.acceptanceRow(a, signers)
	if row.Covers, err = s.covered(ctx, a); err != nil { // it is made; what it covers is only said
		s.c.Log.Warn("what an acceptance covers cannot be counted", "acceptance", a.ID, "err", err)
	}
	return &acceptanceOutput{Status: http.StatusCreated, Body: row}, nil
}

// acceptable returns the name that findings have of a vulnerability, whatever it was called. One that no advisory here has or names cannot
// be accepted: nobody could have looked at it.
func (s *Server) acceptable(vulnerability string) (string, error) {
	v, done := s.c.Store.View()
	defer done()
	if s.c.Role == model.RoleSite {
		if _, ok, err := v.Self(); err != nil {
			return "", err
		} else if !ok {
			return "", errNeverEnrolled()
		}
	}
	c, err := s.canonical(v, vulnerability)
	return c.ID, err
}

// covered counts what a new acceptance covers at this site. nil: only the sites know.
func (s *Server) covered(ctx context.Context, a model.Acceptance) (*schema.Covered, error) {
	if s.c.Role != model.RoleSite || s.c.Answer == nil {
		return nil, nil
	}
	var n schema.Covered
	q := model.FleetQuestion{Name: a.Vulnerability, Query: a.Hosts, Limit: mostCovered}
	answer, err := s.c.Answer(ctx, model.RouteExposureCVE, q.Params())
	if err != nil {
		return nil, err
	}
	found, ok := answer.(model.ExposedWhere)
	if !ok {
		return nil, fault.New(fault.Other, "", "an answer of type %T", answer)
	}
	hosts := map[model.HostID]bool{}
	for i := range found.Rows {
		r := &found.Rows[i]
		if r.Standing.Verdict != model.VerdictSuppressed && a.Covers(&r.Standing.Finding) {
			n.Findings++
			hosts[r.Host] = true
		}
	}
	n.Hosts, n.More = len(hosts), found.More
	return &n, nil
}

// accepter returns the private key that acceptances are signed with: one that is for them before one that is for bundles as well, by
// name. A server that has none makes one.
func (s *Server) accepter(ctx context.Context) (*ecdsa.PrivateKey, error) {
	keys, err := s.c.Keys.All()
	if err != nil {
		return nil, err
	}
	mine := map[string]*ecdsa.PrivateKey{}
	for _, k := range keys {
		mine[bundle.KeyID(&k.PublicKey)] = k
	}
	signers, err := s.signers()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(signers, func(a, b model.SignerKey) int { return strings.Compare(a.Name, b.Name) })
	for _, purpose := range []string{model.PurposeAcceptance, model.PurposeFederation} {
		for _, k := range signers {
			if state := stateOf(k, s.now()); mine[k.ID] != nil && slices.Contains(purposesOf(k), purpose) && state != keyRevoked && state != keyRetired {
				return mine[k.ID], nil
			}
		}
	}
	name := acceptanceKey
	if s.freeKeyName(name, "") != nil {
		if name, err = s.successorName(name, ""); err != nil {
			return nil, err
		}
	}
	key, _, err := s.makeKey(ctx, "accept risk", name, []string{model.PurposeAcceptance})
	return key, err
}

type acceptanceInput struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

func (s *Server) revokeAcceptance(ctx context.Context, in *acceptanceInput) (*none, error) {
	v, done := s.c.Store.View()
	a, ok, err := v.Acceptance(in.ID)
	done()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "", "there is no acceptance %q; the list of acceptances has those there are", in.ID)
	}
	above, err := s.fromAbove(a)
	if err != nil {
		return nil, err
	}
	if above {
		return nil, fault.New(fault.Conflict, "revoke acceptance", "the acceptance %s was made at the controller: revoke it there, and it ends here as well", in.ID)
	}
	err = s.c.Proposer.Propose(ctx, model.DropAcceptance{Stamp: s.stamp(ctx), ID: in.ID})
	return nil, fault.Wrap("revoke acceptance", err)
}

// fromAbove reports whether an acceptance that a site has came down from its controller: a key signed it that is known here and is not this
// site's own. Whether that key still counts does not matter.
func (s *Server) fromAbove(a model.Acceptance) (bool, error) {
	if s.c.Role != model.RoleSite {
		return false, nil
	}
	mine, err := s.private()
	if err != nil {
		return false, err
	}
	signers, err := s.signers()
	if err != nil {
		return false, err
	}
	others := make([]model.SignerKey, 0, len(signers))
	for _, k := range signers {
		if mine[k.ID] == "" {
			k.Revoked, k.RetiresAt, k.Purposes = false, 0, []string{model.PurposeAcceptance}
			others = append(others, k)
		}
	}
	_, _, err = bundle.Unseal(a.Envelope, model.AcceptanceType, others, s.now(), model.PurposeAcceptance)
	return err == nil, nil
}
