package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) keys() *cobra.Command {
	list := leaf("list", "Keys that bundles may be signed with", 0, 0, nil)
	f := a.formatted(list)
	list.RunE = func(c *cobra.Command, _ []string) error {
		var keys []schema.Key
		if err := a.get(c, f, "/keys", nil, &keys); err != nil {
			return err
		}
		return f.print(keys, func() view { return keyTable(keys...) })
	}
	return a.group("keys", "Keys that bundles are signed with", list, a.keysGenerate(), a.keysExport(), a.keysTrust())
}

func keyTable(keys ...schema.Key) view {
	v := view{head: []string{"NAME", "SIGNS HERE", "REVOKED", "ADDED", "ID"}}
	for _, k := range keys {
		v.add(k.Name, k.Name, k.Private, k.Revoked, k.AddedAt, k.ID)
	}
	return v
}

func (a *app) keysGenerate() *cobra.Command {
	c := leaf("generate NAME", "Make a signing key that stays on the server", 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var key schema.Key
		if _, err := a.post(c, f, "/keys", nil, schema.KeyGenerate{Name: args[0]}, &key); err != nil {
			return err
		}
		return f.print(key, func() view { return keyTable(key) })
	}
	return c
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
		raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		if err != nil {
			return fmt.Errorf("read the key: %w", err)
		}
		if file == "-" {
			_, err = a.out.Write(raw)
			return err
		}
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			return fmt.Errorf("write the key: %w", err)
		}
		return nil
	}
	return c
}

func (a *app) keysTrust() *cobra.Command {
	c := leaf("trust NAME FILE", "Accept bundles that the key in a PEM file signed", 2, 2, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		raw, err := os.ReadFile(args[1])
		if err != nil {
			return usagef("read the key: %w", err)
		}
		if _, err := bundle.ParsePublic(raw); err != nil {
			return usagef("%s is no PEM file with a public key as 'skerry keys export' writes it: %w", args[1], err)
		}
		var key schema.Key
		if _, err := a.post(c, f, "/keys/trust", nil, schema.KeyTrust{Name: args[0], Public: string(raw)}, &key); err != nil {
			return err
		}
		return f.print(key, func() view { return keyTable(key) })
	}
	return c
}
