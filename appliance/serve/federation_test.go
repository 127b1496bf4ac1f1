package serve

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/api"
)

func TestFederationAsConfigured(t *testing.T) {
	if got, err := Federation(config.Federation{}); err != nil || !reflect.DeepEqual(got, api.Federation{}) {
		t.Errorf("what nobody said: %+v, %v", got, err)
	}
	no := false
	got, err := Federation(config.Federation{
		AllowedSites: []string{"a"}, MaxBundleSize: 100, RequireSignature: &no, SkipSignatureOnTrustedSites: true, AllowForce: &no, DefaultMaxItems: 7,
	})
	want := api.Federation{AllowedSites: []string{"a"}, MaxBundle: 100, Unsigned: true, UnsignedTrusted: true, NoForce: true, MaxItems: 7}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestWebhookAsConfigured(t *testing.T) {
	if _, on, err := Webhook(config.Webhook{}, nil); on || err != nil {
		t.Errorf("%v, %v", on, err)
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(strings.Repeat("s", 16)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, on, err := Webhook(config.Webhook{URL: "https://hooks.example", SecretFile: file, Batch: 5}, nil)
	if !on || err != nil || string(w.Secret) != strings.Repeat("s", 16) || w.Batch != 5 {
		t.Errorf("%+v, %v, %v", w, on, err)
	}
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + ".none"} {
		if _, on, err := Webhook(config.Webhook{URL: "https://hooks.example", SecretFile: path}, nil); on || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", path, on, err)
		}
	}
}
