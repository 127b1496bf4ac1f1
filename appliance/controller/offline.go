package controller

import (
	"context"
	"net"
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
)

// JoinedNode is what a machine has become.
type JoinedNode struct {
	Name  string // of the node
	Group string // its name
}

// Join makes the machine of c a node of the group that the controller at the URL from belongs to, by a token of `skerry cluster
// join-token`, and keeps what it is told in the data folder. It is for a controller that has never run: `skerry serve`
// starts it then. address is HOST:PORT where the others reach this machine; "": as its configuration says.
// version is of this program.
//
// It may be repeated with the same token where its answer was lost. fault.Unreachable and fault.ReadOnly are worth
// another try; every other kind says what to do.
func Join(ctx context.Context, c config.Config, token, from, address, version string) (JoinedNode, error) {
	const op = "join the group"
	if c.Role != model.RoleController {
		return JoinedNode{}, fault.New(fault.Invalid, op, "the configuration is of a %s: set role: controller to make this machine one", c.Role)
	}
	t, err := enroll.ParseToken(token)
	if err != nil {
		return JoinedNode{}, fault.Wrap(op, err)
	}
	if t.Kind != model.MemberController {
		return JoinedNode{}, fault.New(fault.Invalid, op, "this token is for a %s: make one for a controller with `skerry cluster join-token` on a controller of the group", t.Kind)
	}
	if address == "" {
		if address, err = ownAddress(c); err != nil {
			return JoinedNode{}, fault.Wrap(op, err)
		}
		if _, port, err := net.SplitHostPort(address); err != nil || port == "0" {
			return JoinedNode{}, fault.New(fault.Invalid, op, "listen: %s has no port that others could dial: set a port, or say where they reach this machine with --address HOST:PORT", c.Listen)
		}
	}
	if _, err := os.Lstat(filepath.Join(c.Data, restoreReady)); err == nil {
		return JoinedNode{}, fault.New(fault.Conflict, op, "a backup was restored to %s: a controller joins with an empty data folder; move this one away", c.Data)
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return JoinedNode{}, fault.New(fault.ReadOnly, op, "%w; make it writable for this user or set data: to another folder", err)
	}
	key, err := enroll.BeginNode(c.Data, t)
	if err != nil {
		return JoinedNode{}, err
	}
	n, err := enroll.JoinGroup(ctx, from, t, key, enroll.Newcomer{
		Name: (&controller{Config: c}).nodeName(), Software: "skerry " + version, Address: address,
	})
	if err != nil {
		return JoinedNode{}, err
	}
	return JoinedNode{Name: n.Name, Group: n.UpperName}, enroll.SaveNode(c.Data, n)
}

// ownAddress is HOST:PORT where the others reach this node, as a running one would have it: see serve.Door.URL. The
// port is 0 where the system is to choose one.
func ownAddress(c config.Config) (string, error) {
	if c.Cluster.Address != "" {
		return c.Cluster.Address, nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", fault.New(fault.Invalid, "", "listen: %s: %w", c.Listen, err)
	}
	if net.ParseIP(host).IsUnspecified() {
		host = ""
	}
	if len(c.Names) > 0 {
		host = c.Names[0]
	}
	if host == "" {
		if host, err = os.Hostname(); err != nil {
			return "", fault.New(fault.Invalid, "", "this machine has no name (%w): set cluster.address to HOST:PORT where the others reach it", err)
		}
	}
	return net.JoinHostPort(host, port), nil
}
