package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // it was tried and did not work
	exitUsage   = 2 // the command line or the configuration is wrong
)

// Main runs skerry-agent with args (without the program's name) and returns its exit code. Data goes to
// stdout, messages to stderr. It ends in good order on SIGTERM and SIGINT.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "skerry-agent:", strings.TrimSpace(err.Error()))
	var usage usageError
	if errors.As(err, &usage) || fault.Is(err, fault.Invalid) {
		return exitUsage
	}
	return exitFailure
}

// usageError marks what is wrong with the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "skerry-agent", Short: "Reports this host to its Skerry site and runs the site's orders",
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("no command given; skerry-agent --help lists them")}
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.Version = Version
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.AddCommand(enrollCommand(), runCommand(), factsCommand(), versionCommand())
	for _, c := range append(root.Commands(), root) {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := cobra.NoArgs(c, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", RunE: func(c *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(c.OutOrStdout(), "skerry-agent", Version)
		return err
	}}
}

// identityDir is where the agent's key and identity are, in its data folder.
func identityDir(data string) string { return filepath.Join(data, "identity") }
