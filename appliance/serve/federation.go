package serve

import (
	"io"
	"os"
	"strings"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/api"
)

// Federation is what goes for bundles, as it is configured.
func Federation(c config.Federation) (api.Federation, error) {
	fetchers, err := Fetchers(c.TokensFile)
	return api.Federation{
		Fetchers:     fetchers,
		AllowedSites: c.AllowedSites, MaxBundle: int64(c.MaxBundleSize), MaxItems: c.DefaultMaxItems,
		Unsigned: c.RequireSignature != nil && !*c.RequireSignature, UnsignedTrusted: c.SkipSignatureOnTrustedSites,
		NoForce: c.AllowForce != nil && !*c.AllowForce,
	}, err
}

// The bounds of the word under which requests to a webhook are signed.
const (
	minHookSecret = 16
	maxHookSecret = 1024
)

// Webhook is who is told of changes of advisories, as it is configured; false: nobody.
func Webhook(c config.Webhook, leads func() bool) (api.Webhook, bool, error) {
	const op = "read the secret of the webhook"
	if c.URL == "" {
		return api.Webhook{}, false, nil
	}
	w := api.Webhook{URL: c.URL, Batch: c.Batch, Leads: leads}
	if c.SecretFile == "" {
		return w, true, nil
	}
	f, err := os.Open(c.SecretFile)
	if err != nil {
		return w, false, fault.New(fault.Invalid, op, "%w; write one to the file that federation.webhook.secret_file names, or leave that out", err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxHookSecret+3))
	if err != nil {
		return w, false, fault.New(fault.Invalid, op, "%s: %w", c.SecretFile, err)
	}
	secret := strings.TrimSpace(string(raw))
	if len(secret) < minHookSecret || len(secret) > maxHookSecret {
		return w, false, fault.New(fault.Invalid, op, "%s: want %d to %d characters, as `openssl rand -hex 32` makes them", c.SecretFile, minHookSecret, maxHookSecret)
	}
	w.Secret = []byte(secret)
	return w, true, nil
}
