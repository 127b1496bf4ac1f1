package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// Cluster is a group of real controllers: `skerry serve`, each a process with a folder of its own, on loopback or each
// in a host of a Net.
type Cluster struct {
	local.Group
	Nodes []*Node
	net   *Net
	// site makes the one node a site instead of a controller.
	site bool
	// prepare, if it is set, is called with each node before anything of it is there.
	prepare func(*Node) error
}

// Node is one controller.
type Node struct {
	Name, Addr string
	host       int
	cluster    *Cluster
	cmd        *exec.Cmd
	done       chan struct{} // closed when the process has ended
	api        *API
}

// Groups says why controllers cannot form groups here; "" if they can. bin is the folder of the program.
func Groups(bin string) string {
	out, err := exec.Command(filepath.Join(bin, "skerry"), "cluster", "join", "--help").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--from") {
		return "this skerry has no `cluster join`"
	}
	return ""
}

// NewCluster founds a group with one controller and joins the others to it. net may be nil. It returns when the group
// takes writes and has all of them as voters. Close it, also after an error.
func NewCluster(ctx context.Context, bin, dir string, n int, net *Net) (*Cluster, error) {
	c := &Cluster{Group: local.Group{Bin: bin, Dir: dir, Died: make(chan error, 1)}, net: net}
	return c, c.Grow(ctx, n)
}

// Grow adds controllers until there are n, and returns when all of them are voters.
func (c *Cluster) Grow(ctx context.Context, n int) error {
	had := len(c.Nodes)
	addrs := make([]string, n-had)
	if c.net == nil {
		var err error
		if addrs, err = local.FreePorts(n - had); err != nil {
			return err
		}
	}
	for i := had; i < n; i++ {
		node := &Node{Name: fmt.Sprint("c", i), Addr: addrs[i-had], host: i, cluster: c}
		if c.net != nil {
			node.Addr = c.net.Addr(i) + ":8443"
		}
		if c.prepare != nil {
			if err := c.prepare(node); err != nil {
				return err
			}
		}
		c.Nodes = append(c.Nodes, node)
		if err := node.configure(); err != nil {
			return err
		}
		if i > 0 {
			if err := c.join(ctx, node); err != nil {
				return err
			}
		}
		if err := node.Start(ctx); err != nil {
			return err
		}
		node.api = NewAPI(filepath.Join(c.Dir, node.Name, "skerry.sock"))
	}
	if n == 1 {
		return nil
	}
	return local.Until(ctx, 2*time.Minute, "all controllers becoming voters", func() (bool, error) {
		s, err := c.Status(ctx, c.Nodes[0])
		if err != nil || s.Leader == "" || len(s.Members) != n {
			return false, err
		}
		for _, m := range s.Members {
			if !m.Voter {
				return false, nil
			}
		}
		return true, nil
	})
}

func (n *Node) config() string { return filepath.Join(n.cluster.Dir, n.Name+".yaml") }

func (n *Node) configure() error {
	if n.cluster.site {
		text := fmt.Sprintf("role: site\nname: %s\ndata: %s\nlisten: %s\n", n.Name, n.Name, n.Addr)
		return os.WriteFile(n.config(), []byte(text), 0o600)
	}
	text := fmt.Sprintf("role: controller\nname: hq\ndata: %s\nlisten: %s\ncluster:\n  node: %s\n", n.Name, n.Addr, n.Name)
	return os.WriteFile(n.config(), []byte(text), 0o600)
}

// join enrolls a node at the first one.
func (c *Cluster) join(ctx context.Context, n *Node) error {
	var token schema.ClusterToken
	if err := c.Ask(ctx, c.Nodes[0].Name, &token, "cluster", "join-token", "--name", n.Name); err != nil {
		return err
	}
	cmd := n.command("cluster", "join", token.Token, "--from", "https://"+c.Nodes[0].Addr, "--address", n.Addr, "--config", n.config())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("join %s: %w: %s", n.Name, err, out)
	}
	return nil
}

// command returns skerry on the host of the node.
func (n *Node) command(args ...string) *exec.Cmd {
	program := filepath.Join(n.cluster.Bin, "skerry")
	cmd := exec.Command(program, args...)
	if n.cluster.net != nil {
		cmd = n.cluster.net.Exec(n.host, program, args...)
	}
	cmd.Dir = n.cluster.Dir
	return cmd
}

// API returns the node, as its local socket.
func (n *Node) API() *API { return n.api }

// PID returns the process of the node, which ip gives its own id to.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Log returns the file with what the node prints.
func (n *Node) Log() string { return filepath.Join(n.cluster.Dir, n.Name+".log") }

// Start starts the node and waits until its local socket answers.
func (n *Node) Start(ctx context.Context) error {
	if err := n.Spawn(); err != nil {
		return err
	}
	return local.Until(ctx, time.Minute, "the start of "+n.Name, func() (bool, error) {
		select {
		case <-n.done:
			return false, fmt.Errorf("%s ended; the end of its log:\n%s", n.Name, local.Tail(n.Log(), 12))
		default:
		}
		_, err := n.cluster.Run(ctx, n.Name, "skerry", "federation", "status", "-o", "json")
		return err == nil, err
	})
}

// Spawn starts the node and waits for nothing.
func (n *Node) Spawn() error {
	log, err := os.OpenFile(n.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := n.command("serve", "--config", n.config())
	cmd.Stdout, cmd.Stderr = log, log
	if err := start(cmd); err != nil {
		return err
	}
	done := make(chan struct{})
	n.cmd, n.done = cmd, done
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ends is the business of whoever ended it
	}()
	return nil
}

// Ended is closed when the process of the node has ended.
func (n *Node) Ended() <-chan struct{} { return n.done }

// Kill ends the node without a warning, and waits until it has ended.
func (n *Node) Kill() {
	_ = n.cmd.Process.Kill()
	<-n.done
}

// Stop asks the node to end, and waits for it; for 20 s at most, which is an error.
func (n *Node) Stop() error {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.done:
		return nil
	case <-time.After(20 * time.Second):
		before := local.Tail(n.Log(), 12)
		_ = n.cmd.Process.Signal(syscall.SIGQUIT) // what it waits for
		select {
		case <-n.done:
		case <-time.After(5 * time.Second):
			n.Kill()
		}
		return fmt.Errorf("%s did not stop within 20 s; the end of its log:\n%s\nand what it was doing:\n%s", n.Name, before, local.Tail(n.Log(), 2000))
	}
}

// Status asks a node what it knows of the group.
func (c *Cluster) Status(ctx context.Context, n *Node) (schema.Cluster, error) {
	var s schema.Cluster
	_, err := n.api.do(ctx, "GET", "/cluster", nil, nil, &s)
	return s, err
}

// Leader returns the node that the others say leads; nil while there is none.
func (c *Cluster) Leader(ctx context.Context) *Node {
	if len(c.Nodes) == 1 {
		return c.Nodes[0]
	}
	for _, n := range c.Nodes {
		one, cancel := context.WithTimeout(ctx, time.Second)
		s, err := c.Status(one, n)
		cancel()
		if err != nil || s.Leader == "" {
			continue
		}
		for _, m := range s.Members {
			for _, of := range c.Nodes {
				if m.ID == s.Leader && m.Name == of.Name {
					return of
				}
			}
		}
	}
	return nil
}

// Close ends all nodes.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range c.Nodes {
		if n.cmd != nil {
			errs = append(errs, n.Stop())
		}
		if n.api != nil {
			n.api.Close()
		}
	}
	return errors.Join(errs...)
}
