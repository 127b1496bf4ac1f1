package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) cluster() *cobra.Command {
	children := []*cobra.Command{a.clusterStatus(), a.clusterPeers(), a.clusterJoinToken()}
	if a.offline.Join != nil {
		children = append(children, a.clusterJoin())
	}
	if a.offline.Rejoin != nil {
		children = append(children, a.clusterRejoin())
	}
	children = append(children, a.clusterTransfer(), a.clusterRemove(), a.clusterBackup())
	if a.offline.Restore != nil && a.offline.VerifyBackup != nil {
		children = append(children, a.clusterRestore())
	}
	return a.group("cluster", "The group of controllers: its nodes, who leads, backups", children...)
}

func (a *app) clusterStatus() *cobra.Command {
	c := leaf("status", "The group: who leads, how far it has come, whether it can be written to", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var s schema.Cluster
		if err := a.get(c, f, "/cluster", nil, &s); err != nil {
			return err
		}
		return f.print(s, func() view { return statusView(s) })
	}
	return c
}

// statusView is a group for a person. Whose view it is matters only where the leader did not answer.
func statusView(s schema.Cluster) view {
	v := view{head: []string{"VALUE", ""}, names: []string{s.Name}}
	row := func(name string, value any) { v.rows = append(v.rows, []any{name, value}) }
	row("Group", s.Name)
	row("ID", s.ID)
	leader := "none: writes wait until most voters can reach each other"
	if s.Leader != "" {
		leader = nodeTitle(s, s.Leader)
	}
	row("Leader", leader)
	row("Answered by", nodeTitle(s, s.Node))
	if s.SeenBy != s.Leader {
		row("Seen by", nodeTitle(s, s.SeenBy)+", which does not lead: of the others it knows little")
	}
	row("Nodes", nodesIn(s))
	row("Writes", orYes(s.ReadOnly))
	row("Term", s.Term)
	row("Entries agreed on", s.CommitIndex)
	row("Entries applied", s.AppliedIndex)
	row("Entry version", s.EntryVersion)
	row("Epoch", s.Epoch)
	if s.Next != "" {
		row("Next", s.Next)
	}
	return v
}

func orYes(why string) string {
	if why == "" {
		return "yes"
	}
	return "no: " + why
}

// unheard reports whether a node was neither heard nor asked in vain yet, by a leader that has just begun: that says nothing
// of it.
func unheard(m schema.ClusterMember) bool { return m.LastContactS == nil && m.Error == "" }

// nodesIn counts the nodes, and says how many voters may be lost.
func nodesIn(s schema.Cluster) string {
	voters, others, silent, lost := 0, 0, 0, 0
	for _, m := range s.Members {
		if m.Voter {
			voters++
		} else {
			others++
		}
		if !m.Reachable && (s.Leader == "" || !unheard(m)) {
			silent++
			if m.Voter {
				lost++
			}
		}
	}
	text := fmt.Sprintf("%d %s", voters, plural(voters, "voter"))
	if others > 0 {
		text += fmt.Sprintf(", %d without a vote", others)
	}
	if silent > 0 {
		text += fmt.Sprintf(", %d cannot be reached", silent)
	}
	if lost > 0 && voters > 2 {
		switch left := (voters-1)/2 - lost; {
		case left > 0:
			return text + fmt.Sprintf("; it bears the loss of %d more", left)
		case left == 0:
			return text + "; it bears the loss of none more"
		}
		return text + "; it has lost its majority"
	}
	return text + "; " + bears(voters)
}

// bears says how many of so many voters a group can do without.
func bears(voters int) string {
	n := (voters - 1) / 2
	if n <= 0 {
		return "it bears the loss of none"
	}
	return "it bears the loss of " + strconv.Itoa(n)
}

// nodeTitle is a node's name, with enough of its id to tell it apart.
func nodeTitle(s schema.Cluster, id string) string {
	for _, m := range s.Members {
		if m.ID == id && m.Name != "" {
			return m.Name + " (" + id + ")"
		}
	}
	return id
}

func (a *app) clusterPeers() *cobra.Command {
	c := leaf("peers", "The nodes of the group, and how each is", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var s schema.Cluster
		if err := a.get(c, f, "/cluster", nil, &s); err != nil {
			return err
		}
		if s.SeenBy != s.Leader {
			a.say("note: no leader answers, so this is what %s knows", fault.Printable(nodeTitle(s, s.SeenBy)))
		}
		for _, m := range s.Removed {
			a.say("note: %s (%s) at %s is no node any more: %s; its machine comes back with `skerry cluster join-token --replace %s`", fault.Printable(m.Name), m.ID,
				fault.Printable(m.Address), fault.Printable(m.Why), fault.Printable(m.Name))
		}
		return f.print(s.Members, func() view { return peersView(s.Members) })
	}
	return c
}

func peersView(members []schema.ClusterMember) view {
	v := view{
		head: []string{"NAME", "ROLE", "STATE", "BEHIND", "LAST HEARD", "VERSION", "DISK", "LINKS", "ADDRESS"},
		wide: []string{"ENTRY VERSION", "READY", "REASON", "ID"},
	}
	led := slices.ContainsFunc(members, func(m schema.ClusterMember) bool { return m.Leader })
	for _, m := range members {
		role, state := "follower", "up"
		switch {
		case m.Leader:
			role = "leader"
		case !m.Voter:
			role = "non-voter"
		}
		switch {
		case m.Reachable:
		case led && unheard(m):
			state = "unknown"
		default:
			state = "down"
		}
		var lag, heard, links, ready, entry any
		if m.LagEntries != nil {
			lag = *m.LagEntries
		}
		if m.LastContactS != nil {
			heard = fmt.Sprintf("%.1fs ago", *m.LastContactS)
		}
		if m.Links != nil {
			links = *m.Links
		}
		if m.Ready != nil {
			ready = *m.Ready
		}
		if m.EntryVersion != 0 {
			entry = m.EntryVersion
		}
		reasons := strings.Join(m.Reasons, "; ")
		if m.Error != "" {
			reasons = m.Error
		}
		v.add(m.Name, m.Name, role, state, lag, heard, m.Version, m.Disk, links, m.Address, entry, ready, reasons, m.ID)
	}
	return v
}

func (a *app) clusterJoinToken() *cobra.Command {
	var body schema.ClusterInvite
	var address, replace string
	var yes bool
	c := leaf("join-token", "Make a one-time token with which another machine becomes a controller of this group", 0, 0, nil)
	f := a.formatted(c)
	c.Long = c.Short + `.

Whoever has the token becomes a controller, with all keys of the federation: hand it over as you would hand over those.

With --replace it is for a new node in the place of one that is gone or damaged: that one is taken out of the group for good first,
and the new one has its name. Its machine, with what is left of its data, becomes the new node by "skerry cluster rejoin".`
	c.Flags().StringVar(&body.Name, "name", "", "a label for the new node; one is made if absent")
	c.Flags().StringVar(&replace, "replace", "", "take this node, by name or id, out of the group, and make a token for one in its place")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "with --replace: do not ask")
	c.Flags().Var(span{&body.TTL}, "ttl", "how long the token holds, 1m to 168h; 1h if absent")
	c.Flags().StringVar(&address, "controller-url", "", "how the new machine reaches this controller, for the command that is printed")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if replace != "" {
			name, err := a.retire(c, replace, yes)
			if err != nil {
				return err
			}
			body.Name = cmp.Or(body.Name, name)
		}
		var token schema.ClusterToken
		server, err := a.post(c, f, "/cluster/tokens", nil, body, &token)
		if err != nil {
			return err
		}
		if f.kind != "table" && f.kind != "wide" {
			return f.print(token, func() view { return view{names: []string{token.Name}} })
		}
		from := urlOf(server, address, schema.Token{URL: token.URL})
		where, how := "On the new machine, with role: controller and an empty data folder in its configuration, run:", "join"
		if replace != "" {
			where, how = "On its machine, with the server stopped, run (or join instead of rejoin where its data folder is empty):", "rejoin"
		}
		fmt.Fprintf(a.out, "Node:    %s (%s)\nToken:   %s\n         shown this once; it holds until %s\nCA pin:  %s\n\n%s\n  skerry cluster %s %s --config FILE --from %s\n",
			fault.Printable(token.Name), token.ID, token.Token, when(&token.ExpiresAt), token.Pin, where, how, token.Token, from)
		return nil
	}
	return c
}

func (a *app) clusterTransfer() *cobra.Command {
	c := leaf("transfer [NODE]", "Let another node lead: one by name or id, or the one that has come furthest", 0, 1, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		var body schema.ClusterTransfer
		if len(args) == 1 {
			body.To = args[0]
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		if err := server.call(c.Context(), http.MethodPost, "/cluster/transfer", nil, body, nil); err != nil {
			return err
		}
		var s schema.Cluster
		if server.call(c.Context(), http.MethodGet, "/cluster", nil, nil, &s) == nil && s.Leader != "" {
			a.say("%s leads now.", fault.Printable(nodeTitle(s, s.Leader)))
		}
		return nil
	}
	return c
}

func (a *app) clusterRemove() *cobra.Command {
	var yes, dry bool
	c := leaf("remove NODE", "Take a node out of the group for good, by name or id; or withdraw the invitation of an id", 1, 1, nil)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would happen")
	c.RunE = func(c *cobra.Command, args []string) error {
		_, err := a.takeOut(c, args[0], "Remove it?", yes, dry, func(schema.ClusterMember) error { return nil })
		if err == nil && !dry {
			a.say("Removed. Its server stops by itself; to use the machine again, move its data folder away and join it anew.")
		}
		return err
	}
	return c
}

// takeOut takes a node out of the group, once may has let it and a person has agreed, and returns what it was.
func (a *app) takeOut(c *cobra.Command, which, ask string, yes, dry bool, may func(schema.ClusterMember) error) (was schema.ClusterMember, err error) {
	server, err := a.client()
	if err != nil {
		return was, err
	}
	var s schema.Cluster
	if err := server.call(c.Context(), http.MethodGet, "/cluster", nil, nil, &s); err != nil {
		return was, err
	}
	id, plan, err := removal(s, which)
	if err != nil {
		return was, err
	}
	if at := slices.IndexFunc(s.Members, func(m schema.ClusterMember) bool { return m.ID == id }); at >= 0 {
		was = s.Members[at]
	}
	if at := slices.IndexFunc(s.Removed, func(m schema.ClusterRemoved) bool { return m.ID == id }); at >= 0 {
		was = schema.ClusterMember{ID: id, Name: s.Removed[at].Name, Address: s.Removed[at].Address}
	}
	if err := may(was); err != nil {
		return was, err
	}
	a.say("%s", fault.Printable(plan))
	if dry {
		a.say("A dry run: nothing was changed.")
		return was, nil
	}
	if !yes {
		ok, err := a.confirm(c.Context(), ask)
		if err != nil {
			return was, err
		}
		if !ok {
			return was, errors.New("not removed")
		}
	}
	return was, server.call(c.Context(), http.MethodDelete, "/cluster/members/"+url.PathEscape(id), nil, nil, nil)
}

// retire takes a node that is no more out of the group, so that another one can take its place, and returns its name.
func (a *app) retire(c *cobra.Command, which string, yes bool) (name string, err error) {
	was, err := a.takeOut(c, which, "Replace it?", yes, false, func(m schema.ClusterMember) error {
		switch {
		case m.ID == "":
			return fault.New(fault.NotFound, "", "%s is no node of this group (`skerry cluster peers -o wide`)", which)
		case m.Reachable:
			return fault.New(fault.Conflict, "", "%s answers: stop it first, if it is to be replaced", m.Name)
		}
		return nil
	})
	return was.Name, err
}

// removal finds the node that is meant, and says what becomes of the group without it. An id may be of a node that
// was only invited.
func removal(s schema.Cluster, name string) (id, plan string, err error) {
	var found []schema.ClusterMember
	voters := 0
	for _, m := range s.Members {
		if m.ID == name || m.Name == name {
			found = append(found, m)
		}
		if m.Voter {
			voters++
		}
	}
	for _, m := range s.Removed {
		if len(found) == 0 && (m.ID == name || m.Name == name) {
			return m.ID, fmt.Sprintf("%s at %s is no node of %s any more: %s.", m.Name, m.Address, s.Name, m.Why), nil
		}
	}
	switch len(found) {
	case 0:
		if len(name) == 36 && strings.Count(name, "-") == 4 {
			return name, fmt.Sprintf("%s is no node of %s; if it was invited, its token is void then.", name, s.Name), nil
		}
		return "", "", fault.New(fault.NotFound, "", "there is no node %q in this group (`skerry cluster peers`)", name)
	case 1:
	default:
		return "", "", fault.New(fault.Conflict, "", "%d nodes are named %q: give the id of one (`skerry cluster peers -o wide`)", len(found), name)
	}
	m := found[0]
	plan = fmt.Sprintf("%s at %s leaves the group %s for good", m.Name, m.Address, s.Name)
	switch {
	case !m.Voter:
		plan += "; it has no vote, so nothing else changes."
	case voters <= 1:
		plan += "; it is the last voter, and the group will refuse."
	default:
		plan += fmt.Sprintf(": of %d voters %d are left, %s.", voters, voters-1, strings.Replace(bears(voters-1), "it bears", "and the group bears", 1))
	}
	if m.Leader {
		plan += " It leads; another node is made the leader first."
	}
	return m.ID, plan, nil
}

func (a *app) clusterBackup() *cobra.Command {
	c := leaf("backup FILE", "Write everything that the group has to a file, while it runs; - is standard output", 1, 1, nil)
	c.Long = c.Short + `.

The file is there when this command succeeds, and not before. It holds the keys of the federation: keep it as you would keep those.
Where the group has lost its majority, --stale takes what the node that is asked has. It says how old that may be; no audit entry
can be made of it then.`
	c.RunE = func(c *cobra.Command, args []string) error {
		file := args[0]
		if file != "-" {
			if err := writable(file); err != nil {
				return err
			}
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		resp, err := server.send(c.Context(), http.MethodGet, "/cluster/backup", nil, nil, "")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		n, err := a.receive(resp.Body, file, 0o600)
		if err != nil {
			return fmt.Errorf("the backup broke off, and what came is not all: %w", err)
		}
		if file != "-" {
			if age, err := strconv.ParseFloat(resp.Header.Get("Skerry-Age"), 64); a.stale && err == nil && age > 0 {
				a.say("note: the group does not answer, so the audit record has no entry of this backup; the server's log has a line")
			}
			a.say("Wrote %s (%s bytes). `skerry cluster backup verify %s` checks it.", filepath.Base(file), grouped(int(n)), file)
		}
		return nil
	}
	if a.offline.VerifyBackup != nil {
		c.AddCommand(a.clusterBackupVerify())
	}
	return c
}
