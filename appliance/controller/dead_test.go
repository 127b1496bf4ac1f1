package controller

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/ui/schema"
)

// impatient is a policy by which a node is dead within seconds, and a second one gets no vote, so that it can be spared.
var impatient = node.Policy{Beat: 250 * time.Millisecond, StableFor: 500 * time.Millisecond, DeadAfter: 2 * time.Second, MaxVoters: 1}

// A node that is dead for long is taken out of the group and of the registry, shown as that, and told so when it comes
// back; its machine comes back as another node of the same name, and nobody had to remove anything.
func TestADeadNodeIsNoMemberAnyMore(t *testing.T) {
	a, listen := runNodeBy(t, shortDir(t), freePort(t), "alpha", impatient, nil), freePort(t)
	dead := runNodeBy(t, a.enter(t, "delta", listen), listen, "delta", impatient, nil)
	eventually(t, "it has the rows of the group", 30*time.Second, func() bool { return len(dead.others()) == 1 && a.voters(t) == 1 })
	if err := dead.stop(); err != nil {
		t.Fatal(err)
	}
	status := func(r *running) schema.Cluster {
		t.Helper()
		s, err := cluster{r.controller}.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	eventually(t, "the registry has the dead one as removed", 30*time.Second, func() bool { return len(status(a).Removed) == 1 })
	s := status(a)
	r := s.Removed[0]
	if r.ID != dead.me.Member.String() || r.Name != "delta" || r.Address != dead.address || !strings.HasPrefix(r.Why, "removed by the clean-up at 20") || !strings.Contains(r.Why, ", was dead since 20") {
		t.Errorf("it is shown as %+v", r)
	}
	if len(s.Members) != 1 {
		t.Errorf("it counts: %+v", s.Members)
	}
	eventually(t, "nobody is sent to it", 10*time.Second, func() bool { return len(a.others()) == 0 })

	// It comes back, and ends by itself with what to do.
	var said lines
	back := runNodeBy(t, dead.dir, dead.Listen, "delta", impatient, slog.New(slog.NewTextHandler(&said, nil)))
	back.endsRemoved(t)
	if text := said.String(); !strings.Contains(text, "removed by the clean-up at 20") || !strings.Contains(text, "skerry cluster rejoin") {
		t.Errorf("it says\n%s", text)
	}

	// By its name, as by an operator who follows that, though the group has no such node.
	if err := (cluster{a.controller}).Remove(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	token, err := cluster{a.controller}.Token(t.Context(), "delta", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := settings(dead.dir, dead.Listen, "delta")
	if _, _, err := Rejoin(t.Context(), c, token.Token, "https://"+a.address, dead.address, "test"); err != nil {
		t.Fatal(err)
	}
	runNodeBy(t, dead.dir, dead.Listen, "delta", impatient, nil)
	eventually(t, "it is a node again", 30*time.Second, func() bool { return len(status(a).Members) == 2 })
	if s := status(a); len(s.Removed) != 0 {
		t.Errorf("a node has its name again, and it is still shown: %+v", s.Removed)
	}
}

// lines keeps what is logged.
type lines struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A controller that the group took out under an earlier leader, or before groups kept that, is found as well; one that
// has only just enrolled, and one that is no more than invited, are not.
func TestStrays(t *testing.T) {
	a := runNode(t, shortDir(t), freePort(t), "alpha")
	add := func(name string, enrolled time.Time) model.NodeID {
		t.Helper()
		id := model.NodeID(uuid.Must(uuid.NewV7()))
		stamp := model.Stamp{Actor: "system", At: model.TimeOf(enrolled)}
		err := a.group.Load().Propose(t.Context(), model.PutController{Stamp: stamp, Member: id, Name: name, Address: name + ":1", Pin: "pin-" + name})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	stray, fresh := add("stray", time.Now().Add(-2*strayAfter)), add("fresh", time.Now())
	invited := a.invite(t, "invited").Member
	for range 2 {
		if err := a.retireDead(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[model.NodeID]model.MemberStatus{
		stray: model.MemberRemoved, fresh: model.MemberEnrolled, invited: model.MemberPending, a.me.Member: model.MemberEnrolled,
	} {
		if m, _, err := a.rows.Member(id); err != nil || m.Status != want {
			t.Errorf("%s is %s, want %s (%v)", m.Name, m.Status, want, err)
		}
	}
	s, err := cluster{a.controller}.Status(t.Context())
	if err != nil || len(s.Removed) != 1 || s.Removed[0].Name != "stray" || !strings.HasSuffix(s.Removed[0].Why, ", was dead") {
		t.Errorf("%+v, %v", s.Removed, err)
	}
}
