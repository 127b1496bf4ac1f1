package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) bundle() *cobra.Command {
	return a.group("bundle", "Signed bundles of advisories, for sites without a link and for partners", a.bundleExport(), a.bundleValidate(), a.bundleImport())
}

// mostItems is the largest bound that a server takes, beyond all that one holds.
const mostItems = 100_000_000

// exporting is what a bundle is to be exported as.
type exporting struct {
	from, file, key, layout string
	most                    int
	all                     bool // --max-items 0
	split                   size
}

func (a *app) bundleExport() *cobra.Command {
	var x exporting
	c := leaf("export -o FILE", "Write a signed bundle of the changes after a cursor", 0, 0, nil)
	c.Flags().StringVarP(&x.from, "cursor", "c", "", "what the receiver holds already; absent: everything")
	c.Flags().StringVarP(&x.file, "output", "o", "", "file to write, - for standard output; of several parts the first, as FILE.1-of-N")
	c.Flags().StringVar(&x.key, "key", "", "name of the signing key; absent: the oldest of the server that is active")
	c.Flags().IntVar(&x.most, "max-items", 0, "end the bundle after so many changes; 0: it has all; absent: as the server is configured")
	c.Flags().Var(&x.split, "split", "make parts of at most so many bytes, as in 100MB; they are imported in any order")
	c.Flags().StringVar(&x.layout, "layout", "", "inspectable: a folder with the entries of the bundle, for jq and sha256sum; absent: one file")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case x.file == "":
			return usagef("say where to: -o FILE, or -o - for standard output")
		case x.layout != "" && x.layout != "inspectable":
			return usagef("--layout: %q: want inspectable", x.layout)
		case x.file == "-" && (x.layout != "" || x.split > 0):
			return usagef("what is more than one file does not go to standard output: give -o FILE")
		case x.layout != "" && x.split > 0:
			return usagef("--layout and --split do not go together")
		case x.layout == "" && x.file != "-" && folder(x.file):
			return usagef("-o %s: that is a folder: name a file in it, as in -o %s, or give --layout inspectable and a new folder", x.file, filepath.Join(x.file, "bundle.zst"))
		case x.split > 0 && x.split < bundle.MinSplit:
			return usagef("--split: parts have at least 64KiB")
		case x.most < 0:
			return usagef("--max-items: want 1 or more, or 0 for all")
		}
		x.all = x.most == 0 && c.Flags().Changed("max-items")
		server, err := a.client()
		if err != nil {
			return err
		}
		return a.export(c.Context(), server, x)
	}
	return c
}

// export writes the bundle, or each part of it.
func (a *app) export(ctx context.Context, server *client, x exporting) error {
	query := url.Values{}
	for name, v := range map[string]string{"from": x.from, "key": x.key} {
		if v != "" {
			query.Set(name, v)
		}
	}
	if x.most > 0 || x.all {
		query.Set("max_items", strconv.Itoa(cmp.Or(x.most, mostItems)))
	}
	if x.split > 0 {
		query.Set("split", strconv.FormatInt(int64(x.split), 10))
	}
	set, through, files := "", "", []string{}
	var total int64
	for part, of := 1, 1; part <= of; part++ {
		if part > 1 {
			query.Set("part", strconv.Itoa(part))
		}
		resp, err := server.send(ctx, http.MethodGet, "/federation/export", query, nil, "")
		if err != nil {
			return err
		}
		if resp.StatusCode == http.StatusNoContent {
			_ = resp.Body.Close()
			a.say("Nothing changed since %s: no bundle was made.", orBeginning(x.from))
			return nil
		}
		if n, err := strconv.Atoi(resp.Header.Get("X-Skerry-Parts")); err == nil {
			of = n
		}
		if hash := resp.Header.Get("X-Skerry-Bundle"); part > 1 && hash != set {
			_ = resp.Body.Close()
			return fmt.Errorf("the advisories changed while the parts were written: %d of %d are of another state; export again", part-1, of)
		} else if part == 1 {
			set = hash
		}
		file := x.file
		if x.split > 0 && of > 1 {
			file = fmt.Sprintf("%s.%d-of-%d", x.file, part, of)
		}
		n, err := a.written(ctx, resp.Body, file, x.layout)
		_ = resp.Body.Close()
		if err != nil {
			return roomAdvice(err, resp.ContentLength, x.split > 0)
		}
		total += n
		files = append(files, file)
		through = resp.Header.Get("X-Skerry-Cursor")
		if part == of && resp.Header.Get("X-Skerry-More") != "" {
			a.say("There are more changes behind it: -c '%s' begins there.", through)
		}
	}
	a.say("Wrote %s (%d bytes), from %s through %s.", strings.Join(files, ", "), total, orBeginning(x.from), through)
	return nil
}

// roomAdvice says what helps where a medium is full. Size is that of the file, -1 where it is not known.
func roomAdvice(err error, size int64, split bool) error {
	if !errors.As(err, new(full)) {
		return err
	}
	if size > 0 {
		err = fmt.Errorf("%w; the file has %s bytes", err, grouped(int(size)))
	}
	if split {
		return fmt.Errorf("%w: take smaller parts (--split), or a larger medium for each", err)
	}
	return fmt.Errorf("%w: take a larger medium, or parts for several (--split SIZE)", err)
}

// written writes one file, or the folder of an inspectable bundle, and returns how many bytes came.
func (a *app) written(ctx context.Context, r io.Reader, file, layout string) (int64, error) {
	if layout == "" {
		return a.receive(r, file, 0o644)
	}
	f, err := bundle.Spool(r, "", 1<<30)
	if err != nil {
		return 0, fmt.Errorf("receive the bundle: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	if err := bundle.Unpack(ctx, f, file); err != nil {
		return 0, fmt.Errorf("write %s: %w", file, err)
	}
	return info.Size(), nil
}

func folder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func orBeginning(cursor string) string {
	if cursor == "" {
		return "the beginning"
	}
	return cursor
}

func (a *app) bundleValidate() *cobra.Command {
	var keys []string
	c := leaf("validate FILE", "Check a bundle, a part of one or its inspectable folder, without importing it", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringArrayVar(&keys, "key", nil, "PEM file of a trusted public key (several: repeat it); absent: those that the server trusts")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		file, err := openBundle(args[0], "validate")
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
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
		key := model.SignerKey{ID: k.ID, Name: k.Name, Public: k.Public, Revoked: k.Revoked, Purposes: k.Purposes}
		if k.RetiresAt != nil {
			key.RetiresAt = model.TimeOf(*k.RetiresAt)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// decodeAnswer reads the answer to an upload.
func decodeAnswer(server *client, resp *http.Response, to any) error {
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(to); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", server.shown, err)
	}
	return nil
}
