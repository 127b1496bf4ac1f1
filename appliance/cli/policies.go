package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) policies() *cobra.Command {
	return a.group("policies", "What hosts ought to be like, and which are", a.policiesList(), a.policiesGet(), a.policiesPut(), a.policiesDelete(), a.policiesResults())
}

func (a *app) policiesList() *cobra.Command {
	c := leaf("list", "All policies; at a controller with how many sites have them", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var all []schema.Policy
		if err := a.get(c, f, "/policies", nil, &all); err != nil {
			return err
		}
		return f.print(all, func() view { return policyTable(all...) })
	}
	return c
}

func policyTable(all ...schema.Policy) view {
	v := view{head: []string{"NAME", "KIND", "VERSION", "FOR", "CHECKS", "SITES", "HELD", "ORIGIN", "ID"}, wide: []string{"BY", "CHANGED", "PROBLEM"}}
	for _, p := range all {
		var checks, sites, held any = nothing{}, nothing{}, nothing{}
		if p.Kind == "compliance_baseline" {
			checks = p.ChecksN
		}
		if p.Held != nil {
			sites, held = strings.Join(p.Sites, ", "), heldWords(*p.Held)
			if p.AllSites {
				sites = "all"
			}
		}
		where := p.Where
		if where == "" {
			where = "every host"
		}
		v.add(p.Name, p.Name, p.Kind, p.Version, where, checks, sites, held, p.Origin, p.ID, p.By, p.At, p.Problem)
	}
	return v
}

// heldWords says how many sites have a policy, what is amiss first.
func heldWords(n schema.PolicyHeld) string {
	var parts []string
	for _, x := range []struct {
		n    int
		word string
	}{{n.Stale, "stale"}, {n.Missing, "missing"}, {n.Unknown, "unknown"}, {n.Extra, "extra"}, {n.Current, "current"}} {
		if x.n > 0 {
			parts = append(parts, strconv.Itoa(x.n)+" "+x.word)
		}
	}
	return strings.Join(parts, ", ")
}

func (a *app) policiesGet() *cobra.Command {
	c := leaf("get POLICY", "One policy, and which sites have which version of it", 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var p schema.Policy
		if err := a.get(c, f, "/policies/"+url.PathEscape(args[0]), nil, &p); err != nil {
			return err
		}
		if err := f.print(p, func() view { return policyTable(p) }); err != nil {
			return err
		}
		if f.kind != "table" && f.kind != "wide" {
			return nil
		}
		if len(p.HeldBy) > 0 {
			fmt.Fprintln(a.out)
			v := view{head: []string{"SITE", "STATE", "VERSION", "AS OF", "LINK"}}
			for _, h := range p.HeldBy {
				var version any
				if h.Version > 0 {
					version = h.Version
				}
				v.add(h.Site, h.Site, h.State, version, h.AsOf, h.Link)
			}
			a.table(v, false)
		}
		fmt.Fprintln(a.out)
		var body any
		if err := json.Unmarshal(p.Body, &body); err != nil {
			return err
		}
		raw, err := yaml.Marshal(body)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(raw)) {
			fmt.Fprintln(a.out, fault.Printable(strings.TrimRight(line, "\n")))
		}
		return nil
	}
	return c
}

// maxPolicyFile bounds a policy's file, in bytes.
const maxPolicyFile = 1 << 20

func (a *app) policiesPut() *cobra.Command {
	var file string
	c := leaf("put", "Make a policy of a file, or change the one of its name", 0, 0, nil)
	f := a.formatted(c)
	c.Flags().StringVarP(&file, "file", "f", "", "the policy in YAML or JSON: name, kind, where, all_sites or sites, body; - for standard input")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if file == "" {
			return usagef("policies put: -f FILE is missing")
		}
		body, err := a.policyFile(file)
		if err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		known, err := ownPolicy(c, server, body.Name)
		if err != nil {
			return err
		}
		var p schema.Policy
		if known == "" {
			err = server.call(c.Context(), http.MethodPost, "/policies", nil, body, &p)
		} else {
			err = server.call(c.Context(), http.MethodPut, "/policies/"+known, nil, body, &p)
		}
		if err != nil {
			return err
		}
		return f.print(p, func() view { return policyTable(p) })
	}
	return c
}

// ownPolicy returns the id of the server's own policy of that name; empty: there is none.
func ownPolicy(c *cobra.Command, server *client, name string) (string, error) {
	var all []schema.Policy
	var node schema.Node
	if err := server.call(c.Context(), http.MethodGet, "/node", nil, nil, &node); err != nil {
		return "", err
	}
	if err := server.call(c.Context(), http.MethodGet, "/policies", nil, nil, &all); err != nil {
		return "", err
	}
	for _, p := range all {
		if p.Name == name && p.Origin == node.Role {
			return p.ID, nil
		}
	}
	return "", nil
}

// policyFile reads a policy as a person writes it. Members that a policy does not have are refused: a slip of the pen
// would be a check that is never made.
func (a *app) policyFile(name string) (schema.PolicyPut, error) {
	var body schema.PolicyPut
	in := a.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return body, usagef("%w", err)
		}
		defer file.Close()
		in = file
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxPolicyFile+1))
	if err != nil {
		return body, fmt.Errorf("read %s: %w", name, err)
	}
	if len(raw) > maxPolicyFile {
		return body, usagef("%s is larger than %d bytes: is it the right file?", name, maxPolicyFile)
	}
	if raw, err = yaml.YAMLToJSON(raw); err != nil {
		return body, usagef("%s: %w", name, err)
	}
	// What a server says of a policy beside what makes it, as `policies get -o yaml` prints it, is no part of a change.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return body, usagef("%s: want the members of a policy (name, kind, where, all_sites or sites, body), as in name: base", name)
	}
	for _, said := range []string{"id", "origin", "by", "at", "checks_n", "problem", "held", "held_by"} {
		delete(members, said)
	}
	if raw, err = json.Marshal(members); err != nil {
		return body, err
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return body, usagef("%s: %s", name, policyMistake(err))
	}
	return body, nil
}

// policyMistake says where a policy's file is wrong.
func policyMistake(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Sprintf("%s: it is a %s, and must be of another kind", kind.Field, kind.Value)
	}
	if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok {
		return fmt.Sprintf("a policy has no member %s; it has name, kind, where, all_sites, sites, version and body", field)
	}
	return err.Error()
}

func (a *app) policiesDelete() *cobra.Command {
	c := leaf("delete POLICY", "Remove a policy, here and at every site", 1, 1, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := a.client()
		if err != nil {
			return err
		}
		if err := server.call(c.Context(), http.MethodDelete, "/policies/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.say("Removed %s.", fault.Printable(args[0]))
		return nil
	}
	return c
}

func (a *app) policiesResults() *cobra.Command {
	var host, site, after string
	var all bool
	var limit int
	c := leaf("results POLICY", "Which hosts fail which checks, judged now at their site", 1, 1, nil)
	f := a.formatted(c)
	flags := c.Flags()
	flags.StringVar(&host, "host", "", "one host alone, by id or unique name")
	flags.StringVar(&site, "site", "", "at a controller: the site that is asked, by name or id")
	flags.BoolVar(&all, "all", false, "with the checks that are met")
	flags.StringVar(&after, "after", "", "what the page before named as its next")
	flags.IntVar(&limit, "limit", 100, "how many hosts, at most 1,000")
	c.RunE = func(c *cobra.Command, args []string) error {
		ask := url.Values{"limit": {strconv.Itoa(limit)}}
		for name, v := range map[string]string{"host": host, "site": site, "after": after} {
			if v != "" {
				ask.Set(name, v)
			}
		}
		if all {
			ask.Set("all", "true")
		}
		var r schema.PolicyResults
		if err := a.get(c, f, "/policies/"+url.PathEscape(args[0])+"/results", ask, &r); err != nil {
			return err
		}
		err := f.print(r, func() view {
			v := view{head: []string{"HOST", "CHECK", "SEVERITY", "OUTCOME", "REASON"}, wide: []string{"TITLE", "HOST ID"}}
			for _, h := range r.Hosts {
				for _, x := range h.Checks {
					v.add(h.HostID, h.Host, x.Check, x.Severity, x.Outcome, x.Reason, x.Title, h.HostID)
				}
			}
			return v
		})
		if err != nil || f.kind == "json" || f.kind == "yaml" {
			return err
		}
		a.say("Judged by %s as of %s, by version %d.", fault.Printable(r.Site), when(&r.AsOf), r.Version)
		if r.Problem != "" {
			a.say("That site cannot read the policy: %s", fault.Printable(r.Problem))
		}
		if r.Next != "" {
			a.say("There may be more: --after %s", r.Next)
		}
		return nil
	}
	return c
}
