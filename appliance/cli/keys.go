package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) keys() *cobra.Command {
	list := leaf("list", "Keys that bundles and acceptances of risks may be signed with", 0, 0, nil)
	f := a.formatted(list)
	list.RunE = func(c *cobra.Command, _ []string) error {
		var keys []schema.Key
		if err := a.get(c, f, "/keys", nil, &keys); err != nil {
			return err
		}
		return f.print(keys, func() view { return keyTable(keys...) })
	}
	return a.group("keys", "Keys that bundles are signed with", list, a.keysGenerate(), a.keysExport(), a.keysTrust("trust"), a.keysTrust("import"), a.keysRevoke(), a.keysRotate())
}

func keyTable(keys ...schema.Key) view {
	v := view{head: []string{"NAME", "STATE", "PURPOSE", "SIGNS HERE", "RETIRES", "ADDED", "ID"}, wide: []string{"SUCCESSOR"}}
	names := map[string]string{}
	for _, k := range keys {
		names[k.ID] = k.Name
	}
	for _, k := range keys {
		next := k.Successor
		if names[next] != "" {
			next = names[next]
		}
		retires := k.RetiresAt
		if stateOfKey(k) == "revoked" { // it counts for nothing already
			retires = nil
		}
		v.add(k.Name, k.Name, stateOfKey(k), k.Purposes, signsHere(k), retires, k.AddedAt, k.ID, next)
	}
	return v
}

// signsHere says whether a server signs with a key: it has the private half, and the signatures count.
func signsHere(k schema.Key) bool {
	state := stateOfKey(k)
	return k.Private && state != "revoked" && state != "retired"
}

// stateOfKey is the state of a key; a server of an earlier version only says whether it was revoked.
func stateOfKey(k schema.Key) string {
	switch {
	case k.State != "":
		return k.State
	case k.Revoked:
		return "revoked"
	}
	return "active"
}

func (a *app) keysGenerate() *cobra.Command {
	var algorithm, name string
	var purposes []string
	c := leaf("generate NAME", "Make a signing key that stays on the server", 0, 1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&algorithm, "algorithm", "ES256", "the only one there is")
	c.Flags().StringSliceVar(&purposes, "purpose", nil, "what it may sign: federation (bundles, the default), acceptance (acceptances of risks); both with a comma between them")
	c.Flags().StringVar(&name, "name", "", "its name, in place of NAME")
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case algorithm != "ES256":
			return usagef("--algorithm: %q: want ES256, there is no other", algorithm)
		case len(args) > 0 && name != "" || len(args) == 0 && name == "":
			return usagef("say once what the key is to be called: keys generate NAME")
		case len(args) > 0:
			name = args[0]
		}
		var key schema.Key
		if _, err := a.post(c, f, "/keys", nil, schema.KeyGenerate{Name: name, Purposes: purposes}, &key); err != nil {
			return err
		}
		if err := a.sayWhoSigns(c.Context(), key); err != nil {
			return err
		}
		return f.print(key, func() view { return keyTable(key) })
	}
	return c
}

// sayWhoSigns says of a new key whether bundles are signed with it.
func (a *app) sayWhoSigns(ctx context.Context, made schema.Key) error {
	if made.Signs {
		a.say("Bundles of this server are signed with it.")
		return nil
	}
	server, err := a.client()
	if err != nil {
		return err
	}
	var keys []schema.Key
	if err := server.call(ctx, http.MethodGet, "/keys", nil, nil, &keys); err != nil {
		return err
	}
	for _, k := range keys {
		if name := fault.Printable(k.Name); k.Signs {
			a.say("Bundles of this server are still signed with %s, which others trust; `skerry keys rotate %s` is how a key is replaced, and --key chooses one for one export.", name, name)
		}
	}
	return nil
}

func (a *app) keysExport() *cobra.Command {
	var file string
	c := leaf("export NAME", "Print a key's public half as PEM", 1, 1, nil)
	c.Flags().StringVarP(&file, "output", "o", "-", "file to write, - for standard output")
	c.Flags().Bool("public", true, "the public half; the private one never leaves its server")
	c.RunE = func(c *cobra.Command, args []string) error {
		if public, _ := c.Flags().GetBool("public"); !public {
			return usagef("the private half of a key never leaves its server")
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		resp, err := server.send(c.Context(), http.MethodGet, "/keys/"+url.PathEscape(args[0])+"/public", nil, nil, "")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		_, err = a.receive(io.LimitReader(resp.Body, 64<<10), file, 0o644)
		return err
	}
	return c
}

// keysTrust is one command under two names: what is imported is trusted.
func (a *app) keysTrust(name string) *cobra.Command {
	var purposes []string
	c := leaf(name+" NAME FILE", "Accept what the key in a PEM file signed", 2, 2, nil)
	f := a.formatted(c)
	c.Flags().StringSliceVar(&purposes, "purpose", nil, "what it may sign: federation (bundles, the default), acceptance (acceptances of risks)")
	c.RunE = func(c *cobra.Command, args []string) error {
		raw, err := os.ReadFile(args[1])
		if err != nil {
			return usagef("read the key: %w", err)
		}
		if _, err := bundle.ParsePublic(raw); err != nil {
			return usagef("%s is no PEM file with a public key as 'skerry keys export' writes it: %w", args[1], err)
		}
		var key schema.Key
		if _, err := a.post(c, f, "/keys/trust", nil, schema.KeyTrust{Name: args[0], Public: string(raw), Purposes: purposes}, &key); err != nil {
			return err
		}
		return f.print(key, func() view { return keyTable(key) })
	}
	return c
}

func (a *app) keysRevoke() *cobra.Command {
	var reason string
	var yes bool
	c := leaf("revoke NAME", "Let a key's signatures count for nothing, for good", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit record")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if !yes {
			ok, err := a.confirm(c.Context(), fmt.Sprintf("Revoke key %s for good, here and at every site below?", fault.Printable(args[0])))
			if err != nil {
				return err
			}
			if !ok {
				return errors.New("nothing was done")
			}
		}
		var key schema.Key
		if _, err := a.post(c, f, "/keys/"+url.PathEscape(args[0])+"/revoke", nil, schema.KeyRevoke{Reason: reason}, &key); err != nil {
			return err
		}
		a.say("Bundles that it alone signed are refused from now on, also those that are under way: export them anew.")
		a.say("What a controller revokes reaches its sites by their links. At every site without one run this as well, or carry a new bundle there that another key of this server signed.")
		return f.print(key, func() view { return keyTable(key) })
	}
	return c
}

func (a *app) keysRotate() *cobra.Command {
	var body schema.KeyRotate
	c := leaf("rotate NAME", "Make the successor of a key; the key itself retires after an overlap", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().Var(span{&body.Overlap}, "overlap", "how long the old key still holds, as in 30d (the default)")
	c.Flags().StringVar(&body.Successor, "successor", "", "the name of the new key; made of the old one's if absent")
	c.RunE = func(c *cobra.Command, args []string) error {
		var key schema.Key
		server, err := a.post(c, f, "/keys/"+url.PathEscape(args[0])+"/rotate", nil, body, &key)
		if err != nil {
			return err
		}
		if f.kind != "table" && f.kind != "wide" {
			return f.print(key, func() view { return keyTable(key) })
		}
		var keys []schema.Key // the old one as well, with its end
		if err := server.call(c.Context(), http.MethodGet, "/keys", nil, nil, &keys); err != nil {
			return err
		}
		keys = slices.DeleteFunc(keys, func(k schema.Key) bool { return k.ID != key.ID && k.Successor != key.ID })
		return f.print(keys, func() view { return keyTable(keys...) })
	}
	return c
}
