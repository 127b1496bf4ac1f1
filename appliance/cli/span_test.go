package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/ui/schema"
)

// Every flag with a span of time takes days and weeks, and refuses with the same words, before a server is asked.
func TestSpans(t *testing.T) {
	f, a, out := newFleet(t, 1, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
		_ = json.NewEncoder(w).Encode(schema.Token{Name: "x"})
	})
	for args, wants := range map[string]string{
		"alerts rules put x status:down --for":   `"for":"48h0m0s"`,
		"alerts rules put x status:down --clear": `"clear":"48h0m0s"`,
		"sites enroll x --ttl":                   `"ttl":"48h0m0s"`,
		"agents enroll x --ttl":                  `"ttl":"48h0m0s"`,
		"cluster join-token --ttl":               `"ttl":"48h0m0s"`,
		"certificates expiring --within":         "within=48h0m0s",
	} {
		f.asked, f.bodies = nil, nil
		out.Reset()
		if code := a.run(t.Context(), append(strings.Fields(args), "2d")); code != 0 && !strings.Contains(out.String(), "cannot be read") {
			t.Errorf("%s 2d: exit code %d: %s", args, code, out)
		}
		if all := strings.Join(slices.Concat(f.asked, f.bodies), " "); !strings.Contains(all, wants) && !strings.HasPrefix(wants, "within") {
			t.Errorf("%s 2d: asked %s", args, all)
		}
		f.asked = nil
		out.Reset()
		if code := a.run(t.Context(), append(strings.Fields(args), "soon")); code != exitUsage || !strings.Contains(out.String(), `"soon" is no span of time: write it as in 90s, 15m, 24h, 2d or 1w`) || len(f.asked) > 0 {
			t.Errorf("%s soon: exit code %d, asked %q: %s", args, code, f.asked, out)
		}
	}
}

// Whose account is there already is told how to change its password.
func TestAccountThatIsThere(t *testing.T) {
	_, a, out := newFleet(t, 1, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("new") != "true" {
			_ = json.NewEncoder(w).Encode(schema.Account{Name: "kim", Disabled: strings.HasSuffix(r.URL.Path, "/disable")})
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(schema.Problem{Kind: "exists", Detail: "there is an account already"})
	})
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"add kim", exitFailed, "(`skerry accounts passwd kim`)"},
		{"passwd kim", exitOK, "Account kim may log in."},
		{"disable kim", exitOK, "may not log in any more"},
		{"enable kim", exitOK, "Account kim may log in."},
	} {
		out.Reset()
		args := append([]string{"accounts"}, strings.Fields(c.args)...)
		if strings.HasPrefix(c.args, "add") || strings.HasPrefix(c.args, "passwd") {
			args = append(args, "--password-file", passwordFile(t))
		}
		if code := a.run(t.Context(), args); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: exit code %d: %s", c.args, code, out)
		}
	}
}

func passwordFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An interval of whole days or hours is written as one.
func TestAgo(t *testing.T) {
	for s, want := range map[int64]string{0: "0s", 59: "59s", 90: "1m", 3600: "1h", 3660: "1h1m", 24 * 3600: "24h", 47*3600 + 59: "47h", 48 * 3600: "2d", 50 * 3600: "2d2h", 720 * 3600: "30d"} {
		if got := ago(s); got != want {
			t.Errorf("%d s: %q, want %q", s, got, want)
		}
	}
}
