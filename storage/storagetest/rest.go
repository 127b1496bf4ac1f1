package storagetest

import (
	"github.com/skerryhq/skerry/engine/model"
)

func matches(s suite) {
	m := model.Match{Digest: "d", Generation: 1, Counts: model.SeverityCounts{High: 1}}
	for range 2000 { // large enough for whatever a store does with large rows
		m.Findings = append(m.Findings, model.Finding{Vulnerability: "CVE-2024-1", Package: "zlib1g", Version: "1", Severity: model.SeverityHigh, Verdict: model.VerdictAffected})
	}
	small := model.Match{Digest: "dd", Findings: []model.Finding{}}
	s.twice(func(tx Tx) {
		row(s, m, false)(tx.Match("d"))
		s.ok(tx.PutMatch(m))
		s.ok(tx.PutMatch(small))
		s.ok(tx.MarkDirty("d"))
		s.ok(tx.MarkDirty("d"))
		s.ok(tx.ClearDirty("never marked"))
	}, func(tx Tx) {
		row(s, m, true)(tx.Match("d"))
		row(s, small, true)(tx.Match("dd"))
		head := m
		head.Findings = nil
		row(s, head, true)(tx.MatchHead("d"))
		row(s, head, false)(tx.MatchHead("absent"))
	})
	s.twice(func(tx Tx) {
		s.ok(tx.DeleteMatch("d"))
		s.ok(tx.DeleteMatch("absent"))
		s.ok(tx.ClearDirty("d"))
	}, func(tx Tx) {
		row(s, m, false)(tx.Match("d"))
		row(s, small, true)(tx.Match("dd"))
	})
}

func work(s suite) {
	c := model.Command{ID: model.CommandID{1}, Kind: model.CommandPing, State: model.CommandQueued, TaskN: map[model.CommandState]int{model.CommandQueued: 2}}
	task := func(cmd, host byte) model.Task {
		return model.Task{Command: model.CommandID{cmd}, Host: model.HostID{host}, State: model.CommandQueued, History: []model.Step{{State: model.CommandQueued, At: 1}}}
	}
	s.twice(func(tx Tx) {
		row(s, c, false)(tx.Command(c.ID))
		s.ok(tx.PutCommand(c))
		for _, h := range []byte{2, 1} {
			s.ok(tx.PutTask(task(1, h)))
			s.ok(tx.PutTask(task(2, h)))
		}
	}, func(tx Tx) {
		row(s, c, true)(tx.Command(c.ID))
		row(s, task(1, 2), true)(tx.Task(c.ID, model.HostID{2}))
		row(s, task(1, 2), false)(tx.Task(c.ID, model.HostID{3}))
		var seen []byte
		s.ok(tx.EachTask(c.ID, func(t model.Task) error { seen = append(seen, t.Command[0], t.Host[0]); return nil }))
		equal(s, "tasks", seen, []byte{1, 1, 1, 2})
	})
	c.State = model.CommandPartial
	s.twice(func(tx Tx) { s.ok(tx.PutCommand(c)) }, func(tx Tx) { row(s, c, true)(tx.Command(c.ID)) })
}

func people(s suite) {
	account := model.Account{Name: "ada", PasswordHash: "$argon2id$", Disabled: true}
	login := model.Session{ID: model.SessionID{1}, Account: "ada", ExpiresAt: 9}
	entry := func(n model.Seq) model.AuditEntry {
		return model.AuditEntry{Seq: n, Actor: "system", Action: "site.enroll", OK: true, Detail: map[string]string{"b": "1", "a": "2"}}
	}
	s.twice(func(tx Tx) {
		row(s, account, false)(tx.Account("ada"))
		row(s, login, false)(tx.Session(login.ID))
		row(s, entry(0), false)(tx.LastAudit())
		s.ok(tx.PutAccount(account))
		s.ok(tx.PutSession(login))
		s.ok(tx.PutAudit(entry(1)))
		s.ok(tx.PutAudit(entry(2)))
	}, func(tx Tx) {
		row(s, account, true)(tx.Account("ada"))
		row(s, account, false)(tx.Account("ad"))
		row(s, login, true)(tx.Session(login.ID))
		row(s, entry(2), true)(tx.LastAudit())
	})
	tx := s.store.Begin()
	for _, n := range []model.Seq{0, 1, 2, 4} {
		if tx.PutAudit(entry(n)) == nil {
			s.Errorf("audit entry %d was accepted behind entry 2", n)
		}
	}
	tx.Discard()
	s.twice(func(tx Tx) {
		for n := model.Seq(3); n <= 300; n++ { // past one byte of a number
			s.ok(tx.PutAudit(entry(n)))
		}
		s.ok(tx.DeleteSession(login.ID))
		s.ok(tx.DeleteSession(login.ID))
		s.ok(tx.DeleteAccount("ada"))
		s.ok(tx.DeleteAccount("ada"))
	}, func(tx Tx) {
		row(s, entry(300), true)(tx.LastAudit())
		row(s, login, false)(tx.Session(login.ID))
		row(s, account, false)(tx.Account("ada"))
	})
}

// directives can only be written through apply.Tx; what they read as is tested with the store's queries.
func directives(s suite) {
	to := model.NodeID{1}
	s.write(func(tx Tx) {
		for range 3 {
			s.ok(tx.PutDirective(to, model.ItemSigner, "sha256:aa", 1))
			s.ok(tx.PutDirective(model.NodeID{}, model.ItemShelf, "shelf", 1))
			s.ok(tx.PutDirective(to, model.ItemOrder, model.CommandID{7}.String(), 1))
		}
		s.ok(tx.RemoveDirective(to, "sha256:aa"))
		s.ok(tx.RemoveDirective(to, "absent"))
	})
	s.write(func(tx Tx) { s.ok(tx.RemoveDirective(to, model.CommandID{7}.String())) })
}
