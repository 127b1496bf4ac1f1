package config

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/skerryhq/skerry/engine/fault"
)

// Federation is what goes for bundles of advisories. What is said of one origin (`skerry sites policy`) goes before it.
type Federation struct {
	// AllowedSites are the origins whose bundles are imported, by the name or id that those carry. At most 1,000 of 256 bytes.
	// Default: every origin whose signature is trusted, until `skerry sites add` names one.
	AllowedSites []string `yaml:"allowed_sites"`
	// MaxBundleSize is the largest bundle file that is imported. 64kB to 1GiB. Default 1GiB.
	MaxBundleSize Bytes `yaml:"max_bundle_size,omitempty"`
	// RequireSignature says whether a bundle must be signed by a trusted key; where it need not be, that still has to be asked
	// for at each import. Default true.
	RequireSignature *bool `yaml:"require_signature,omitempty"`
	// SkipSignatureOnTrustedSites lets imports of the sites that are named be asked for without a signature. Default false.
	SkipSignatureOnTrustedSites bool `yaml:"skip_signature_on_trusted_sites"`
	// AllowForce says whether a bundle that is not newer than what is held may be imported, where that is asked for. Default true.
	AllowForce *bool `yaml:"allow_force,omitempty"`
	// DefaultMaxItems ends an export after so many changes, where nobody says how many. Default 0: it has all.
	DefaultMaxItems int `yaml:"default_max_items"`
	// TokensFile has a line NAME TOKEN for each who may fetch bundles of this server with that bearer token, and do nothing else: at most
	// 1,000 names of 1 to 64 of a-z 0-9 . _ -, and tokens of 16 to 1,024 characters. Default: only who has logged in may.
	TokensFile string `yaml:"tokens_file,omitempty"`
	// Webhook is told of each canonical advisory that is new, changed or gone.
	Webhook Webhook `yaml:"webhook,omitempty"`
}

// Webhook is who is told of changes of advisories.
type Webhook struct {
	// URL is an https address (or http on this machine), of at most 2,048 bytes. Default: nobody is told.
	URL string `yaml:"url,omitempty"`
	// SecretFile is a file with one word of 16 to 1,024 characters, under which each request is signed. Default: it is not.
	SecretFile string `yaml:"secret_file,omitempty"`
	// Batch is the most changes of one request. 1 to 1,000. Default 100.
	Batch int `yaml:"batch,omitempty"`
}

const (
	usualBatch   = 100
	maxAllowed   = 1000
	maxAllowName = 256
	leastBundle  = 64_000
	mostBundle   = 1 << 30
)

// inForce says the defaults that the file need not.
func (c Config) inForce() Config {
	f := &c.Federation
	f.MaxBundleSize = cmp.Or(f.MaxBundleSize, mostBundle)
	yes := true
	f.RequireSignature, f.AllowForce = cmp.Or(f.RequireSignature, &yes), cmp.Or(f.AllowForce, &yes)
	if f.AllowedSites == nil {
		f.AllowedSites = []string{}
	}
	if f.Webhook.URL != "" {
		f.Webhook.Batch = cmp.Or(f.Webhook.Batch, usualBatch)
	}
	if c.Advisories.Sources == nil {
		c.Advisories.Sources = []AdvisorySource{}
	}
	return c
}

func (f Federation) check() error {
	if len(f.AllowedSites) > maxAllowed {
		return wrong("federation.allowed_sites", "there are %d: at most %d", len(f.AllowedSites), maxAllowed)
	}
	for i, name := range f.AllowedSites {
		if name == "" || !plainText(name, maxAllowName) {
			return wrong(fmt.Sprintf("federation.allowed_sites[%d]", i), "%q is no name: want 1 to %d bytes of plain text", fault.Clip(name, maxQuote), maxAllowName)
		}
	}
	if b := f.MaxBundleSize; b != 0 && (b < leastBundle || b > mostBundle) {
		return wrong("federation.max_bundle_size", "%s is out of bounds: want 64kB to 1GiB", b)
	}
	if f.DefaultMaxItems < 0 || f.DefaultMaxItems > 100_000_000 {
		return wrong("federation.default_max_items", "%d is out of bounds: want 0 to 100000000", f.DefaultMaxItems)
	}
	return f.Webhook.check()
}

func (w Webhook) check() error {
	switch {
	case w.Batch < 0 || w.Batch > 1000:
		return wrong("federation.webhook.batch", "%d is out of bounds: want 1 to 1000", w.Batch)
	case w.URL == "" && (w.SecretFile != "" || w.Batch != 0):
		return wrong("federation.webhook", "it has no url: want the address that is told")
	case w.URL == "":
		return nil
	}
	u, err := url.Parse(w.URL)
	if err != nil || len(w.URL) > maxURL || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return wrong("federation.webhook.url", "%q is no address: want https://HOST/PATH without a user, or http on this machine", fault.Clip(w.URL, maxQuote))
	}
	return nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// Bytes is a number of bytes. It is written with its unit: 100MB, 64KiB, 1GiB; a bare number is bytes.
type Bytes int64

// sizes are the names of units, the longer ones first, and what they are in bytes.
var sizes = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// String returns the text form, in the largest unit that has no fraction.
func (b Bytes) String() string {
	for _, name := range []string{"GiB", "GB", "MiB", "MB", "KiB", "kB"} {
		for _, u := range sizes {
			if u.name == name && b != 0 && int64(b)%u.bytes == 0 {
				return strconv.FormatInt(int64(b)/u.bytes, 10) + name
			}
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalYAML returns the text form.
func (b Bytes) MarshalYAML() (any, error) { return b.String(), nil }

// UnmarshalYAML accepts what MarshalYAML wrote, and the forms above.
func (b *Bytes) UnmarshalYAML(n ast.Node) error {
	text := n.String()
	if s, ok := n.(*ast.StringNode); ok {
		text = s.Value
	}
	v, err := parseBytes(text)
	if err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: n.GetToken()}
	}
	*b = v
	return nil
}

func parseBytes(text string) (Bytes, error) {
	number, by := strings.TrimSpace(text), int64(1)
	for _, u := range sizes {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, by = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > 1<<50/by {
		return 0, fmt.Errorf("%q is no size: want a whole number with its unit, as in 100MB or 64KiB", fault.Clip(text, maxQuote))
	}
	return Bytes(n * by), nil
}
