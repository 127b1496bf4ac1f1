package cli

import (
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/controller"
	"github.com/skerryhq/skerry/appliance/site"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/api"
)

// release is set by the build (-ldflags -X).
var release string

// versionText is the release, or what the build recorded of its source.
func versionText() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = "+" + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	return "devel" + revision + dirty
}

func (a *app) version() *cobra.Command {
	return leaf("version", "Print the version", 0, 0, func(*cobra.Command, []string) error {
		_, err := a.out.Write([]byte("skerry " + versionText() + "\n"))
		return err
	})
}

// openapi prints the interface's description, from which the page's types are generated.
func (a *app) openapi() *cobra.Command {
	c := leaf("openapi", "Print the description of the interface (OpenAPI 3.1)", 0, 0, func(*cobra.Command, []string) error {
		raw, err := api.OpenAPI(versionText())
		if err != nil {
			return err
		}
		_, err = a.out.Write(append(raw, '\n'))
		return err
	})
	c.Hidden = true
	return c
}

// load reads a configuration; whatever is wrong with it is the caller's to mend.
func (a *app) load(path string) (config.Config, error) {
	c, err := config.LoadWith(path, a.env)
	if err != nil {
		return c, usage{err}
	}
	return c, nil
}

// loadFlag is load of --config, which must be there.
func (a *app) loadFlag(c *cobra.Command) (config.Config, error) {
	path := a.flagOr(a.config, "SKERRY_CONFIG")
	if path == "" {
		return config.Config{}, usagef("%s needs --config FILE", c.CommandPath())
	}
	return a.load(path)
}

func (a *app) serve() *cobra.Command {
	return leaf("serve --config FILE", "Run this machine's server, a controller or a site", 0, 0, func(c *cobra.Command, _ []string) error {
		conf, err := a.loadFlag(c)
		if err != nil {
			return err
		}
		log := a.logger(conf.Log)
		log.Info("starting", "role", conf.Role, "name", conf.Name, "data", conf.Data, "version", versionText())
		ready := func(url string) { log.Info("ready", "address", url, "socket", "unix://"+conf.Socket) }
		switch conf.Role {
		case model.RoleController:
			err = controller.Run(c.Context(), conf, controller.Options{Log: log, Version: versionText(), Ready: ready})
		case model.RoleSite:
			err = site.Run(c.Context(), conf, site.Options{Log: log, Version: versionText(), Ready: ready})
		default:
			err = errors.New("the configuration has no role") // Load has seen to it
		}
		if err == nil {
			log.Info("stopped")
		}
		return err
	})
}

func (a *app) logger(c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // the caller has checked it
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.err, o))
	}
	return slog.New(slog.NewTextHandler(a.err, o))
}

func (a *app) configuration() *cobra.Command {
	file := func(c *cobra.Command, args []string) (config.Config, string, error) {
		if len(args) == 1 {
			conf, err := a.load(args[0])
			return conf, args[0], err
		}
		conf, err := a.loadFlag(c)
		return conf, a.flagOr(a.config, "SKERRY_CONFIG"), err
	}
	validate := leaf("validate [FILE]", "Check a configuration file", 0, 1, func(c *cobra.Command, args []string) error {
		conf, name, err := file(c, args)
		if err != nil {
			return err
		}
		a.say("%s is valid: role %s, data in %s.", name, conf.Role, conf.Data)
		return nil
	})
	show := leaf("print [FILE]", "Print every setting that is in force: defaults, file and environment", 0, 1, func(c *cobra.Command, args []string) error {
		conf, _, err := file(c, args)
		if err != nil {
			return err
		}
		raw, err := config.Print(conf)
		if err != nil {
			return err
		}
		if conf.Role == model.RoleSite && conf.Uplink.Bandwidth == 0 {
			raw = append(raw, "# uplink.bandwidth is not set: the line carries what it can.\n"...)
		}
		if conf.Role == model.RoleSite && len(conf.Uplink.Window) == 0 {
			raw = append(raw, "# uplink.window is not set: what waits may go up at any time.\n"...)
		}
		if name := site.EnrolledAs(conf); conf.Role == model.RoleSite && name != "" && name != conf.Name {
			raw = append(raw, "# This site is enrolled as "+name+", which counts in place of name.\n"...)
		}
		_, err = a.out.Write(raw)
		return err
	})
	return a.group("config", "A server's configuration file", validate, show)
}
