package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) bundleImport() *cobra.Command {
	var dry, force, unsigned bool
	var conflict string
	c := leaf("import FILE...|-", "Take in a signed bundle, or the parts of one in any order", 1, -1, nil)
	f := a.formatted(c)
	c.Flags().BoolVar(&dry, "dry-run", false, "show what would come of it, also on which hosts; change nothing")
	c.Flags().StringVar(&conflict, "on-conflict", "", "where a record here came another way and says something else: prefer_remote (the default), prefer_local or fail")
	c.Flags().BoolVar(&force, "force", false, "also where the bundle is not newer than what is held (audited); a gap is never imported")
	c.Flags().BoolVar(&unsigned, "skip-signature", false, "without a signature that holds, where the policy of its origin allows that (audited)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if !slices.Contains([]string{"", "prefer_remote", "prefer_local", "fail"}, conflict) {
			return usagef("--on-conflict: %q: want prefer_remote, prefer_local or fail", conflict)
		}
		for _, path := range args { // before the first is sent
			if path == "-" {
				continue
			}
			if _, err := os.Stat(path); err != nil {
				return usagef("%w; nothing was sent", err)
			}
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		query := url.Values{"dry_run": {strconv.FormatBool(dry)}, "force": {strconv.FormatBool(force)}}
		if unsigned {
			query.Set("skip_signature", "true")
		}
		if conflict != "" {
			query.Set("on_conflict", conflict)
		}
		var done schema.ImportResult
		start := time.Now()
		sent, stale := false, schema.ImportResult{Outcome: "stale", DryRun: dry, Conflicts: []schema.Conflict{}}
		for _, path := range args {
			one, err := a.importOne(c.Context(), server, query, path)
			if fault.KindOf(err) == fault.Conflict && strings.HasSuffix(err.Error(), "there is nothing to import") {
				a.say("Nothing to do: %v.", err)
				stale.Reason = err.Error()
				continue
			}
			if err = importAdvice(err); err != nil {
				if len(args) > 1 {
					return fmt.Errorf("%s: %w", path, err)
				}
				return err
			}
			done, sent = one, true
		}
		if !sent && (f.kind == "table" || f.kind == "wide") {
			return nil
		}
		if !sent { // whoever reads the answer gets one
			return f.print(stale, func() view { return view{} })
		}
		if w := done.Waiting; w != nil {
			err := fmt.Errorf("nothing was imported: %d of the %d parts are here, and it waits for %s; import those as well", w.Of-len(w.Missing), w.Of, numbersOf(w.Missing))
			if f.kind == "table" || f.kind == "wide" {
				return err
			}
			return errors.Join(f.print(done, func() view { return view{names: []string{done.BundleHash}} }), err)
		}
		a.sayImported(done)
		err = f.print(done, func() view { return importTable(done) })
		if err == nil && done.Success && !done.DryRun { // whoever imports asks next what it means for the hosts
			a.sayMatched(c.Context(), server, start)
		}
		return err
	}
	return c
}

// Refusals of an import that commands here do something about. The server speaks to people at a browser as well, and leaves those out.
var (
	lacksSignature = regexp.MustCompile(`the policy of (.*) does not allow to import it all the same$`)
	lacksPermit    = regexp.MustCompile(`^Site not allowed: the bundle is of (.*) \([^ ()]*\), and `)
	lacksName      = regexp.MustCompile(`^Site not allowed: the bundle is of .* \(([^ ()]*)\), and [^()]*; add this one by its id first$`)
	lacksRoom      = regexp.MustCompile(`^Bundle too large: .* are taken of (.*); raise that bound, `)
)

// named returns the name in a refusal: what follows is offered to be pasted into a shell, and the name is what a bundle says of itself, without
// a signature even. One that no server could have gets no advice.
func named(refusal *regexp.Regexp, text string) (name string, ok bool) {
	m := refusal.FindStringSubmatch(text)
	if m == nil || !model.IsName(m[1]) {
		return "", false
	}
	return m[1], true
}

// importAdvice says which command or flag helps, where there is one.
func importAdvice(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if name, ok := named(lacksSignature, text); ok {
		return fmt.Errorf("%w: trust the key that signed it (`skerry keys trust`), or allow that (`skerry sites add %s --skip-signature-on-trusted`)", err, name)
	}
	if name, ok := named(lacksName, text); ok {
		return fmt.Errorf("%w (`skerry sites add %s`)", err, name)
	}
	if name, ok := named(lacksPermit, text); ok {
		return fmt.Errorf("%w (`skerry sites add %s`, `skerry sites policy %s --enabled true`)", err, name, name)
	}
	if name, ok := named(lacksRoom, text); ok {
		return fmt.Errorf("%w (`skerry sites policy %s --max-bundle-size SIZE`)", err, name)
	}
	if strings.HasSuffix(text, "Choose which of them is to win") {
		return fmt.Errorf("%w (--on-conflict prefer_remote: the bundle, prefer_local: this server)", err)
	}
	return err
}

// importOne sends one file, or the entries of an inspectable folder.
func (a *app) importOne(ctx context.Context, server *client, query url.Values, path string) (schema.ImportResult, error) {
	var done schema.ImportResult
	body := a.in
	if path != "-" {
		file, err := openBundle(path, "import")
		if err != nil {
			return done, err
		}
		defer func() { _ = file.Close() }()
		body = file
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			packed, err := packFolder(ctx, file)
			if err != nil {
				return done, fmt.Errorf("pack %s: %w", path, err)
			}
			defer func() { _ = packed.Close() }()
			body = packed
		}
	}
	// A reader without more methods: the transport would close a file that is ours to close.
	resp, err := server.send(ctx, http.MethodPost, "/federation/import", query, io.MultiReader(body), "application/zstd")
	if err != nil {
		return done, err
	}
	return done, decodeAnswer(server, resp, &done)
}

// packFolder writes the entries of an inspectable folder into one file, as they were packed before. The signature is over what is inside,
// so that packing is anybody's to do.
func packFolder(ctx context.Context, src io.ReadSeeker) (*os.File, error) {
	f, err := os.CreateTemp("", "skerry-bundle-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name())
	err = bundle.Untar(ctx, src, f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func numbersOf(all []int) string {
	var texts []string
	for i, n := range all {
		if i == 20 {
			texts = append(texts, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ", ")
}

// sayImported says what does not fit into one line of a table.
func (a *app) sayImported(done schema.ImportResult) {
	if done.DryRun {
		a.say("A dry run: nothing was changed.")
	}
	if done.RewoundFrom != "" {
		origin := fault.Printable(done.OriginName)
		a.say("%s was held through %s, and is through %s only now: what came after it is no longer here (%s %s removed), and must come again. Its next bundle begins there; make it at %s with: skerry bundle export -c '%s' -o delta.zst",
			origin, fault.Printable(done.RewoundFrom), fault.Printable(done.ImportedCursor), grouped(done.Counts.Deleted), plural(done.Counts.Deleted, "advisory record"), origin, fault.Printable(done.ImportedCursor))
	}
	if done.Unsigned {
		a.say("The signature was not asked for: nobody vouches for this bundle. That is in the audit record.")
	}
	for _, source := range slices.Sorted(maps.Keys(done.LeftOut)) {
		a.say("left out: %d %s of source %s, for which %s may not speak here", done.LeftOut[source], plural(done.LeftOut[source], "record"), source, fault.Printable(done.OriginName))
	}
	for _, name := range done.TrustedKeys {
		a.say("trusted from now on, as the bundle announced: key %s", fault.Printable(name))
	}
	for _, name := range done.RevokedKeys {
		a.say("revoked from now on, as the bundle announced: key %s", fault.Printable(name))
	}
	for i, c := range done.Conflicts {
		if i == 10 {
			break
		}
		a.say("conflict: %s/%s %s: \"%s\" here, \"%s\" in the bundle (%s)", c.Source, c.ID, c.Field, fault.Printable(c.Local), fault.Printable(c.Remote), c.Resolution)
	}
	if more := done.ConflictN - min(10, len(done.Conflicts)); more > 0 {
		a.say("and %d more differing fields (-o json has the first 500)", more)
	}
	if p := done.Findings; p != nil {
		part := ""
		if p.Cut {
			part = " in the part that was looked at"
		}
		a.say("Findings%s: %d would appear and %d disappear, on %d %s.", part, p.Appear, p.Disappear, p.HostN, plural(p.HostN, "host"))
		for i, h := range p.Hosts {
			if i == 10 {
				a.say("  and %d more hosts (-o json)", p.HostN-i)
				break
			}
			a.say("  %s: +%d -%d  %s", fault.Printable(h.Hostname), h.AppearN, h.GoneN, fault.Printable(strings.Join(append(slices.Clone(h.Appear), h.Disappear...), ", ")))
		}
	}
}

func importTable(done schema.ImportResult) view {
	v := view{
		head: []string{"CREATED", "UPDATED", "SKIPPED", "EDGES", "DELETED", "CONFLICTS", "CURSOR", "BUNDLE"},
		wide: []string{"RECORDS CREATED", "UPDATED", "SKIPPED", "TOOK"},
	}
	n := done.Counts
	v.add(done.BundleHash, n.CanonicalCreated, n.CanonicalUpdated, n.CanonicalSkipped, n.EdgesAdded, n.Deleted, done.ConflictN, done.ImportedCursor, done.BundleHash,
		n.Created, n.Updated, n.Skipped, fmt.Sprintf("%d ms", done.DurationMS))
	return v
}
