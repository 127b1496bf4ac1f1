package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Report says what a bundle claims and which of it holds. It is made of any file, also of one that is
// no bundle at all: what could not be read is empty, and the checks say why.
type Report struct {
	Bundle     string       `json:"bundle"` // the file's name, as given
	BundleHash string       `json:"bundle_hash,omitempty"`
	Version    string       `json:"version,omitempty"`
	Origin     string       `json:"origin,omitempty"`
	Site       string       `json:"site,omitempty"` // the origin's name
	From       model.Cursor `json:"from,omitzero"`
	Cursor     model.Cursor `json:"cursor,omitzero"`
	CreatedAt  model.Time   `json:"created_at,omitzero"`
	ExpiresAt  model.Time   `json:"expires_at,omitzero"`
	More       bool         `json:"more,omitzero"` // the origin had changes after Cursor when it wrote this
	Counts     Counts       `json:"counts"`
	Split      *Split       `json:"split,omitzero"`     // which part of which set it is
	Signers    []string     `json:"signers,omitzero"`   // trusted keys whose signatures hold
	Announced  []string     `json:"announced,omitzero"` // ids of the keys that the origin announces
	Revoked    []string     `json:"revoked,omitzero"`   // ids of those that it says are revoked

	Hash      Check `json:"hash"`      // every part is what the manifest says
	Signature Check `json:"signature"` // trusted keys signed the manifest
	Format    Check `json:"format"`    // entries, limits, manifest and every line
	Expiry    Check `json:"expiry"`
	// Ready says that all four hold, or all but a signature that was not asked for.
	Ready bool `json:"ready"`
}

// Check is one thing that was verified.
type Check struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why it does not hold
}

func check(errs ...error) Check {
	for _, err := range errs {
		if err != nil {
			return Check{Reason: err.Error()}
		}
	}
	return Check{OK: true}
}

// Inspect does all that Verify does and says how far it came. Name is what the report calls the file.
func Inspect(ctx context.Context, name string, src io.ReadSeeker, c VerifyConfig) Report {
	x := examine(ctx, src, c)
	early := x.readErr // what ended it before all four could be judged
	if early == nil {
		early = x.manifestErr
	}
	r := Report{
		Bundle:  name,
		Signers: x.signers,
		Hash:    check(early, x.hashErr),
		// A bundle that merely lacks its signature has the fault in Signature; whole it is not.
		Signature: check(x.unread(), x.signErr),
		Format:    check(unjudged(early), x.linesErr),
		Expiry:    check(unjudged(x.manifestErr), x.expiryErr),
	}
	if x.seen.manifest != nil {
		r.BundleHash = hashOf(x.seen.manifest)
	}
	if x.manifestErr == nil {
		m := x.manifest
		r.Version, r.Origin, r.Site, r.Counts = m.Format, m.Origin.String(), m.OriginName, m.Counts
		r.From, r.Cursor, r.CreatedAt, r.ExpiresAt = m.From, m.To, m.CreatedAt, m.ExpiresAt
		r.More, r.Split = m.More, m.Split
		for _, k := range signerKeys(m.Keys) {
			if k.Revoked {
				r.Revoked = append(r.Revoked, k.ID)
			} else {
				r.Announced = append(r.Announced, k.ID)
			}
		}
	}
	if r.Format.OK && (x.signErr != nil || x.hashErr != nil) {
		r.Format = Check{Reason: "not checked: the lines are read only where signature and hash hold"}
	}
	r.Ready = x.err() == nil
	if c.SkipSignature && r.Signature.OK {
		r.Signature = Check{Reason: "not checked, as was asked for: nobody vouches for this bundle"}
	}
	return r
}

// unjudged stands for err where another check has it already.
func unjudged(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("not checked, for the reason above")
}

// unread says that the signature was not judged, where the file broke off or went wrong before it: whether
// it has one is not known then. It is nil where the signature was reached, or is plainly missing.
func (x examined) unread() error {
	if x.readErr == nil || x.seen.envelope != nil || fault.Is(x.readErr, fault.Denied) {
		return nil
	}
	return errors.New("not checked: the file cannot be read as far as its signature")
}

// String returns the report for a person, of several lines, with a newline at the end.
func (r Report) String() string {
	var b strings.Builder
	line := func(label, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-9s %s\n", label, fault.Printable(value))
		}
	}
	line("Bundle:", r.Bundle)
	line("Version:", r.Version)
	claimed := ""
	if !r.Hash.OK || !r.Signature.OK { // then anybody may have written it
		claimed = " (claimed)"
	}
	if r.Site != "" {
		line("Site:", r.Site+claimed)
	}
	line("Cursor:", r.Cursor.String())
	line("From:", r.From.String())
	if r.More {
		line("More:", "the origin had changes after the cursor")
	}
	if s := r.Split; s != nil {
		line("Part:", fmt.Sprintf("%d of %d of the set %s", s.Index, s.Of, s.Set))
	}
	line("Expires:", r.ExpiresAt.String())
	for _, id := range r.Announced {
		line("Key:", id+claimed)
	}
	for _, id := range r.Revoked {
		line("Revoked:", id+claimed)
	}
	if r.Version != "" {
		canonicals, total := grouped(r.Counts.Canonicals), grouped(r.Counts.Total())
		if r.Version == formatOne {
			canonicals = "not counted"
		}
		fmt.Fprintf(&b, "Counts%s:\n  Canonicals: %s\n  Edges:      %s\n  Deletions:  %s\n  Total:      %s\n", claimed,
			canonicals, grouped(r.Counts.Edges), grouped(r.Counts.Deletions), total)
	}
	b.WriteString("Verification:\n")
	signed := ""
	if len(r.Signers) > 0 {
		signed = " (key: " + strings.Join(r.Signers, ", ") + ")"
	}
	for _, c := range []struct {
		name, good string
		Check
	}{{"Hash:", "", r.Hash}, {"Signature:", signed, r.Signature}, {"Format:", "", r.Format}, {"Expiry:", "", r.Expiry}} {
		if c.OK {
			fmt.Fprintf(&b, "  %-10s ✓ Valid%s\n", c.name, c.good)
		} else {
			fmt.Fprintf(&b, "  %-10s ✗ %s\n", c.name, fault.Printable(c.Reason))
		}
	}
	switch {
	case r.Ready && r.Split != nil:
		b.WriteString("Ready for import, with the other parts.\n")
	case r.Ready:
		b.WriteString("Ready for import.\n")
	default:
		b.WriteString("Not to be imported.\n")
	}
	return b.String()
}

// grouped returns n with a comma between thousands.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
