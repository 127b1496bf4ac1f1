package apply

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Guidance is the part of Tx about policies.
type Guidance interface {
	Policy(id model.PolicyID) (model.Policy, bool, error)
	Policies() ([]model.Policy, error) // by id
	PutPolicy(model.Policy) error
	DeletePolicy(id model.PolicyID) error // one that is not there is no error

	// PoliciesHeld returns which policies a site said that it has.
	PoliciesHeld(site model.SiteID) (model.PoliciesHeld, bool, error)
	PutPoliciesHeld(model.PoliciesHeld) error
}

// maxPolicies bounds the policies of one origin.
const maxPolicies = 256

// checkPolicy refuses what no policy can be. What the body means is judged where it is asked for and where it is
// evaluated: a newer version may know checks that this one does not.
func checkPolicy(op string, p *model.Policy) error {
	switch {
	case p.ID.IsZero():
		return fault.New(fault.Invalid, op, "a policy needs an id")
	case !alert.Name(p.Name):
		return fault.New(fault.Invalid, op, "the name %q is not 1 to %d of a-z 0-9 . _ -", fault.Clip(p.Name, alert.MaxName), alert.MaxName)
	case len(p.Body) > model.MaxPolicyBody:
		return fault.New(fault.TooLarge, op, "the body of policy %q has %d bytes; the limit is %d", p.Name, len(p.Body), model.MaxPolicyBody)
	case len(p.Body) == 0 || p.Body[0] != '{' || !p.Body.IsValid():
		return fault.New(fault.Invalid, op, "the body of policy %q is no JSON object", p.Name)
	case len(p.Sites) > model.MaxPolicySites:
		return fault.New(fault.TooLarge, op, "policy %q names %d sites; the limit is %d: assign it to all of them", p.Name, len(p.Sites), model.MaxPolicySites)
	}
	switch p.Kind {
	case model.PolicyBaseline, model.PolicyUpdates, model.PolicyFirewall:
	default:
		return fault.New(fault.Invalid, op, "there is no kind of policy %q: it is %s, %s or %s", fault.Clip(string(p.Kind), 32),
			model.PolicyBaseline, model.PolicyUpdates, model.PolicyFirewall)
	}
	return alert.Text(op, "search", p.Where, alert.MaxWhen)
}

func (a *applier) putPolicy(c model.PutPolicy) error {
	const op = "keep policy"
	p := c.Policy
	if err := checkPolicy(op, &p); err != nil {
		return err
	}
	self, err := a.self()
	if err != nil {
		return err
	}
	if a.env.Role == model.RoleSite {
		p.All, p.Sites = false, nil
	}
	p.Sites = slices.Clone(p.Sites)
	slices.SortFunc(p.Sites, func(x, y model.SiteID) int { return slices.Compare(x[:], y[:]) })
	p.Sites = slices.Compact(p.Sites)
	all, err := a.tx.Policies()
	if err != nil {
		return err
	}
	var was model.Policy
	n := 0
	for _, x := range all {
		switch {
		case x.ID == p.ID:
			was = x
		case x.Origin == self && x.Name == p.Name:
			return fault.New(fault.Exists, op, "there is a policy named %q already (%s); choose another name, or change that one", p.Name, x.ID)
		case x.Origin == self:
			n++
		}
	}
	known := was.Version > 0
	switch {
	case known && was.Origin != self:
		return fault.New(fault.Denied, op, "policy %q comes from the controller: it is changed there", was.Name)
	case known && was.Kind != p.Kind:
		return fault.New(fault.Invalid, op, "policy %q is a %s and cannot become a %s; make another one", was.Name, was.Kind, p.Kind)
	case c.Was != 0 && c.Was != was.Version:
		return fault.New(fault.Conflict, op, "policy %q is at version %d, not %d: somebody changed it in between; read it again", p.Name, was.Version, c.Was)
	case !known && n >= maxPolicies:
		return fault.New(fault.Conflict, op, "there are %d policies, which is the most; remove one that nobody needs first", n)
	}
	p.Version, p.Origin, p.By, p.At = was.Version, self, was.By, was.At
	if known && reflect.DeepEqual(p, was) {
		return nil
	}
	p.Version, p.By, p.At = was.Version+1, c.Actor, c.At
	if err := a.tx.PutPolicy(p); err != nil {
		return err
	}
	if err := a.tell(model.ItemPolicy, p.ID.String(), c.At); err != nil {
		return err
	}
	action := "policy.add"
	if known {
		action = "policy.change"
	}
	return a.note(c.Stamp, action, p.ID.String(), true, "", map[string]string{
		"name": p.Name, "kind": string(p.Kind), "version": strconv.FormatUint(p.Version, 10), "all_sites": yes(p.All), "sites": strconv.Itoa(len(p.Sites)),
	})
}

func (a *applier) dropPolicy(c model.DropPolicy) error {
	p, known, err := a.tx.Policy(c.Policy)
	if err != nil || !known {
		return err
	}
	self, err := a.self()
	if err != nil {
		return err
	}
	if p.Origin != self {
		return fault.New(fault.Denied, "remove policy", "policy %q comes from the controller: it is removed there", p.Name)
	}
	if err := a.tx.DeletePolicy(p.ID); err != nil {
		return err
	}
	if err := a.tell(model.ItemPolicyGone, p.ID.String(), c.At); err != nil {
		return err
	}
	return a.note(c.Stamp, "policy.remove", p.ID.String(), true, "", map[string]string{"name": p.Name})
}

// policy takes in a policy that came from the controller. It goes to every site, and each keeps those that are
// assigned to it, so that an assignment that is taken away needs no message of its own.
func (s *fromController) policy(item model.Item) error {
	const op = "receive policy"
	var p model.Policy
	if err := decode(item, &p); err != nil {
		return err
	}
	if p.ID.String() != item.Key {
		return fault.New(fault.Invalid, op, "the policy is %s, its key says %q", p.ID, fault.Clip(item.Key, 80))
	}
	if err := checkPolicy(op, &p); err != nil {
		return err
	}
	self, err := s.self()
	if err != nil {
		return err
	}
	was, known, err := s.tx.Policy(p.ID)
	switch {
	case err != nil:
		return err
	case known && was.Origin != s.origin:
		return fault.New(fault.Denied, op, "policy %s is this site's own", p.ID)
	case !p.For(model.SiteID(self)):
		return s.forgetPolicy(p.ID, known)
	}
	if p.Origin = s.origin; !p.All {
		p.Sites = []model.SiteID{model.SiteID(self)} // the others are not this site's business
	}
	if !known || !reflect.DeepEqual(p, was) {
		if err := s.tx.PutPolicy(p); err != nil {
			return err
		}
	}
	s.held = true
	return nil
}

func (s *fromController) policyGone(item model.Item) error {
	id, err := model.ParsePolicyID(item.Key)
	if err != nil {
		return fault.New(fault.Invalid, "receive policy", "%w", err)
	}
	was, known, err := s.tx.Policy(id)
	if err != nil {
		return err
	}
	if known && was.Origin != s.origin {
		return fault.New(fault.Denied, "receive policy", "policy %s is this site's own", id)
	}
	s.held = true // also where it was not known: the controller asked because it thinks that it is held
	return s.forgetPolicy(id, known)
}

func (s *fromController) forgetPolicy(id model.PolicyID, known bool) error {
	if !known {
		return nil
	}
	s.held = true
	return s.tx.DeletePolicy(id)
}

// sendHeld sends up which of its controller's policies this site has.
func (a *applier) sendHeld(at model.Time) error {
	self, err := a.self()
	if err != nil {
		return err
	}
	all, err := a.tx.Policies()
	if err != nil {
		return err
	}
	h := model.PoliciesHeld{Site: model.SiteID(self), At: at, Held: []model.HeldPolicy{}}
	for _, p := range all {
		if p.Origin != self {
			h.Held = append(h.Held, model.HeldPolicy{ID: p.ID, Version: p.Version, At: p.At})
		}
	}
	return a.emit(model.ItemPolicies, "policies", at, h)
}

// policies stores which policies a site has. One that there is none of here (it was made behind the backup that this
// group was restored from) is taken back.
func (s fromSite) policies(item model.Item) error {
	const op = "receive policies"
	var h model.PoliciesHeld
	if err := decode(item, &h); err != nil {
		return err
	}
	if len(h.Held) > 2*maxPolicies {
		return fault.New(fault.TooLarge, op, "%d policies are more than %d", len(h.Held), 2*maxPolicies)
	}
	h.Site, h.At = s.site, min(h.At, s.stamp.At)
	for _, p := range h.Held {
		_, known, err := s.tx.Policy(p.ID)
		if err == nil && !known {
			err = s.tx.PutDirective(model.NodeID(s.site), model.ItemPolicyGone, p.ID.String(), s.stamp.At)
		}
		if err != nil {
			return err
		}
	}
	return s.tx.PutPoliciesHeld(h)
}

// evaluated stores what was found of hosts' compliance.
func (a *applier) evaluated(c model.Evaluated) error {
	for _, e := range c.Hosts {
		if v := e.Compliance; v != nil && !(*v >= 0 && *v <= 100) {
			return fault.New(fault.Invalid, "keep compliance", "the compliance of host %s is not in 0 to 100 percent", e.Host)
		}
		was, ok, err := a.tx.Host(e.Host)
		if err != nil {
			return err
		}
		if !ok || sameFloat(was.Compliance, e.Compliance) {
			continue
		}
		h := was
		h.Compliance = e.Compliance
		if err := a.putHost(&was, h); err != nil {
			return err
		}
		if err := a.emit(model.ItemHost, h.ID.String(), c.At, h); err != nil {
			return err
		}
	}
	return nil
}

func sameFloat(x, y *float64) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }

// retellGuidance sends every rule and policy down again.
func (a *applier) retellGuidance(at model.Time) error {
	rules, err := a.tx.Rules()
	if err != nil {
		return err
	}
	for _, r := range rules {
		if err := a.tell(model.ItemRule, ruleKey(r.Name), at); err != nil {
			return err
		}
	}
	all, err := a.tx.Policies()
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := a.tell(model.ItemPolicy, p.ID.String(), at); err != nil {
			return err
		}
	}
	return nil
}
