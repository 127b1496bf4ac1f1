// Package cli is the skerry command: it starts servers and talks to them.
//
// It owns the commands' names, flags, output and exit codes (0: done, 1: it failed, 2: the command
// or a configuration was wrong). Standard output is data, standard error is messages. It holds no
// logic of the federation: whatever it shows or changes, a server does, through the public API.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skerryhq/skerry/engine/fault"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usage marks an error of the command line or of a configuration file.
type usage struct{ error }

// Unwrap returns the cause.
func (u usage) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// reported marks a failure whose report has been printed already.
type reported struct{ error }

// app is one invocation.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)

	server, config, context, ca string // the flags that say which server
	stale                       bool   // reads are content with what the server has
	offline                     offline
}

// Main runs the command of this process and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks; a second one ends the process as if nobody had listened.
	context.AfterFunc(ctx, stop)
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv, offline: onThisMachine()}
	return a.run(ctx, os.Args[1:])
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	var ran *cobra.Command
	args, swallowed, err := shield(root, args)
	for _, arg := range swallowed {
		a.say("note: %s stands behind -- and is searched for, not read as a flag", fault.Printable(arg))
	}
	if err == nil {
		root.SetArgs(args)
		root.SetIn(a.in)
		root.SetOut(a.out)
		root.SetErr(a.err)
		ran, err = root.ExecuteContextC(ctx)
	}
	var bad usage
	var silent reported
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &silent):
		return exitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(a.err, "skerry: stopped")
		return exitFailed
	}
	text := err.Error()
	var said refusal
	if errors.As(err, &said) {
		words, flag := inFlags(ran, said.Error())
		if text = strings.Replace(text, said.Error(), words, 1); flag { // its value was wrong
			err = usage{err}
		}
	}
	fmt.Fprintln(a.err, "skerry: "+strings.TrimRight(text, "\n"))
	if errors.As(err, &bad) {
		return exitUsage
	}
	return exitFailed
}

func (a *app) root() *cobra.Command {
	root := a.group("skerry", "One federation of sites, their hosts and what threatens them",
		a.serve(), a.configuration(), a.login(), a.logout(), a.contexts(),
		a.sites(), a.federation(), a.cluster(), a.site(), a.hosts(), a.packages(), a.certificates(), a.searches(), a.agents(), a.exposure(), a.alerts(), a.policies(), a.advisories(), a.keys(), a.bundle(),
		a.commands(), a.audit(), a.accounts(), a.storage(), a.simulate(), a.version(), a.openapi())
	root.SilenceUsage, root.SilenceErrors = true, true
	root.Version = versionText()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%s; `%s --help` shows the flags", flagWords(err), c.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", "", "server to talk to: https://HOST:PORT or unix:///PATH; several of one group with commas between them (SKERRY_SERVER)")
	f.StringVar(&a.config, "config", "", "the server's configuration file: start with it, or talk to the server that runs with it (SKERRY_CONFIG)")
	f.StringVar(&a.context, "context", "", "the login to use, as 'skerry contexts list' names it (SKERRY_CONTEXT)")
	f.BoolVar(&a.stale, "stale", false, "read what the server has, also where its group does not answer; it may be old")
	f.StringVar(&a.ca, "ca", "", "PEM file with the authority that the server's certificate must come from (SKERRY_CA)")
	return root
}

// group is a command that has commands of its own and does nothing itself.
func (a *app) group(name, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		text := fmt.Sprintf("there is no command %q", strings.Join(append(strings.Fields(c.CommandPath())[1:], args[0]), " "))
		if other := c.Parent(); other != nil { // the machine's own site, and the sites of the federation
			if sub, rest, err := other.Find([]string{c.Name() + "s", args[0]}); err == nil && len(rest) == 0 && sub.Name() == args[0] {
				return usagef("%s (did you mean \"%ss %s\"?); `%s --help` lists the commands", text, c.Name(), args[0], c.CommandPath())
			}
		}
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			text += fmt.Sprintf(" (did you mean %q?)", near[0])
		}
		return usagef("%s; `%s --help` lists the commands", text, c.CommandPath())
	}
	c.AddCommand(children...)
	return c
}

// leaf is a command that does something. Its arguments are counted before anything is tried.
func leaf(use, short string, least, most int, run func(*cobra.Command, []string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: run}
	c.Args = func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s: an argument is missing; usage: %s", c.CommandPath(), c.UseLine())
		case most >= 0 && len(args) > most:
			return usagef("%s: %q is one argument too many; usage: %s", c.CommandPath(), args[most], c.UseLine())
		case slices.Contains(args, ""): // a variable that was not set, as a rule
			return usagef("%s: an argument is empty; usage: %s", c.CommandPath(), c.UseLine())
		}
		return nil
	}
	return c
}

// flagOr returns a flag's value or, where it is not given, that of the environment.
func (a *app) flagOr(flag, name string) string {
	if flag != "" {
		return flag
	}
	v, _ := a.env(name)
	return v
}

// say prints a message, which is not data.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }

// flagWords says what is wrong with a flag without the words of the parser that found it.
func flagWords(err error) string {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err.Error()
	}
	want := bad.GetFlag().Value.Type()
	for kind, words := range map[string]string{"float64": "a number, as in 52.5", "int": "a whole number", "uint64": "a whole number, not below 0", "bool": "true or false"} {
		if want == kind {
			return fmt.Sprintf("--%s: %q is not %s", bad.GetFlag().Name, bad.GetValue(), words)
		}
	}
	if cause := errors.Unwrap(err); cause != nil {
		return fmt.Sprintf("--%s: %v", bad.GetFlag().Name, cause)
	}
	return err.Error()
}
