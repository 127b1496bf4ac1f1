package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) bundle() *cobra.Command {
	return a.group("bundle", "Signed bundles of advisories, for sites without a link", a.bundleExport(), a.bundleValidate(), a.bundleImport())
}

func (a *app) bundleExport() *cobra.Command {
	var from, file, key string
	c := leaf("export -o FILE", "Write a signed bundle of the changes after a cursor", 0, 0, nil)
	c.Flags().StringVarP(&from, "cursor", "c", "", "what the receiver holds already; absent: everything")
	c.Flags().StringVarP(&file, "output", "o", "", "file to write, - for standard output")
	c.Flags().StringVar(&key, "key", "", "name of the signing key, where the server holds several")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if file == "" {
			return usagef("say where to: -o FILE, or -o - for standard output")
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		query := url.Values{}
		for name, v := range map[string]string{"from": from, "key": key} {
			if v != "" {
				query.Set(name, v)
			}
		}
		resp, err := server.send(c.Context(), http.MethodGet, "/federation/export", query, nil, "")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode == http.StatusNoContent {
			a.say("Nothing changed since %s: no bundle was made.", orBeginning(from))
			return nil
		}
		n, err := a.receive(resp.Body, file, 0o644)
		if err != nil {
			return err
		}
		a.say("Wrote %s (%d bytes), from %s through %s.", file, n, orBeginning(from), resp.Header.Get("X-Skerry-Cursor"))
		return nil
	}
	return c
}

func orBeginning(cursor string) string {
	if cursor == "" {
		return "the beginning"
	}
	return cursor
}

// receive writes the whole body to file, or nothing: what broke off must not look whole.
func (a *app) receive(r io.Reader, file string, mode os.FileMode) (int64, error) {
	if file == "-" {
		return io.Copy(a.out, r)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".part-*")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, usagef("%s: there is no folder %s", file, filepath.Dir(file))
	case errors.Is(err, fs.ErrPermission):
		return 0, usagef("%s: this user may not write to the folder %s", file, filepath.Dir(file))
	case err != nil:
		return 0, fmt.Errorf("write %s: %w", file, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	n, err := io.Copy(f, r)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return n, fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return n, fmt.Errorf("write %s: %w", file, err)
	}
	return n, nil
}

func (a *app) bundleValidate() *cobra.Command {
	var keys []string
	c := leaf("validate FILE", "Check a bundle without importing it", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringArrayVar(&keys, "key", nil, "PEM file of a trusted public key (several: repeat it); absent: those that the server trusts")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		file, err := os.Open(args[0])
		if err != nil {
			return usagef("%w", err)
		}
		defer func() { _ = file.Close() }()
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			return usagef("%s is not a file", args[0])
		}
		trusted, err := a.trusted(c.Context(), keys)
		if err != nil {
			return err
		}
		report := bundle.Inspect(c.Context(), filepath.Base(args[0]), file, bundle.VerifyConfig{Trusted: trusted, Now: model.TimeOf(time.Now())})
		if f.kind == "table" || f.kind == "wide" {
			_, err = io.WriteString(a.out, report.String())
		} else {
			err = f.print(report, func() view { return view{names: []string{report.BundleHash}} })
		}
		if err == nil && !report.Ready {
			err = reported{errors.New("the bundle is not to be imported")}
		}
		return err
	}
	return c
}

// trusted returns the keys in files or, without files, those of the server.
func (a *app) trusted(ctx context.Context, files []string) ([]model.SignerKey, error) {
	var keys []model.SignerKey
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, usagef("--key: %w", err)
		}
		public, err := bundle.ParsePublic(raw)
		if err != nil {
			return nil, usagef("--key %s: %w", file, err)
		}
		keys = append(keys, model.SignerKey{ID: bundle.KeyID(public), Name: filepath.Base(file), Public: string(raw)})
	}
	if len(files) > 0 {
		return keys, nil
	}
	server, err := a.client()
	if err != nil {
		return nil, err
	}
	var held []schema.Key
	if err := server.call(ctx, http.MethodGet, "/keys", nil, nil, &held); err != nil {
		return nil, fmt.Errorf("ask the server for its trusted keys (without a server: --key PUBLIC.pem): %w", err)
	}
	for _, k := range held {
		keys = append(keys, model.SignerKey{ID: k.ID, Name: k.Name, Public: k.Public, Revoked: k.Revoked})
	}
	return keys, nil
}

func (a *app) bundleImport() *cobra.Command {
	var dry, force bool
	c := leaf("import FILE|-", "Take in a signed bundle", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().BoolVar(&dry, "dry-run", false, "verify and count, change nothing")
	c.Flags().BoolVar(&force, "force", false, "also where the bundle is not newer than what is held (audited); a gap is never imported")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		body := a.in
		if args[0] != "-" {
			file, err := os.Open(args[0])
			if err != nil {
				return usagef("%w", err)
			}
			defer func() { _ = file.Close() }()
			if info, err := file.Stat(); err != nil || info.IsDir() {
				return usagef("%s is not a file", args[0])
			}
			body = file
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		query := url.Values{"dry_run": {strconv.FormatBool(dry)}, "force": {strconv.FormatBool(force)}}
		// A reader without more methods: the transport would close a file that is ours to close.
		resp, err := server.send(c.Context(), http.MethodPost, "/federation/import", query, io.MultiReader(body), "application/zstd")
		if fault.KindOf(err) == fault.Conflict && strings.HasSuffix(err.Error(), "there is nothing to import") {
			a.say("Nothing to do: %v.", err)
			return nil
		}
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		var done schema.ImportResult
		if err := json.NewDecoder(resp.Body).Decode(&done); err != nil {
			return fmt.Errorf("the answer of %s cannot be read: %w", server.shown, err)
		}
		if dry {
			a.say("A dry run: nothing was changed.")
		}
		return f.print(done, func() view {
			v := view{head: []string{"CREATED", "UPDATED", "SKIPPED", "DELETED", "CURSOR", "BUNDLE"}}
			n := done.Counts
			v.add(done.BundleHash, n.Created, n.Updated, n.Skipped, n.Deleted, done.ImportedCursor, done.BundleHash)
			return v
		})
	}
	return c
}
