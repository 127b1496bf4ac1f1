package api

import (
	"cmp"
	"context"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

// What is done where a record here and one of a bundle do not agree, and the one here is not of the bundle's origin.
const (
	preferRemote = "prefer_remote" // the bundle's takes its place
	preferLocal  = "prefer_local"  // the one here stays
	failConflict = "fail"          // nothing of the bundle is imported
)

// TakeIn says how a bundle is to be taken in.
type TakeIn struct {
	DryRun        bool // do it all, show what came of it, and throw it away
	SkipSignature bool // where the policy of its origin allows that
	Force         bool // also where it is not newer than what is held
	// OnConflict is prefer_remote, prefer_local or fail; "": prefer_remote, but what a site has from its controller stays, since
	// the controller would not send it again.
	OnConflict string
	// Linked says that the file came over the link from the controller itself, which vouches for the key.
	Linked bool
}

type importInput struct {
	stream
	DryRun        bool   `query:"dry_run" doc:"do everything, show what came of it and throw it away"`
	SkipSignature bool   `query:"skip_signature" doc:"import it without a signature that holds, where the policy of its origin allows that (audited)"`
	OnConflict    string `query:"on_conflict" enum:"prefer_remote,prefer_local,fail" doc:"what becomes of a record that is here from another origin and says something else; absent: prefer_remote, but at a site the controller's records stay"`
	Force         bool   `query:"force" doc:"import also where the bundle is not newer than what is held (audited); a gap is never imported"`
}

func (in *importInput) how() TakeIn {
	return TakeIn{DryRun: in.DryRun, SkipSignature: in.SkipSignature, Force: in.Force, OnConflict: in.OnConflict}
}

// importBundle takes nothing in before all of the bundle has been verified.
func (s *Server) importBundle(ctx context.Context, in *importInput) (*out[schema.ImportResult], error) {
	return s.uploadedBundle(ctx, &in.stream, in.how())
}

type previewInput struct {
	stream
	SkipSignature bool   `query:"skip_signature" doc:"as for import"`
	OnConflict    string `query:"on_conflict" enum:"prefer_remote,prefer_local,fail"`
	Force         bool   `query:"force" doc:"as for import"`
}

// previewBundle is an import that is thrown away.
func (s *Server) previewBundle(ctx context.Context, in *previewInput) (*out[schema.ImportResult], error) {
	return s.uploadedBundle(ctx, &in.stream, TakeIn{DryRun: true, SkipSignature: in.SkipSignature, Force: in.Force, OnConflict: in.OnConflict})
}

func (s *Server) uploadedBundle(ctx context.Context, in *stream, how TakeIn) (*out[schema.ImportResult], error) {
	body, err := in.zstd()
	if err != nil {
		return nil, err
	}
	dir, err := s.spool()
	if err != nil {
		return nil, err
	}
	f, err := bundle.Spool(body, dir, maxBundle)
	if err != nil {
		return nil, sent{err}
	}
	defer func() { _ = f.Close() }()
	result, err := s.TakeBundle(ctx, f, how)
	if err != nil {
		return nil, err
	}
	return &out[schema.ImportResult]{Body: result}, nil
}

// TakeBundle verifies a bundle, judges it by the policy of its origin and imports it in one run: all of it becomes visible at once, or
// nothing. The file must not change meanwhile; see bundle.Spool. What was refused is in the audit record. Kinds of its errors beside those
// of bundle.Verify and bundle.Admit: Denied and TooLarge for what the policy does not allow, Conflict where another run is at
// work (ErrUnderWay), or the records do not agree and that was to end it.
func (s *Server) TakeBundle(ctx context.Context, f *os.File, how TakeIn) (schema.ImportResult, error) {
	release, err := s.hold(ctx)
	if err != nil {
		return schema.ImportResult{}, err
	}
	defer release()
	started := s.c.Now()
	t := &taking{s: s, how: how}
	if s.c.Role == model.RoleSite && how.OnConflict != preferRemote {
		t.keeps = s.c.Controller
	}
	if how.OnConflict == "" {
		t.how.OnConflict, t.gentle = preferRemote, true
	}
	err = t.do(ctx, f)
	result := t.result
	if err != nil {
		if !how.DryRun {
			by := actorOf(ctx).name
			if by == "" {
				by = "system"
			}
			s.note(ctx, model.Note{
				Action: "bundle.import", Object: result.BundleHash, Reason: oneLine(err.Error()),
				Detail: map[string]string{"origin": result.Origin, "cursor": result.ImportedCursor},
			}, by)
		}
		return result, err
	}
	result.Success, result.DryRun = result.Waiting == nil, how.DryRun
	switch {
	case !result.Success:
		result.Outcome = "waiting"
	case how.DryRun:
		result.Outcome = "tried"
	default:
		result.Outcome = "imported"
	}
	result.DurationMS = s.c.Now().Sub(started).Milliseconds()
	return result, nil
}

// taking is one import.
type taking struct {
	s      *Server
	how    TakeIn
	gentle bool         // nobody said what becomes of a conflict: what keeps said stays
	keeps  model.NodeID // the controller, whose records others do not change; zero: nobody's are kept so
	result schema.ImportResult

	trust   bundle.VerifyConfig
	m       bundle.Manifest
	self    model.NodeID
	have    model.Cursor
	may     permit
	keys    []model.SignerKey // that signed and were bound to no origin before
	unknown map[string]bool   // ids of keys that the bundle announced and nobody here had
	run     *run
	differs []model.Difference
	n       int   // all differences
	bytes   int64 // of the changes in the bundle, unpacked; of a set about
	chain   chain // of the origin, since gather
}

func (t *taking) do(ctx context.Context, f *os.File) error {
	part, err := t.verify(ctx, f)
	if err != nil {
		return err
	}
	r, done, err := t.together(ctx, part)
	if err != nil || r == nil {
		return err
	}
	err = t.takeIn(ctx, r)
	done(err)
	return err
}

// takeIn imports what is verified and allowed.
func (t *taking) takeIn(ctx context.Context, r *bundle.Reader) error {
	if err := t.fits(); err != nil {
		return err
	}
	if t.how.OnConflict == failConflict { // on the first one, before anything is staged
		if err := t.gather(ctx, r, true); err != nil {
			return err
		}
	}
	if err := t.gather(ctx, r, false); err != nil {
		return t.broken(ctx, err)
	}
	commit, err := t.run.end(ctx)
	if err != nil {
		return t.broken(ctx, err)
	}
	commit.Imported = &model.Imported{
		BundleHash: r.Hash(), Origin: t.m.Origin, OriginName: t.m.OriginName, From: t.m.From, To: t.m.To,
		Forced: t.how.Force && t.m.To.Compare(t.have) <= 0, Signer: strings.Join(r.Signers(), " "),
		Created: t.run.created, Updated: t.run.updated, Skipped: t.run.same, Deleted: t.run.deleted,
		Unsigned: len(r.Signers()) == 0, OnConflict: t.how.OnConflict, Differences: t.differs, DifferenceN: t.n,
	}
	commit.Imported.LeftOut, commit.Imported.LeftOutN = recorded(t.result.LeftOut)
	commit.Have = t.have
	changes := []model.Change{commit}
	keys, err := t.announced(r, commit.Stamp)
	if err != nil {
		return t.broken(ctx, err)
	}
	for _, k := range t.keys {
		k.Origin = t.m.Origin
		changes = append(changes, model.TrustSigner{Stamp: commit.Stamp, Key: k})
	}
	if p := t.may.pin; p != nil && len(r.Signers()) > 0 {
		p.Origin = t.m.Origin
		changes = append(changes, model.PutPartner{Stamp: commit.Stamp, Partner: *p})
	}
	for _, k := range keys {
		changes = append(changes, k)
		switch {
		case k.Key.Revoked:
			t.result.RevokedKeys = append(t.result.RevokedKeys, k.Key.Name)
		case t.unknown[k.Key.ID]: // others were trusted before, and are to retire
			t.result.TrustedKeys = append(t.result.TrustedKeys, k.Key.Name)
		}
	}
	if t.how.DryRun {
		return t.s.c.Store.Try(append(t.run.changes, changes...), func(v View) error { return t.tell(ctx, v) })
	}
	err = t.s.proposeRun(context.WithoutCancel(ctx), changes...)
	v, done := t.s.c.Store.View()
	defer done()
	if err != nil {
		// Whoever lost the answer finds out from the rows whether it is in.
		if _, in, lookErr := v.RunResult(t.run.id); lookErr != nil || !in {
			return t.broken(ctx, err)
		}
	}
	if !t.m.More && t.m.Origin != t.self {
		if err := t.chain.end(); err != nil {
			t.s.c.Log.Warn("what is known of bundles before stays on the disk", "err", err)
		}
	}
	if err := t.tell(ctx, v); err != nil {
		t.s.c.Log.Warn("a bundle was imported, and what it did cannot be read", "bundle", t.result.BundleHash, "err", err)
	}
	return nil
}

// verify believes the bundle, or says why not.
func (t *taking) verify(ctx context.Context, f *os.File) (*bundle.Reader, error) {
	const op = "import bundle"
	v, done := t.s.c.Store.View()
	defer done()
	signers, err := v.Signers()
	if err != nil {
		return nil, err
	}
	self, _, err := v.Self()
	if err != nil {
		return nil, err
	}
	t.self = self.Self
	t.trust = bundle.VerifyConfig{Trusted: signers, Now: t.s.now()}
	r, err := bundle.Verify(ctx, f, t.trust)
	if t.how.SkipSignature && fault.Is(err, fault.Denied) { // a signature that holds counts, whatever was asked for
		t.trust.SkipSignature = true
		r, err = bundle.Verify(ctx, f, t.trust)
	}
	if err != nil {
		if fault.Is(err, fault.Denied) && !strings.Contains(err.Error(), "Signature verification failed") {
			err = fault.New(fault.Denied, "", "Signature verification failed: %w", err)
		}
		return nil, sent{err}
	}
	t.m = r.Manifest()
	t.result = schema.ImportResult{
		BundleHash: r.Hash(), Origin: t.m.Origin.String(), OriginName: t.m.OriginName, ImportedCursor: t.m.To.String(),
		Conflicts: []schema.Conflict{}, Unsigned: len(r.Signers()) == 0,
	}
	if t.may, err = t.s.permitted(v, t.self, t.m); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	if err := t.may.check(t.m, info.Size(), len(r.Signers()) == 0, t.how); err != nil {
		return nil, err
	}
	shelf, err := v.Shelf()
	if err != nil {
		return nil, err
	}
	t.have, t.bytes = t.heldOf(shelf), bytesOf(t.m)
	if t.keys, err = t.bound(r, signers); err != nil {
		return nil, err
	}
	return r, bundle.Admit(t.have, t.m, t.how.Force)
}

// bytesOf returns how large the changes in a bundle are, unpacked. Of a set a part says how many there are in all of it.
func bytesOf(m bundle.Manifest) (n int64) {
	for _, p := range m.Parts {
		n += p.Size
	}
	if lines := int64(m.Counts.Changes()); m.Split != nil && lines > 0 {
		// How many the set has is the word of its maker: each of the two is bounded before they are added.
		all := min(int64(m.Split.Counts.Edges), mostBytes) + min(int64(m.Split.Counts.Deletions), mostBytes)
		if each := n / lines; each > 0 && all > mostBytes/each {
			return mostBytes
		}
		n = n / lines * all
	}
	return min(n, mostBytes)
}

// mostBytes is more than any disk has: what is said to be larger counts as this.
const mostBytes = math.MaxInt64 / 8

// fits is an error where the disk has no room for what is to be imported. What is only tried needs none.
func (t *taking) fits() error {
	if t.how.DryRun {
		return nil
	}
	return fault.Wrap("import bundle", t.s.room(t.bytes, 0))
}

// bound judges whether those who signed may speak for the bundle's origin: for this server and its controller their own keys
// alone, once one of them is known; for any other the keys that signed for it before and, where all of those are revoked, one that
// signed for nobody yet. It returns those that are to be bound to it.
func (t *taking) bound(r *bundle.Reader, signers []model.SignerKey) (fresh []model.SignerKey, err error) {
	private, err := t.s.c.Keys.All()
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	for _, k := range private {
		mine[bundle.KeyID(&k.PublicKey)] = true
	}
	home := t.m.Origin == t.self || !t.s.c.Controller.IsZero() && t.m.Origin == t.s.c.Controller
	may, other := t.how.Linked && home, ""
	known := slices.ContainsFunc(signers, func(k model.SignerKey) bool {
		if home {
			return k.Own || mine[k.ID] || k.Origin == t.m.Origin
		}
		return k.Origin == t.m.Origin && !k.Revoked // a date that passes lets nobody in
	})
	for _, k := range signers {
		switch {
		case !slices.Contains(r.Signers(), k.ID):
		case k.Origin == t.m.Origin, home && (k.Own || mine[k.ID]):
			may = true
		case !known && !k.Own && !mine[k.ID] && k.Origin.IsZero():
			may, fresh = true, append(fresh, k)
		default:
			other = k.Name
		}
	}
	if may || len(r.Signers()) == 0 { // without a signature, what is allowed of the origin has been judged
		return fresh, nil
	}
	return nil, fault.New(fault.Denied, "", "Signature verification failed: the key %q that signed the bundle is not one of %s (%s), whose changes it claims to hold. "+
		"A new key of it is announced in a bundle that one of its others signed; where all those are lost or retired, revoke them here first", other, t.may.name, t.m.Origin)
}

// heldOf is how far this server holds what the bundle's origin changed.
func (t *taking) heldOf(shelf apply.Shelf) model.Cursor {
	if t.m.Origin == t.self {
		return shelf.Cursor
	}
	return shelf.Imported[t.m.Origin.String()]
}

// broken drops what was staged. A group whose leader was lost meanwhile may yet take it in.
func (t *taking) broken(ctx context.Context, err error) error {
	if t.run != nil {
		t.run.abandon(ctx)
	}
	if fault.Is(err, fault.ReadOnly) || fault.Is(err, fault.Unreachable) {
		return fault.Wrap("import bundle (broken off; all of it may be imported yet, or nothing: look at its history, and import it again where it is not there)", err)
	}
	return fault.Wrap("import bundle (broken off; nothing of it was imported)", err)
}

// tell reads off what came of it.
func (t *taking) tell(ctx context.Context, v View) error {
	did, ok, err := v.RunResult(t.run.id)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.Other, "import bundle", "its record is missing")
	}
	t.result.Counts = schema.ImportCounts{
		CanonicalCreated: did.CanonicalCreated, CanonicalUpdated: did.CanonicalUpdated, EdgesAdded: did.EdgesAdded,
		Deleted: did.Deleted, Created: did.Created, Updated: did.Updated, Skipped: did.Skipped,
	}
	if t.result.Counts.CanonicalSkipped, err = t.skipped(v); err != nil {
		return err
	}
	t.result.Conflicts, t.result.ConflictN = conflictRows(t.differs), t.n
	shelf, err := v.Shelf()
	if err != nil {
		return err
	}
	if t.m.Origin != t.self && t.heldOf(shelf).Compare(t.have) < 0 {
		t.result.RewoundFrom = t.have.String()
	}
	if len(t.result.LeftOut) == 0 {
		t.result.LeftOut = nil
	}
	if t.how.DryRun && t.s.c.Role == model.RoleSite {
		t.result.Findings, err = t.s.previewFindings(ctx, v)
	}
	return err
}

// skipped counts the canonicals of the bundle that are as they were.
func (t *taking) skipped(v View) (int, error) {
	ids := map[string]struct{}{}
	for key := range t.run.kept {
		id, ok, err := v.CanonicalOf(key)
		if err != nil {
			return 0, err
		}
		if ok {
			ids[id] = struct{}{}
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	for key, there := range t.run.touched {
		if !there {
			continue
		}
		id, ok, err := v.CanonicalOf(key)
		if err != nil {
			return 0, err
		}
		if ok {
			delete(ids, id)
		}
	}
	return len(ids), nil
}

// recorded is what the record of an import has of what was left out of a bundle: of the sources with the most records, and how many there
// were in all.
func recorded(leftOut map[string]int) (of map[string]int, n int) {
	for _, k := range leftOut {
		n += k
	}
	names := slices.SortedFunc(maps.Keys(leftOut), func(a, b string) int { return cmp.Or(cmp.Compare(leftOut[b], leftOut[a]), cmp.Compare(a, b)) })
	for _, name := range names[:min(len(names), model.MaxLeftOut)] {
		if of == nil {
			of = map[string]int{}
		}
		of[name] = leftOut[name]
	}
	return of, n
}

func importCounts(i model.Imported) schema.ImportCounts {
	return schema.ImportCounts{
		CanonicalCreated: i.CanonicalCreated, CanonicalUpdated: i.CanonicalUpdated, EdgesAdded: i.EdgesAdded,
		Deleted: i.Deleted, Created: i.Created, Updated: i.Updated, Skipped: i.Skipped,
	}
}

func conflictRows(all []model.Difference) []schema.Conflict {
	rows := make([]schema.Conflict, 0, len(all))
	for _, d := range all {
		rows = append(rows, schema.Conflict{
			Source: d.Source, ID: d.ID, MergeHash: d.MergeHash, Field: d.Field, Local: d.Local, Remote: d.Remote, Resolution: d.Resolution,
		})
	}
	return rows
}
