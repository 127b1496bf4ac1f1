package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/probe"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/clock"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
)

func enrollCommand() *cobra.Command {
	var site, token, tokenFile, data, file string
	c := &cobra.Command{
		Use:   "enroll --site URL --token TOKEN --data DIR",
		Short: "Make this host a member of a site, with a token from `skerry agents enroll`",
		Long: "Make this host a member of a site, with a token from `skerry agents enroll`.\n\n" +
			"The token pins the site's authority, so that nobody in between can take its place. Running the same command\n" +
			"again with the same token is harmless: it helps where the answer was lost. With a token from `skerry agents rekey`\n" +
			"a host that is enrolled gets a new key; start the agent again after that.",
		RunE: func(c *cobra.Command, _ []string) error {
			if site == "" || (token == "") == (tokenFile == "") {
				return usageError{errors.New("enroll needs --site URL and one of --token TOKEN or --token-file FILE")}
			}
			s, err := loadConfig(file, data)
			if err != nil {
				return err
			}
			if tokenFile != "" {
				if token, err = readToken(tokenFile, c.InOrStdin()); err != nil {
					return err
				}
			}
			id, err := join(c.Context(), s, site, token)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "enrolled as %q (%s) at site %q\nstart the agent with: skerry-agent run --data %s\n", id.Name, id.Member, id.UpperName, s.Data)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&site, "site", "", "address of the site, as in https://site.example:8443")
	f.StringVar(&token, "token", "", "the one-time token")
	f.StringVar(&tokenFile, "token-file", "", "read the token from this file, or from standard input if it is -")
	addConfig(c, &file, &data)
	return c
}

// readToken reads a token from a file, so that it need not stand on a command line that others see.
func readToken(name string, stdin io.Reader) (string, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", fault.New(fault.Invalid, "read the token", "%w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return "", fault.New(fault.Invalid, "read the token", "%w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// join enrolls this host and keeps the identity.
func join(ctx context.Context, s config.AgentConfig, site, text string) (enroll.Identity, error) {
	token, err := enroll.ParseToken(strings.TrimSpace(text))
	if err != nil {
		return enroll.Identity{}, err
	}
	if token.Kind != model.MemberHost {
		return enroll.Identity{}, fault.New(fault.Invalid, "enroll", "the token is for a %s, not for a host: make one with `skerry agents enroll NAME` on the site", token.Kind)
	}
	if err := enroll.CheckFolder(s.Data, model.MemberHost); err != nil {
		return enroll.Identity{}, err
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return enroll.Identity{}, fault.New(fault.ReadOnly, "make the data folder", "%w; choose another one with --data, or give this user the right to write there", err)
	}
	dir := identityDir(s.Data)
	if err := finish(dir); err != nil {
		return enroll.Identity{}, fault.New(fault.ReadOnly, "enroll", "%w", err)
	}
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	me := enroll.Newcomer{Name: name, Software: software()}
	switch old, err := enroll.LoadIdentity(dir); {
	case err == nil && old.Member == token.Member:
		return again(ctx, dir, site, token, old, me)
	case err == nil:
		return old, fault.New(fault.Exists, "enroll", "this host is enrolled already, as %q at site %q: to enroll it anew, stop the agent and remove %s", old.Name, old.UpperName, s.Data)
	case err != nil && !fault.Is(err, fault.NotFound):
		return old, err
	}
	key, err := enroll.OpenKey(dir)
	if err != nil {
		return enroll.Identity{}, err
	}
	id, err := enroll.Join(ctx, site, token, key, me)
	if err != nil {
		return id, err
	}
	return id, enroll.SaveIdentity(dir, id)
}

func software() string { return "skerry-agent " + Version }

func runCommand() *cobra.Command {
	var data, file string
	c := &cobra.Command{
		Use: "run", Short: "Report this host and run orders, until told to stop",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := loadConfig(file, data)
			if err != nil {
				return err
			}
			if err := enroll.CheckFolder(s.Data, model.MemberHost); err != nil {
				return err
			}
			if err := finish(identityDir(s.Data)); err != nil {
				return fault.New(fault.ReadOnly, "start agent", "%w", err)
			}
			id, err := enroll.LoadIdentity(identityDir(s.Data))
			if fault.Is(err, fault.NotFound) {
				return fault.New(fault.NotFound, "start agent", "%w; run skerry-agent enroll --site URL --token TOKEN --data %s first", err, s.Data)
			}
			if err != nil {
				return err
			}
			log := logger(s.Log, c.ErrOrStderr())
			addr, err := link.Address(id.URL)
			if err != nil {
				return err
			}
			ticks := clock.Open(clock.Config{Path: filepath.Join(s.Data, "clock.json"), Evidence: []time.Time{id.EnrolledAt.Std()}, Log: log})
			dial := id.Dial(ticks.Now)
			dial.Log = log
			a, err := Open(Config{
				Dir: s.Data, Host: model.HostID(id.Member), Name: id.Name, Epoch: id.Epoch, Site: id.Upper,
				Dial: func(ctx context.Context) (exchange.Session, error) {
					session, err := link.Dial(ctx, addr, dial)
					if err != nil {
						return nil, err // not a typed nil
					}
					return session, nil
				},
				Probe: machine(s), Tags: s.Tags, Owner: s.Owner, Interval: s.Interval.Std(), Log: log,
				Now: ticks.Now, Told: ticks.Learn, Machine: machineMark("/"),
			})
			if err != nil {
				return err
			}
			log.Info("agent started", "version", Version, "host", id.Member, "site", id.UpperName, "address", addr, "pending", a.Pending())
			var keeping sync.WaitGroup
			keep, stop := context.WithCancel(c.Context())
			keeping.Go(func() { _ = ticks.Run(keep) }) // it has said what is wrong
			err = a.Run(c.Context())
			stop()
			keeping.Wait()
			log.Info("agent stopped", "pending", a.Pending())
			return errors.Join(err, a.Close())
		},
	}
	addConfig(c, &file, &data)
	return c
}

// machine returns the probe of this machine.
func machine(s config.AgentConfig) Probe {
	root := probe.Machine(Version)
	usual := config.DefaultAgent().Certificates
	return Probe{
		Facts:     func(ctx context.Context) (model.Facts, error) { return probe.Facts(ctx, root) },
		Inventory: func(ctx context.Context) (model.Inventory, error) { return probe.Inventory(ctx, root) },
		Certificates: func(ctx context.Context) ([]model.Certificate, []error) {
			list, errs := probe.Certificates(ctx, s.Certificates)
			if slices.Equal(s.Certificates, usual) { // nobody said that they are there
				errs = slices.DeleteFunc(errs, func(err error) bool { return fault.Is(err, fault.NotFound) })
			}
			return list, errs
		},
		OSFacts: func(ctx context.Context) (model.OSFacts, error) { return probe.OSFacts(ctx, root) },
	}
}

// report is what `skerry-agent facts` prints.
type report struct {
	Facts        model.Facts         `json:"facts"`
	Packages     []model.Package     `json:"packages"`
	Certificates []model.Certificate `json:"certificates"`
	System       model.OSFacts       `json:"system"`
	Problems     []string            `json:"problems,omitzero"`
}

func factsCommand() *cobra.Command {
	var data, file, output string
	c := &cobra.Command{
		Use: "facts", Short: "Print what the agent would report of this host, and send nothing",
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "json" && output != "table" {
				return usageError{fmt.Errorf("--output is %q; want table or json", output)}
			}
			s, err := loadConfig(file, data)
			if err != nil {
				return err
			}
			r, err := observe(c.Context(), s)
			if err != nil {
				return err
			}
			for _, p := range r.Problems {
				fmt.Fprintln(c.ErrOrStderr(), "skerry-agent:", p)
			}
			if output == "table" {
				return r.table(c.OutOrStdout())
			}
			b, err := model.Encode(r)
			if err == nil {
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", b)
			}
			return err
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	addConfig(c, &file, &data)
	return c
}

// observe looks at everything once. What cannot be observed is among the problems.
func observe(ctx context.Context, s config.AgentConfig) (report, error) {
	p := machine(s)
	r := report{Packages: []model.Package{}, Certificates: []model.Certificate{}}
	var err error
	if r.Facts, err = p.Facts(ctx); err != nil {
		return r, err
	}
	r.Facts.Tags, r.Facts.Owner = slices.Sorted(slices.Values(s.Tags)), s.Owner
	inv, err := p.Inventory(ctx)
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
	} else {
		r.Packages = inv.Packages
	}
	list, errs := p.Certificates(ctx)
	r.Certificates = append(r.Certificates, list...)
	for _, err := range errs {
		r.Problems = append(r.Problems, err.Error())
	}
	if r.System, err = p.OSFacts(ctx); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	for _, section := range r.System.Cut {
		r.Problems = append(r.Problems, "facts of the system: "+section+" is not whole: it cannot be read, or is too long")
	}
	return r, ctx.Err()
}

func (r report) table(w io.Writer) error {
	f := r.Facts
	reboot := "this system does not tell"
	if f.RebootNeeded != nil {
		reboot = map[bool]string{true: "yes", false: "no"}[*f.RebootNeeded]
	}
	managers := map[string]int{}
	for _, p := range r.Packages {
		managers[p.Manager]++
	}
	var counts []string
	for _, m := range []string{"dpkg", "apk", "rpm"} {
		if n := managers[m]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, m))
		}
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	for _, row := range [][2]string{
		{"hostname", f.Hostname},
		{"fqdn", f.FQDN},
		{"ipv4", strings.Join(f.IPv4, ", ")},
		{"ipv6", strings.Join(f.IPv6, ", ")},
		{"mac", strings.Join(f.MAC, ", ")},
		{"system", f.OS.Name},
		{"kernel", f.Kernel},
		{"architecture", f.Arch},
		{"booted at", f.BootedAt.String()},
		{"reboot needed", reboot},
		{"processors", some(f.CPUs, "")},
		{"memory", some(f.MemoryMB, " MB")},
		{"serial number", f.Serial},
		{"packages", strings.Join(counts, ", ")},
		{"certificates", fmt.Sprint(len(r.Certificates))},
		{"file systems", fmt.Sprint(len(r.System.Mounts))},
		{"disks", fmt.Sprint(len(r.System.Disks))},
		{"services", fmt.Sprint(len(r.System.Services))},
		{"listening", fmt.Sprint(len(r.System.Listeners))},
		{"time zone", r.System.TimeZone},
		{"tags", strings.Join(f.Tags, ", ")},
		{"owner", f.Owner},
		{"agent", f.AgentVersion},
	} {
		if row[1] == "" {
			row[1] = "-"
		}
		t.AppendRow(table.Row{row[0], row[1]})
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

// some is a number with its unit; zero is not known.
func some(n int, unit string) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n) + unit
}

func addConfig(c *cobra.Command, file, data *string) {
	c.Flags().StringVar(file, "config", "", "configuration file (YAML)")
	c.Flags().StringVar(data, "data", "", "data folder; overrides the configuration")
}

// loadConfig reads the configuration and lays the flags over it.
func loadConfig(file, data string) (config.AgentConfig, error) {
	c, err := config.LoadAgent(file)
	if err != nil || data == "" {
		return c, err
	}
	if c.Data, err = filepath.Abs(data); err != nil {
		return c, usageError{err}
	}
	return c, nil
}

// logger returns the log that the configuration asks for.
func logger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // checked with the configuration
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
