package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/controller"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// offline is what is done to a data folder of a controller that does not run. A command whose function is nil is
// not there.
type offline struct {
	// Join makes an empty data folder that of a new node of the group that token is of. from is the URL of a
	// controller, address HOST:PORT where the others reach this one, "" what the configuration says.
	Join func(ctx context.Context, c config.Config, token, from, address, version string) (joinedNode, error)
	// Rejoin does the same where the data folder is of a damaged node of that group, and keeps what it had.
	Rejoin func(ctx context.Context, c config.Config, token, from, address, version string) (joinedNode, error)
	// VerifyBackup reads a whole backup and holds it against its signature and digests, and its keys against those in the
	// data folder of a controller, where data names one.
	VerifyBackup func(ctx context.Context, path, data string) (backupInfo, error)
	// Restore makes the data folder that of a group of one with what is in a backup, of which it has verified all
	// before it changes anything.
	Restore func(ctx context.Context, c config.Config, path string) (backupInfo, error)
}

// onThisMachine is what this program can do to data folders.
func onThisMachine() offline {
	told := func(b controller.BackupInfo, err error) (backupInfo, error) {
		return backupInfo{
			Group: b.Group.String(), Name: b.Name, Node: b.Node, At: b.At.Std(), Applied: b.Applied, Bytes: b.Bytes, Files: b.Files, Version: b.Program,
			CAPin: b.CAPin, Own: b.Own, AgeS: b.AgeS,
		}, err
	}
	return offline{
		Join: func(ctx context.Context, c config.Config, token, from, address, version string) (joinedNode, error) {
			n, err := controller.Join(ctx, c, token, from, address, version)
			return joinedNode{Name: n.Name, Group: n.Group}, err
		},
		Rejoin: func(ctx context.Context, c config.Config, token, from, address, version string) (joinedNode, error) {
			n, kept, err := controller.Rejoin(ctx, c, token, from, address, version)
			return joinedNode{Name: n.Name, Group: n.Group, Kept: kept}, err
		},
		VerifyBackup: func(ctx context.Context, path, data string) (backupInfo, error) {
			return told(controller.VerifyBackup(ctx, path, data))
		},
		Restore: func(ctx context.Context, c config.Config, path string) (backupInfo, error) {
			return told(controller.Restore(ctx, c, path))
		},
	}
}

// joinedNode is what a machine has become.
type joinedNode struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	Kept  string `json:"kept,omitempty"` // folder with what a node had that was replaced
}

// backupInfo is what a backup says of itself.
type backupInfo struct {
	Group   string    `json:"group"` // id
	Name    string    `json:"name"`  // of the group
	Node    string    `json:"node"`  // that it was taken on
	At      time.Time `json:"at"`
	Applied uint64    `json:"applied"` // index of the last entry in it
	Bytes   int64     `json:"bytes"`
	Files   int       `json:"files"`
	Version string    `json:"version"`         // of the program that wrote it
	CAPin   string    `json:"ca_pin"`          // of the authority in it, which signed it
	AgeS    float64   `json:"age_s,omitempty"` // how old what the node had may have been; 0: it had all
	Own     bool      `json:"own"`             // that authority and the group's key are those of the controller it was held against
}

func (a *app) clusterJoin() *cobra.Command {
	return a.joining("join", "Make this machine a node of a group of controllers, before its first start", "", a.offline.Join)
}

func (a *app) clusterRejoin() *cobra.Command {
	return a.joining("rejoin", "Make this machine, whose data is damaged, a new node of its group", `

Everything comes from the other controllers. The token is made on one of them by "skerry cluster join-token --replace NODE", which
takes the damaged node out of the group. What it had is kept in a folder within the data folder, to be removed once the new one
is well. The server must not run meanwhile.`, a.offline.Rejoin)
}

// joining is a command that makes the machine a node of a group, by a token.
func (a *app) joining(name, short, long string, do func(ctx context.Context, c config.Config, token, from, address, version string) (joinedNode, error)) *cobra.Command {
	var from, address, tokenFile string
	c := leaf(name+" TOKEN --from URL --config FILE", short, 0, 1, nil)
	if long != "" {
		c.Long = short + "." + long
	}
	f := a.formatted(c)
	c.Flags().StringVar(&from, "from", "", "a controller of the group, https://HOST:PORT")
	c.Flags().StringVar(&address, "address", "", "HOST:PORT where the others reach this one; as the configuration says if absent")
	c.Flags().StringVar(&tokenFile, "token-file", "", "file with the token, so that it stands in no process list")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		conf, err := a.controllerConfig(c)
		if err != nil {
			return err
		}
		token := ""
		if len(args) == 1 {
			token = args[0]
		}
		if token, err = given(token, tokenFile); err != nil {
			return err
		}
		if token == "" || from == "" {
			return usagef("give TOKEN (or --token-file FILE) and --from URL, as `skerry cluster join-token` printed them")
		}
		if u, err := parseServer(from); err != nil || u.Scheme != "https" {
			return usagef("--from: %q is no controller: want https://HOST:PORT", from)
		}
		done, err := do(c.Context(), conf, token, from, address, versionText())
		if err != nil {
			return err
		}
		a.say("This machine is node %s of the group %s. Start it: `skerry serve --config %s`.",
			fault.Printable(done.Name), fault.Printable(done.Group), a.flagOr(a.config, "SKERRY_CONFIG"))
		if done.Kept != "" {
			a.say("What it had before is in %s: remove that once `skerry cluster peers` shows the node as up and not behind.", done.Kept)
		}
		if f.kind == "table" {
			return nil // the message says it all
		}
		return f.print(done, func() view {
			v := view{head: []string{"NAME", "GROUP"}}
			v.add(done.Name, done.Name, done.Group)
			return v
		})
	}
	return c
}

// controllerConfig is the configuration of a controller on this machine.
func (a *app) controllerConfig(c *cobra.Command) (config.Config, error) {
	conf, err := a.loadFlag(c)
	if err == nil && conf.Role != model.RoleController {
		err = usagef("%s configures a %s: only controllers are in a group", a.flagOr(a.config, "SKERRY_CONFIG"), conf.Role)
	}
	return conf, err
}

func (a *app) clusterBackupVerify() *cobra.Command {
	c := leaf("verify FILE [--config FILE]", "Check a backup from its first to its last byte, without a server", 1, 1, nil)
	f := a.formatted(c)
	c.Long = c.Short + `.

With --config of a controller on this machine it must be a backup of that controller's group. Without, its keys can only be held
against each other: then compare the CA pin with the one that "skerry cluster join-token" prints.`
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		data := ""
		if a.flagOr(a.config, "SKERRY_CONFIG") != "" {
			conf, err := a.controllerConfig(c)
			if err != nil {
				return err
			}
			data = conf.Data
		}
		info, err := a.offline.VerifyBackup(c.Context(), args[0], data)
		if err != nil {
			return err
		}
		switch {
		case data != "" && !info.Own:
			a.say("note: %s holds no keys of a group: whether this is a backup of yours was not checked; compare its CA pin", data)
		case !info.Own:
			a.say("note: whether this is a backup of yours was not checked: compare its CA pin, or give --config of a controller of the group")
		}
		return f.print(info, func() view { return backupView(info) })
	}
	return c
}

func backupView(b backupInfo) view {
	v := view{head: []string{"VALUE", ""}, names: []string{b.Name}}
	row := func(name string, value any) { v.rows = append(v.rows, []any{name, value}) }
	row("Group", b.Name)
	row("ID", b.Group)
	row("Taken at", b.At)
	row("Taken on", b.Node)
	if b.AgeS > 0 {
		row("Of rows", "as old as "+aged(b.AgeS)+" then: its group did not answer, and may have had more")
	}
	row("Entries", b.Applied)
	row("Files", b.Files)
	row("Bytes", grouped(int(b.Bytes)))
	row("Written by", "skerry "+b.Version)
	row("CA pin", b.CAPin)
	row("Whole", "yes")
	if b.Own {
		row("Of this group", "yes")
	}
	return v
}

func (a *app) clusterRestore() *cobra.Command {
	var yes bool
	c := leaf("restore FILE --config FILE", "Begin a group anew from a backup, on a machine whose server does not run", 1, 1, nil)
	f := a.formatted(c)
	c.Long = c.Short + `.

The machine becomes the one node of the group, with everything that the backup has; what came after the backup is gone here.
The others of the old group must not run again: move their data folders away and join them anew. Sites that know more than the
backup send what is missing.`
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		conf, err := a.controllerConfig(c)
		if err != nil {
			return err
		}
		info, err := a.offline.VerifyBackup(c.Context(), args[0], conf.Data)
		if err != nil {
			return err
		}
		a.say("%s is whole: the group %s as of %s, taken on %s, %s bytes.\n"+
			"%s becomes its one node. What came after the backup is gone; no other node of the old group may run again.",
			args[0], fault.Printable(info.Name), when(&info.At), fault.Printable(info.Node), grouped(int(info.Bytes)), conf.Data)
		if !yes {
			ok, err := a.confirm(c.Context(), "Restore it?")
			if err != nil {
				return err
			}
			if !ok {
				return errors.New("not restored")
			}
		}
		if info, err = a.offline.Restore(c.Context(), conf, args[0]); err != nil {
			return err
		}
		a.say("Restored. Start it: `skerry serve --config %s`; then join the others with new tokens.", a.flagOr(a.config, "SKERRY_CONFIG"))
		if f.kind == "table" {
			return nil
		}
		return f.print(info, func() view { return backupView(info) })
	}
	return c
}
