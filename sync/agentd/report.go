package agentd

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of one host's report beside those of its facts, which engine/inventory has. Texts are in bytes
// and hold no control characters.
const (
	MaxPackages     = 20_000
	MaxCertificates = 5_000
	maxWord         = 64   // manager, architecture, ecosystem
	maxName         = 256  // names and versions of packages, fields of the OS
	maxPath         = 4096 // paths; subjects and issuers of certificates
	maxCertNames    = 1000
	// MaxVersions bounds the different versions of one source package (or package without one). Each is
	// compared with every advisory of that name, so without a bound a short list could keep a site busy.
	MaxVersions = 256
)

// output puts what a command printed into bodies.
func (d *Door) output(m model.Member, item model.Item, i int, bodies *deposit) error {
	var o model.Output
	if err := decode(item.Payload, &o, "the output of a command"); err != nil {
		return err
	}
	if o.Command.IsZero() || item.Key != o.Command.String()+"/"+o.Host.String() {
		return fault.New(fault.Invalid, "", "it is of command %s on host %s, its key says %q", o.Command, o.Host, clip(item.Key))
	}
	if len(o.Text) > model.MaxOutput {
		return fault.New(fault.TooLarge, "", "%d bytes of output; the bound is %d", len(o.Text), model.MaxOutput)
	}
	if o.Size < int64(len(o.Text)) && o.Size >= 0 {
		o.Size = int64(len(o.Text)) // characters that are no text take more room than they did
	}
	if o.Size < 0 {
		return fault.New(fault.Invalid, "", "it says that %d bytes were printed", o.Size)
	}
	if err := d.speaks(m, o.Host); err != nil {
		return err
	}
	if d.c.Ordered != nil {
		ok, err := d.c.Ordered(o.Command, o.Host)
		if err != nil {
			return fault.New(fault.ReadOnly, "", "read command %s: %w", o.Command, err)
		}
		if !ok {
			return fault.New(fault.Denied, "", "command %s was not sent to host %s", o.Command, o.Host)
		}
	}
	b := Body{Host: o.Host, Kind: item.Kind, Event: o.Command, AsOf: item.AsOf, Bytes: []byte(o.Text)}
	bodies.add(i, b, func(digest string) any {
		return model.OutputRef{Command: o.Command, Host: o.Host, Digest: digest, Size: o.Size}
	})
	return nil
}

// canonicalOSFacts checks the facts of a system and returns their canonical bytes.
func canonicalOSFacts(raw []byte) ([]byte, error) {
	var f model.OSFacts
	if err := decode(raw, &f, "facts of a system"); err != nil {
		return nil, err
	}
	if err := inventory.CheckOSFacts(&f); err != nil {
		return nil, err
	}
	return encode(f)
}

func checkFacts(host model.HostID, raw []byte) error {
	var f model.Facts
	if err := decode(raw, &f, "facts"); err != nil {
		return err
	}
	if f.Hostname == "" {
		return fault.New(fault.Invalid, "", "host %s reports no host name", host)
	}
	return inventory.CheckFacts(&f)
}

func checkOS(o model.OS) error {
	return text(maxName, "OS id", o.ID, "OS name", o.Name, "OS version", o.Version, "OS codename", o.Codename)
}

// canonicalPackages checks an inventory and returns its canonical bytes, which are the same for the
// same software in whatever order it was reported, and the number of packages.
func canonicalPackages(raw []byte) ([]byte, int, error) {
	var inv model.Inventory
	if err := decode(raw, &inv, "a package list"); err != nil {
		return nil, 0, err
	}
	if len(inv.Packages) > MaxPackages {
		return nil, 0, fault.New(fault.TooLarge, "", "%d packages; the bound is %d", len(inv.Packages), MaxPackages)
	}
	if err := checkOS(inv.OS); err != nil {
		return nil, 0, err
	}
	for i := range inv.Packages {
		p := &inv.Packages[i]
		if p.Manager == "" || p.Name == "" || p.Version == "" {
			return nil, 0, fault.New(fault.Invalid, "", "package %d (%q) lacks its manager, name or version", i, p.Name)
		}
		if err := text(maxWord, "package manager", p.Manager, "architecture", p.Arch, "ecosystem", p.Ecosystem); err != nil {
			return nil, 0, err
		}
		if err := text(maxName, "package name", p.Name, "version", p.Version, "source package", p.Source, "source version", p.SourceVersion, "module", p.Module); err != nil {
			return nil, 0, err
		}
	}
	if name, n := manyVersions(inv.Packages); n > MaxVersions {
		return nil, 0, fault.New(fault.TooLarge, "", "%d versions of %q; the bound is %d", n, name, MaxVersions)
	}
	slices.SortFunc(inv.Packages, func(a, b model.Package) int {
		return cmp.Or(
			strings.Compare(a.Manager, b.Manager), strings.Compare(a.Name, b.Name),
			strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch),
			strings.Compare(a.Source, b.Source), strings.Compare(a.SourceVersion, b.SourceVersion),
			strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Module, b.Module))
	})
	inv.Packages = slices.Compact(inv.Packages)
	if inv.Packages == nil {
		inv.Packages = []model.Package{}
	}
	body, err := encode(inv)
	return body, len(inv.Packages), err
}

// manyVersions returns the first name, in the order of the list, that has more than MaxVersions different
// versions, and how many were seen until then.
func manyVersions(packages []model.Package) (string, int) {
	seen := map[string]map[string]bool{}
	for _, p := range packages {
		name, version := cmp.Or(p.Source, p.Name), cmp.Or(p.SourceVersion, p.Version)
		if seen[name] == nil {
			seen[name] = map[string]bool{}
		}
		if seen[name][version] = true; len(seen[name]) > MaxVersions {
			return name, len(seen[name])
		}
	}
	return "", 0
}

// canonicalCertificates checks a list of certificates and returns its canonical bytes, their number,
// and when the first leaf certificate runs out.
func canonicalCertificates(raw []byte) ([]byte, int, model.Time, error) {
	var list []model.Certificate
	if err := decode(raw, &list, "a list of certificates"); err != nil {
		return nil, 0, 0, err
	}
	if len(list) > MaxCertificates {
		return nil, 0, 0, fault.New(fault.TooLarge, "", "%d certificates; the bound is %d", len(list), MaxCertificates)
	}
	var next model.Time
	for i := range list {
		c := &list[i]
		tidy(c)
		if err := checkCertificate(c); err != nil {
			return nil, 0, 0, fault.Wrap("certificate "+clip(c.Path), err)
		}
		if !c.CA && c.NotAfter != 0 && (next == 0 || c.NotAfter < next) {
			next = c.NotAfter
		}
	}
	slices.SortStableFunc(list, func(a, b model.Certificate) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	if list == nil {
		list = []model.Certificate{}
	}
	body, err := encode(list)
	return body, len(list), next, err
}

// tidy takes control characters out of what a certificate's maker chose: one odd certificate must not
// cost the host its whole list.
func tidy(c *model.Certificate) {
	c.Path, c.Subject, c.Issuer = printable(c.Path), printable(c.Subject), printable(c.Issuer)
	for i := range c.Names {
		c.Names[i] = printable(c.Names[i])
	}
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}

func checkCertificate(c *model.Certificate) error {
	if b, err := hex.DecodeString(c.Fingerprint); err != nil || len(b) != 32 {
		return fault.New(fault.Invalid, "", "its fingerprint is no hexadecimal SHA-256")
	}
	if b, err := hex.DecodeString(c.IssuedBy); err != nil || len(b) != 32 && len(b) != 0 {
		return fault.New(fault.Invalid, "", "the fingerprint of its issuer is no hexadecimal SHA-256")
	}
	if len(c.Names) > maxCertNames {
		return fault.New(fault.TooLarge, "", "it has %d names; the bound is %d", len(c.Names), maxCertNames)
	}
	for _, n := range c.Names {
		if err := text(1024, "name", n); err != nil {
			return err
		}
	}
	if err := text(maxName, "serial number", c.Serial); err != nil {
		return err
	}
	return text(maxPath, "path", c.Path, "subject", c.Subject, "issuer", c.Issuer)
}

func decode(raw []byte, v any, what string) error {
	if len(raw) > model.MaxPayload {
		return fault.New(fault.TooLarge, "", "%d bytes; the bound is %d", len(raw), model.MaxPayload)
	}
	if err := model.Decode(raw, v); err != nil {
		return fault.New(fault.Corrupt, "", "it is not %s: %w", what, err)
	}
	return nil
}

// encode returns the canonical bytes of a report. They can be a little longer than what was sent.
func encode(v any) ([]byte, error) {
	body, err := model.Encode(v)
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "encode the report: %w", err)
	}
	if len(body) > model.MaxPayload {
		return nil, fault.New(fault.TooLarge, "", "%d bytes; the bound is %d", len(body), model.MaxPayload)
	}
	return body, nil
}

// text checks pairs of a label and a text.
func text(max int, pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		label, v := pairs[i], pairs[i+1]
		if len(v) > max {
			return fault.New(fault.TooLarge, "", "the %s %q has %d bytes; the bound is %d", label, clip(v), len(v), max)
		}
		if strings.ContainsFunc(v, unicode.IsControl) {
			return fault.New(fault.Invalid, "", "the %s %q holds control characters", label, clip(v))
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > 48 {
		return strings.ToValidUTF8(s[:48], "") + "..."
	}
	return s
}
