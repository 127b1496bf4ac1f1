package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// Group is the controller group that this server is a node of. It is safe for concurrent use, and who asks is in
// the contexts (see Actor). Its errors are shown to whoever asked, with their kind.
type Group interface {
	// Status returns the group as its leader sees it, or what this node knows where no leader answers. It does
	// not fail for want of a leader.
	Status(ctx context.Context) (schema.Cluster, error)
	// Token invites a node, with a name of its own where name is "". Asked again for a name whose token was not
	// used yet, it makes another in the place of that. It sees to the audit record.
	Token(ctx context.Context, name string, ttl time.Duration) (schema.ClusterToken, error)
	// Transfer lets the node with that id lead; "" is the one that has come furthest. It returns when that is so.
	Transfer(ctx context.Context, to string) error
	// Remove takes the node with that id out of the group for good. It refuses with fault.Conflict what would
	// leave the group without a majority of healthy voters. The id may be of a node that was only invited; one
	// that was removed is no error. Of what is done it sees to the audit record, and not of what is refused.
	Remove(ctx context.Context, id string) error
	// Backup writes everything that the group has to w, and returns nil only where w has all of it. It writes
	// nothing before it knows that it can begin. Where AsItIs(ctx), what this node has is enough, and the group is not
	// asked for more.
	Backup(ctx context.Context, w io.Writer) error
}

// Actor returns who asks, as the audit record has it, of the context of a call that this server makes: for those
// who propose in its name.
func Actor(ctx context.Context) string { return actorOf(ctx).name }

// How long a token for a controller may hold.
const (
	groupTokenTTL    = time.Hour
	minGroupTokenTTL = time.Minute
	maxGroupTokenTTL = 7 * 24 * time.Hour
)

// backupWrite is how long the reader of a backup may take for one piece of it.
const backupWrite = time.Minute

// staleLook is how long a group is waited for by whoever is content with what this node has.
const staleLook = 2 * time.Second

// clusterPath is the operation that is answered without a look at the leader: it tells what became of it.
const clusterPath = base + "/cluster"

// clusterRoutes is the operations on the group that this server belongs to.
func (s *Server) clusterRoutes() {
	op(s, http.MethodGet, "/cluster", "cluster", "The controller group: who leads, how far it has come, and how each node is", s.cluster)
	op(s, http.MethodPost, "/cluster/tokens", "invite-controller", "Make a one-time token with which another controller joins the group", s.inviteController)
	op(s, http.MethodPost, "/cluster/transfer", "transfer-leadership", "Let another node lead", s.transfer)
	op(s, http.MethodDelete, "/cluster/members/{id}", "remove-controller", "Take a node out of the group for good", s.removeController)
	raw(s, "/cluster/backup", "backup-cluster", "Everything that the group has, as a stream; a transfer without a proper end is not the whole",
		nil, map[string]*huma.MediaType{octets: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}, s.backup)
}

// octets is the type of what has no other.
const octets = "application/octet-stream"

// group returns the group, or why there is none.
func (s *Server) group() (Group, error) {
	switch {
	case s.c.Group != nil:
		return s.c.Group, nil
	case s.c.Role != model.RoleController:
		return nil, s.only(model.RoleController, "a group is looked after")
	}
	return nil, fault.New(fault.Conflict, "", "this controller runs without a group")
}

func (s *Server) cluster(ctx context.Context, _ *none) (*out[schema.Cluster], error) {
	g, err := s.group()
	if err != nil {
		return nil, err
	}
	status, err := g.Status(ctx)
	if err != nil {
		return nil, fault.Wrap("look at the group", err)
	}
	if status.Members == nil {
		status.Members = []schema.ClusterMember{}
	}
	return &out[schema.Cluster]{Body: status}, nil
}

type inviteControllerInput struct{ Body schema.ClusterInvite }

type clusterTokenOutput struct {
	Status int
	Body   schema.ClusterToken
}

func (s *Server) inviteController(ctx context.Context, in *inviteControllerInput) (*clusterTokenOutput, error) {
	const op = "invite controller"
	g, err := s.group()
	if err != nil {
		return nil, err
	}
	ttl, err := duration("body.ttl", in.Body.TTL, groupTokenTTL, minGroupTokenTTL, maxGroupTokenTTL)
	if err != nil {
		return nil, err
	}
	// A token is in the one answer only, so that asking again must make another (see Group.Token).
	token, err := g.Token(unkeyed(ctx), in.Body.Name, ttl)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if token.URL == "" {
		token.URL = s.c.URL
	}
	return &clusterTokenOutput{Status: http.StatusCreated, Body: token}, nil
}

type transferInput struct{ Body schema.ClusterTransfer }

func (s *Server) transfer(ctx context.Context, in *transferInput) (*none, error) {
	const op = "hand over the leadership"
	g, err := s.group()
	if err != nil {
		return nil, err
	}
	to := ""
	if in.Body.To != "" {
		if to, err = nodeNamed(ctx, g, in.Body.To); err != nil {
			return nil, fault.Wrap(op, err)
		}
	}
	err = g.Transfer(unkeyed(ctx), to)
	s.noteDone(ctx, "controller.transfer", to, err)
	return nil, fault.Wrap(op, err)
}

type controllerInput struct {
	ID string `path:"id" maxLength:"64" doc:"id or name"`
}

func (s *Server) removeController(ctx context.Context, in *controllerInput) (*none, error) {
	const op = "remove controller"
	g, err := s.group()
	if err != nil {
		return nil, err
	}
	id, err := nodeNamed(ctx, g, in.ID)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if err := g.Remove(unkeyed(ctx), id); err != nil {
		s.noteDone(ctx, "controller.remove", id, err)
		return nil, fault.Wrap(op, err)
	}
	return nil, nil
}

// nodeNamed returns the id of a node of the group, by its id or its name. An id need not be of a node that is
// there: it may be of one that was invited, or was removed.
func nodeNamed(ctx context.Context, g Group, name string) (string, error) {
	if id, err := model.ParseNodeID(name); err == nil {
		return id.String(), nil
	}
	status, err := g.Status(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, m := range status.Members {
		if m.Name == name {
			found = append(found, m.ID)
		}
	}
	switch len(found) {
	case 0:
		return "", fault.New(fault.NotFound, "", "there is no node %q in this group; its status lists those there are", name)
	case 1:
		return found[0], nil
	}
	return "", fault.New(fault.Conflict, "", "%d nodes are named %q: give the id of one: %s", len(found), name, strings.Join(found, ", "))
}

// noteDone audits what was done to the group, or was refused.
func (s *Server) noteDone(ctx context.Context, action, object string, err error) {
	n := model.Note{Action: action, Object: object, OK: err == nil}
	if err != nil {
		n.Reason = oneLine(err.Error())
	}
	s.noteOf(context.WithoutCancel(ctx), n)
}

// backup streams a backup. Of one that breaks off the answer has no proper end, so that no reader of chunks or
// of HTTP/2 takes a part for the whole.
func (s *Server) backup(w http.ResponseWriter, r *http.Request, _ asked) error {
	g, err := s.group()
	if err != nil {
		return err
	}
	select {
	case s.backups <- struct{}{}:
		defer func() { <-s.backups }()
	default:
		return fault.New(fault.Busy, "back up the group", "another backup is being written here: try again when it has ended")
	}
	ctx := r.Context()
	alone := AsItIs(ctx) && !s.answers(ctx)
	if AsItIs(ctx) && !alone {
		ctx = context.WithValue(ctx, asItIsKey{}, nil)
		w.Header()[ageHeader] = noAge
	}
	p := &parted{w: w, control: http.NewResponseController(w)}
	err = g.Backup(ctx, p)
	if alone {
		// The record is the group's, and nothing can be written to it now.
		s.c.Log.Warn("a backup of what this node has was asked for while the group does not answer: no audit entry can be made of it",
			"by", actorOf(ctx).name, "age", s.age(), "err", err)
	} else {
		s.noteDone(ctx, "cluster.backup", "", err)
	}
	switch {
	case err == nil:
		p.begin()
		return nil
	case !p.begun:
		return fault.Wrap("back up the group", err)
	}
	s.c.Log.Warn("a backup broke off", "request", requestID(r.Context()), "err", err)
	panic(http.ErrAbortHandler) // which leaves the answer without its end
}

// answers reports whether the group answers this node within a moment.
func (s *Server) answers(ctx context.Context) bool {
	if s.c.Fresh == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, staleLook)
	defer cancel()
	return s.c.Fresh(ctx) == nil
}

// age is how old what this node has may be.
func (s *Server) age() time.Duration {
	if s.c.Age == nil {
		return 0
	}
	return s.c.Age().Round(time.Second)
}

// parted is an answer that begins with its first byte, and of which each piece has its own time.
type parted struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (p *parted) begin() {
	if p.begun {
		return
	}
	p.begun = true
	h := p.w.Header()
	h.Set("Content-Type", octets)
	h.Set("Content-Disposition", `attachment; filename="skerry.backup"`)
	p.w.WriteHeader(http.StatusOK)
}

// Write implements io.Writer.
func (p *parted) Write(b []byte) (int, error) {
	p.begin()
	_ = p.control.SetWriteDeadline(time.Now().Add(backupWrite)) // a recorder in a test has none
	return p.w.Write(b)
}
