package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// savedContexts is the file of logins: XDG_CONFIG_HOME/skerry/contexts.json, mode 0600.
type savedContexts struct {
	Current  string                   `json:"current"`
	Contexts map[string]*savedContext `json:"contexts"`
}

// savedContext is one login and how its server proves itself.
type savedContext struct {
	Server      string    `json:"server"`                // as parseServers reads it
	CA          string    `json:"ca,omitempty"`          // PEM; the server's name is checked too
	Fingerprint string    `json:"fingerprint,omitempty"` // hex SHA-256 of the authority's public key
	Account     string    `json:"account,omitempty"`
	Token       string    `json:"token,omitempty"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
}

// at returns a login at those servers, preferably the current one. A login at a group is one at each server of it.
func (s *savedContexts) at(server string) *savedContext {
	want, err := parseServers(server)
	if err != nil {
		return nil
	}
	for _, name := range append([]string{s.Current}, slices.Sorted(maps.Keys(s.Contexts))...) {
		if c := s.Contexts[name]; c != nil {
			if have, err := parseServers(c.Server); err == nil && within(want, have) {
				return c
			}
		}
	}
	return nil
}

// within reports whether each of some servers is among all.
func within(some, all []*url.URL) bool {
	for _, u := range some {
		if !slices.ContainsFunc(all, func(x *url.URL) bool { return x.String() == u.String() }) {
			return false
		}
	}
	return true
}

func (a *app) contextsPath() (string, error) {
	dir, _ := a.env("XDG_CONFIG_HOME")
	if dir == "" || !filepath.IsAbs(dir) {
		home, _ := a.env("HOME")
		if home == "" {
			return "", nil
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "skerry", "contexts.json"), nil
}

func (a *app) loadContexts() (*savedContexts, error) {
	s := &savedContexts{Contexts: map[string]*savedContext{}}
	path, err := a.contextsPath()
	if err != nil || path == "" {
		return s, err
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read contexts: %w", err)
	}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("read contexts: %s is damaged (%w): remove it and log in again", path, err)
	}
	if s.Contexts == nil {
		s.Contexts = map[string]*savedContext{}
	}
	return s, nil
}

func (a *app) saveContexts(s *savedContexts) error {
	path, err := a.contextsPath()
	if err != nil {
		return err
	}
	if path == "" {
		return errors.New("save contexts: neither XDG_CONFIG_HOME nor HOME is set")
	}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("save contexts: %w", err)
	}
	return replaceFile(path, append(raw, '\n'))
}

func (a *app) contexts() *cobra.Command {
	list := leaf("list", "The servers that this user is logged in at", 0, 0, nil)
	f := a.formatted(list)
	list.RunE = func(*cobra.Command, []string) error {
		s, err := a.loadContexts()
		if err != nil {
			return err
		}
		type row struct {
			Name      string    `json:"name"`
			Current   bool      `json:"current"`
			Server    string    `json:"server"`
			Account   string    `json:"account,omitempty"`
			ExpiresAt time.Time `json:"expires_at,omitzero"`
		}
		rows := []row{}
		for _, name := range slices.Sorted(maps.Keys(s.Contexts)) {
			c := s.Contexts[name]
			rows = append(rows, row{name, name == s.Current, c.Server, c.Account, c.ExpiresAt})
		}
		return f.print(rows, func() view {
			v := view{head: []string{"NAME", "CURRENT", "SERVER", "ACCOUNT", "SESSION UNTIL"}}
			for _, r := range rows {
				v.add(r.Name, r.Name, r.Current, r.Server, r.Account, r.ExpiresAt)
			}
			return v
		})
	}
	use := leaf("use NAME", "Make a login the current one", 1, 1, func(_ *cobra.Command, args []string) error {
		s, err := a.loadContexts()
		if err != nil {
			return err
		}
		if s.Contexts[args[0]] == nil {
			return usagef("there is no context %q; `skerry contexts list` shows those there are", args[0])
		}
		s.Current = args[0]
		return a.saveContexts(s)
	})
	return a.group("contexts", "The logins of this user", list, use)
}
