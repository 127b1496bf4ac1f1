package node

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// bridge hands the messages of Raft and its log to slog: what they call an error or a warning as a
// warning, for an operator can do nothing about a lost packet that Raft does not do itself, and all
// the rest at debug.
type bridge struct {
	hclog.Logger // a null logger, for the methods that nobody here calls
	log          *slog.Logger
	name         string
}

func newLogger(log *slog.Logger) *bridge {
	return &bridge{Logger: hclog.NewNullLogger(), log: log}
}

// routine are warnings that say that all goes as it should: every start of a group has them.
var routine = map[string]bool{
	"heartbeat timeout reached, starting election": true,
	"no known peers, aborting election":            true,
}

func (b *bridge) write(level hclog.Level, msg string, args []any) {
	to := slog.LevelDebug
	if level >= hclog.Warn && !routine[msg] {
		to = slog.LevelWarn
	}
	if !b.log.Enabled(context.Background(), to) {
		return
	}
	kept := make([]any, 0, len(args)+2)
	kept = append(kept, "from", b.name)
	for _, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 { // hclog.Fmt
			a = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
		kept = append(kept, a)
	}
	b.log.Log(context.Background(), to, msg, kept...)
}

func (b *bridge) Log(l hclog.Level, msg string, args ...any) { b.write(l, msg, args) }
func (b *bridge) Trace(msg string, args ...any)              { b.write(hclog.Trace, msg, args) }
func (b *bridge) Debug(msg string, args ...any)              { b.write(hclog.Debug, msg, args) }
func (b *bridge) Info(msg string, args ...any)               { b.write(hclog.Info, msg, args) }
func (b *bridge) Warn(msg string, args ...any)               { b.write(hclog.Warn, msg, args) }
func (b *bridge) Error(msg string, args ...any)              { b.write(hclog.Error, msg, args) }

func (b *bridge) Name() string { return b.name }

func (b *bridge) Named(name string) hclog.Logger {
	if b.name != "" {
		name = b.name + "." + name
	}
	return b.ResetNamed(name)
}

func (b *bridge) ResetNamed(name string) hclog.Logger {
	return &bridge{Logger: b.Logger, log: b.log, name: name}
}

func (b *bridge) With(args ...any) hclog.Logger {
	return &bridge{Logger: b.Logger, log: b.log.With(args...), name: b.name}
}
