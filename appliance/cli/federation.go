package cli

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/site"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) federation() *cobra.Command {
	return a.group("federation", "This server's place in the federation", a.federationEnroll(), a.federationStatus())
}

func (a *app) federationEnroll() *cobra.Command {
	var controller, token, tokenFile string
	c := leaf("enroll --config FILE --controller URL --token TOKEN", "Enroll this site at its controller", 0, 0, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&controller, "controller", "", "the controller, https://HOST:PORT")
	c.Flags().StringVar(&token, "token", "", "the token that 'skerry sites enroll' printed")
	c.Flags().StringVar(&tokenFile, "token-file", "", "file with the token, so that it stands in no process list")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		conf, err := a.loadFlag(c)
		if err != nil {
			return err
		}
		if token, err = given(token, tokenFile); err != nil {
			return err
		}
		switch {
		case conf.Role != model.RoleSite:
			return usagef("%s configures a %s: sites enroll, and a controller is what they enroll at", a.flagOr(a.config, "SKERRY_CONFIG"), conf.Role)
		case controller == "" || token == "":
			return usagef("give --controller URL and --token TOKEN (or --token-file FILE), as `skerry sites enroll` printed them")
		}
		done, err := a.enrollAt(c, conf, controller, token)
		if err != nil {
			return err
		}
		a.say("Enrolled as site %s (%s) at controller %s.", fault.Printable(done.Name), done.SiteID, fault.Printable(done.Controller))
		if f.kind == "table" {
			return nil // the message says it all
		}
		return f.print(done, func() view {
			v := view{head: []string{"SITE", "ID", "CONTROLLER"}}
			v.add(done.Name, done.Name, done.SiteID, done.Controller)
			return v
		})
	}
	return c
}

// enrollAt has the running server do it, because the identity is its own; where none runs, the
// identity is written to where it will find it.
func (a *app) enrollAt(c *cobra.Command, conf config.Config, controller, token string) (schema.Enrolled, error) {
	conn, err := net.Dial("unix", conf.Socket)
	if err == nil {
		_ = conn.Close()
		var done schema.Enrolled
		err = socketClient(conf.Socket).call(c.Context(), http.MethodPost, "/federation/enroll", nil,
			schema.FederationEnroll{Controller: controller, Token: token}, &done)
		if err == nil {
			back(c.Context(), socketClient(conf.Socket))
		}
		return done, err
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return schema.Enrolled{}, socketClient(conf.Socket).unreached(c.Context(), err)
	}
	id, err := site.Enroll(c.Context(), conf, controller, token, versionText())
	return schema.Enrolled{SiteID: id.Member.String(), Name: id.Name, Controller: id.UpperName}, err
}

// back waits a little until the server, which starts anew with its identity, answers as an enrolled
// one, so that the operator's next command finds it. It was enrolled either way.
func back(ctx context.Context, server *client) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var node schema.Node
		if server.call(ctx, http.MethodGet, "/node", nil, nil, &node) == nil && node.Uplink != nil && node.Uplink.State != "unenrolled" {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// given returns a secret from the flag or the file.
func given(value, file string) (string, error) {
	if file == "" {
		return strings.TrimSpace(value), nil
	}
	if value != "" {
		return "", usagef("give the token once: --token or --token-file")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", usagef("--token-file: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

func (a *app) federationStatus() *cobra.Command {
	c := leaf("status", "This server, its link up and the bundles it has imported", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var status struct {
			Node schema.Node       `json:"node"`
			Sync schema.SyncStatus `json:"sync"`
		}
		if err := a.get(c, f, "/node", nil, &status.Node); err != nil {
			return err
		}
		if err := a.get(c, f, "/federation/sync/status", nil, &status.Sync); err != nil {
			return err
		}
		if f.kind != "table" && f.kind != "wide" {
			return f.print(status, func() view { return view{names: []string{status.Node.Name}} })
		}
		n := status.Node
		v := view{}
		v.add("", "Role", n.Role)
		v.add("", "Name", n.Name)
		v.add("", "ID", n.ID)
		v.add("", "Version", n.Version)
		if u := n.Uplink; u != nil {
			v.add("", "Link to controller", u.State)
			if u.Reason != "" {
				v.add("", "Why", u.Reason)
			}
			v.add("", "Since", u.Since)
			v.add("", "Controller", u.Controller)
			v.add("", "Not yet acknowledged", u.Pending)
			v.add("", "  in bytes", u.Bytes)
			if u.LastError != "" {
				v.add("", "Last error", u.LastError)
			}
		}
		v.add("", "Local cursor", status.Sync.LocalCursor)
		a.table(v, false)
		if len(status.Sync.Sites) > 0 {
			_, _ = a.out.Write([]byte("\n"))
			t := view{head: []string{"ORIGIN", "LAST SYNC", "CURSOR", "BUNDLES", "ITEMS", "ID"}}
			for _, s := range status.Sync.Sites {
				t.add(s.Name, s.Name, s.LastSyncAt, s.LastCursor, s.BundlesN, s.ItemsN, s.SiteID)
			}
			a.table(t, false)
		}
		return nil
	}
	return c
}
