package bundle

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
)

// VerifySet verifies all parts of one set, in whatever order they are given, and returns a Reader of the whole. Each part
// must hold by itself, as Verify has it; together they must be every part of one set, as the plan that names it says.
// Beside the errors of Verify: Invalid where a file is no part, or one is given twice or missing; Conflict where parts of
// several sets are mixed. One file that is no part is a set of its own.
func VerifySet(ctx context.Context, srcs []io.ReadSeeker, c VerifyConfig) (*Reader, error) {
	const op = "verify set"
	if len(srcs) == 0 || len(srcs) > MaxParts {
		return nil, fault.New(fault.Invalid, op, "%d files are no set of parts; a set has at most %d", len(srcs), MaxParts)
	}
	var parts []*Reader
	for _, src := range srcs {
		r, err := Verify(ctx, src, c)
		if err != nil {
			return nil, err
		}
		parts = append(parts, r)
	}
	if len(parts) == 1 && parts[0].manifest.Split == nil {
		return parts[0], nil
	}
	return join(op, parts)
}

// join makes one Reader of the verified parts of a set.
func join(op string, parts []*Reader) (*Reader, error) {
	first := parts[0].manifest.Split
	if first == nil {
		return nil, notAPart(op)
	}
	byIndex := make([]*Reader, first.Of)
	for _, r := range parts {
		switch s := r.manifest.Split; {
		case s == nil:
			return nil, notAPart(op)
		case !sameSet(r.manifest, parts[0].manifest):
			return nil, fault.New(fault.Conflict, op, "the parts are of different exports: part %d of %s, and part %d of %s; give parts of one export only", first.Index, first.Set, s.Index, s.Set)
		case byIndex[s.Index-1] != nil:
			return nil, fault.New(fault.Invalid, op, "part %d is given twice", s.Index)
		default:
			byIndex[s.Index-1] = r
		}
	}
	if missing := absent(byIndex); len(missing) > 0 {
		return nil, fault.New(fault.Invalid, op, "of %d parts these are missing: %s", first.Of, listed(missing))
	}
	whole := &Reader{lim: parts[0].lim, manifest: wholeOf(parts[0].manifest), hash: first.Set, signers: parts[0].signers}
	var manifests []Manifest
	sum := Counts{}
	for _, r := range byIndex {
		whole.files = append(whole.files, r.files...)
		whole.signers = slices.DeleteFunc(slices.Clone(whole.signers), func(id string) bool { return !slices.Contains(r.signers, id) })
		manifests = append(manifests, r.manifest)
		sum.Edges += r.manifest.Counts.Edges
		sum.Deletions += r.manifest.Counts.Deletions
		sum.Canonicals += r.manifest.Counts.Canonicals
	}
	name, err := planOf(whole.manifest, manifests).hash()
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if w := whole.manifest.Counts; name != first.Set || w.Edges != sum.Edges || w.Deletions != sum.Deletions || w.Canonicals > sum.Canonicals {
		return nil, fault.New(fault.Corrupt, op, "the parts are not those that the set %s was made of: export it anew", first.Set)
	}
	return whole, nil
}

func notAPart(op string) error {
	return fault.New(fault.Invalid, op, "one of the files is a whole bundle and no part of a set: give it alone")
}

// absent returns the indexes, from 1, of what is nil.
func absent(parts []*Reader) []int {
	var out []int
	for i, r := range parts {
		if r == nil {
			out = append(out, i+1)
		}
	}
	return out
}

// listed writes numbers for a person, the first 20.
func listed(numbers []int) string {
	const most = 20
	var out []string
	for _, n := range numbers[:min(len(numbers), most)] {
		out = append(out, strconv.Itoa(n))
	}
	text := strings.Join(out, ", ")
	if more := len(numbers) - most; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text
}
