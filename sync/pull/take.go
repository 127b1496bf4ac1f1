package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/feed"
)

// edition is what one look at a source found.
type edition struct {
	fresh              bool // it is not the one that was taken in before
	etag, lastModified string
	digest, cursor     string
}

// pull looks at a source and takes in what is new.
func (p *Puller) pull(ctx context.Context, i int) (edition, Taken, error) {
	s := p.Sources[i]
	p.mu.Lock()
	st := *p.stateLocked(s.Name)
	p.mu.Unlock()
	if err := p.Room(); err != nil {
		return edition{}, Taken{}, err
	}
	if s.URL == "" {
		return p.pullFolder(ctx, s, st)
	}
	part := openPartial(filepath.Join(p.Dir, s.Name+partSuffix), s.URL)
	defer func() { _ = part.close() }()
	if !part.Whole { // one that is was fetched before and could not be taken in
		fresh, err := p.fetch(ctx, i, st, part)
		if err != nil || !fresh {
			return edition{}, Taken{}, fault.Wrap("fetch "+s.URL, err)
		}
	}
	taken, err := p.takeFile(ctx, s, part.path)
	if ctx.Err() != nil { // whatever it says, the file has no fault in it
		return edition{}, taken, errors.Join(err, ctx.Err())
	}
	switch fault.KindOf(err) {
	case fault.Corrupt, fault.Invalid, fault.TooLarge, fault.Denied, fault.Conflict, fault.Version: // it would be the same the next time
		err = errors.Join(err, part.drop())
	}
	if err != nil {
		return edition{}, taken, fault.Wrap("take in "+s.URL, err)
	}
	news := edition{fresh: true, etag: part.ETag, lastModified: part.LastModified, cursor: taken.Through}
	return news, taken, part.drop()
}

// pullFolder looks at a folder or a file that somebody else writes.
func (p *Puller) pullFolder(ctx context.Context, s Source, st State) (edition, Taken, error) {
	digest, files, err := survey(ctx, s.Path)
	if err != nil {
		return edition{}, Taken{}, err
	}
	if digest == st.Digest {
		return edition{}, Taken{}, nil
	}
	var taken Taken
	if s.Kind != KindBundle {
		taken, err = p.ingest(ctx, s, func(fn feed.Func) error { return feed.Walk(ctx, []string{s.Path}, fn) })
		return edition{fresh: true, digest: digest}, taken, err
	}
	for _, file := range files {
		if !strings.HasSuffix(file, bundleSuffix) {
			continue
		}
		one, err := p.bundle(ctx, s, file)
		if err != nil {
			return edition{}, taken, fault.Wrap("take in "+file, err)
		}
		taken.add(one)
	}
	return edition{fresh: true, digest: digest}, taken, nil
}

const (
	bundleSuffix = ".zst"
	maxSurveyed  = 1_000_000 // files
)

func (t *Taken) add(u Taken) {
	t.Read, t.Created, t.Updated, t.Deleted, t.Unchanged = t.Read+u.Read, t.Created+u.Created, t.Updated+u.Updated, t.Deleted+u.Deleted, t.Unchanged+u.Unchanged
	t.Malformed, t.Outside = t.Malformed+u.Malformed, t.Outside+u.Outside
	if t.Example == "" {
		t.Example = u.Example
	}
	t.Through = u.Through
}

// survey returns what tells one state of a folder from the next, and the files in it in the order of their names.
func survey(ctx context.Context, root string) (digest string, files []string, err error) {
	h := sha256.New()
	err = filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir():
			return nil
		}
		info, err := os.Stat(at) // a link counts as what it leads to
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was replaced meanwhile, and is seen the next time
		}
		if err != nil {
			return err
		}
		if files = append(files, at); len(files) > maxSurveyed {
			return fault.New(fault.TooLarge, "", "%s has more than %d files", root, maxSurveyed)
		}
		fmt.Fprintf(h, "%q %d %d\n", at, info.Size(), info.ModTime().UnixNano())
		return nil
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fault.New(fault.NotFound, "", "%s does not exist", root)
	case err != nil && fault.KindOf(err) == fault.Other && ctx.Err() == nil:
		return "", nil, fault.New(fault.NotFound, "", "%s cannot be read: %w", root, err)
	}
	return hex.EncodeToString(h.Sum(nil)), files, err
}

// takeFile takes in a file that was fetched.
func (p *Puller) takeFile(ctx context.Context, s Source, file string) (Taken, error) {
	if s.Kind == KindBundle {
		return p.bundle(ctx, s, file)
	}
	return p.ingest(ctx, s, func(fn feed.Func) error { return feed.File(ctx, file, fileName(s), fn) })
}

// fileName is what the file of a source would be called in a folder of the source's name.
func fileName(s Source) string {
	base := ""
	if u, err := url.Parse(s.URL); err == nil {
		base = path.Base(u.Path)
	}
	if base == "" || base == "." || base == "/" {
		base = s.Kind
	}
	return s.Name + "/" + base
}

// ingest hands over the records of one edition that are wanted.
func (p *Puller) ingest(ctx context.Context, s Source, walk func(feed.Func) error) (Taken, error) {
	taken, err := p.Ingest(ctx, s, func(fn func(string, []byte) error) error {
		return walk(func(name string, raw []byte) error {
			if !wants(s.Ecosystems, raw) {
				return nil
			}
			return fn(name, raw)
		})
	})
	if err == nil && taken.Read > 0 && taken.Malformed == taken.Read {
		err = fault.New(fault.Corrupt, "", "none of its %d records could be read: %s", taken.Read, taken.Example)
	}
	return taken, err
}

// bundle takes in one bundle.
func (p *Puller) bundle(ctx context.Context, s Source, file string) (Taken, error) {
	f, err := os.Open(file)
	if err != nil {
		return Taken{}, fault.New(fault.NotFound, "", "%w", err)
	}
	defer f.Close()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Taken{}, fault.New(fault.Other, "", "%w", err)
	}
	return p.Import(ctx, s, f)
}

// affecting is what is looked at of a record, or of an entry of a change set, to know whose packages it is about.
type affecting struct {
	Op       string         `json:"op"`
	Record   *affecting     `json:"record"`
	Affected []affectedPart `json:"affected"`
}

type affectedPart struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
	} `json:"package"`
}

// wants reports whether a record is of one of the ecosystems, or of none at all.
func wants(ecosystems []string, raw []byte) bool {
	if len(ecosystems) == 0 {
		return true
	}
	var r affecting
	if model.Decode(raw, &r) != nil {
		return true // who takes it in says what is wrong with it
	}
	if r.Record != nil {
		r = *r.Record
	}
	for _, a := range r.Affected {
		base, _, _ := strings.Cut(a.Package.Ecosystem, ":")
		for _, e := range ecosystems {
			if strings.EqualFold(base, e) {
				return true
			}
		}
	}
	return len(r.Affected) == 0
}
