package site

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/space"
)

// diskRule is the rule about the disk that a new site has.
func diskRule(t *testing.T) model.Rule {
	t.Helper()
	rules := alert.Defaults()
	at := slices.IndexFunc(rules, func(r model.Rule) bool { return r.Name == "disk-low" })
	if at < 0 {
		t.Fatal("there is no rule about the disk")
	}
	return rules[at]
}

// The rule about the disk holds before the site stops taking changes in, on a disk of any size: while the twentieth part
// of the disk is written, at the least.
func TestTheDiskRuleSpeaksBeforeTheMark(t *testing.T) {
	rule := diskRule(t)
	when, err := alert.Parse(rule.When)
	if err != nil {
		t.Fatal(err)
	}
	for _, total := range []int64{512 << 20, 4 << 30, 19 << 30, 21 << 30, 64 << 30, 1 << 40, 16 << 40} {
		free := total
		sp, err := space.Open(space.Config{Dir: t.TempDir(), Ballast: 1, Free: func(string) (int64, int64, error) { return free, total, nil }})
		if err != nil {
			t.Fatal(err)
		}
		began := int64(-1)
		for ; free > 0; free -= total / 400 {
			sp.Look()
			var f alert.Figures
			f.Set(alert.DiskFree, float64(free))
			f.Set(alert.DiskFreePercent, 100*float64(free)/float64(total))
			holds, known, _ := when.Holds(&f)
			if !known {
				t.Fatal("the rule is about something else")
			}
			if holds && began < 0 {
				began = free
			}
			if sp.Err(space.Low) != nil {
				break
			}
		}
		if began < 0 || began-free < total/20-total/200 {
			t.Errorf("a disk of %d MiB: the rule holds from %d MiB, changes are refused from %d", total>>20, began>>20, free>>20)
		}
	}
}

// A disk that fills up faster than the rule waits: the alert opens all the same, while every other change is refused.
func TestTheDiskAlertOpensOnADiskThatIsFull(t *testing.T) {
	const total = 100 << 30
	var free atomic.Int64
	free.Store(total)
	now := time.Now()
	s := &site{Config: configOf(t), opts: Options{Log: quiet}, log: quiet, metrics: serve.NewMetrics(model.RoleSite, "test")}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.space, err = space.Open(space.Config{Dir: t.TempDir(), Ballast: 1, Free: func(string) (int64, int64, error) { return free.Load(), total, nil }}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.prop.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	at := func() model.Stamp { return model.Stamp{Actor: "system", At: model.TimeOf(now)} }
	rule := diskRule(t)
	if err := s.prop.Propose(ctx, model.Found{Stamp: at(), Self: newID(1), Role: model.RoleSite, Name: "oslo"}, model.PutRule{Stamp: at(), Rule: rule}); err != nil {
		t.Fatal(err)
	}
	seen := at().At
	judge := func(n byte) error {
		return s.prop.Propose(ctx, model.JudgeAlerts{Stamp: at(), Judged: []model.Judgement{
			{Rule: rule.Name, Seen: seen, Holds: true, Alert: newID(n), Label: "oslo", Value: fmt.Sprint(free.Load())},
		}})
	}
	level := func(left int64) { free.Store(left); s.space.Look() }
	level(800 << 20)
	for n := range 3 {
		if err := judge(byte(20 + n)); err != nil {
			t.Fatalf("the rule is not judged on a disk that is filling up: %v", err)
		}
		now = now.Add(time.Minute)
	}
	v := s.rows.Store.View()
	n, _, err := v.AlertCounts(newID(1))
	_ = v.Close()
	if err != nil || n.Critical != 1 {
		t.Errorf("the alerts are %+v, %v", n, err)
	}
	note := model.Note{Stamp: at(), Action: "test", Object: "x", OK: true}
	if err := s.prop.Propose(ctx, note); !fault.Is(err, fault.Full) {
		t.Errorf("another change on that disk: %v", err)
	}
	if err := s.prop.Propose(ctx, model.JudgeAlerts{Stamp: at()}, note); !fault.Is(err, fault.Full) {
		t.Errorf("another change beside a judgement: %v", err)
	}
	level(100 << 20)
	if err := judge(30); !fault.Is(err, fault.Full) {
		t.Errorf("below the second mark: %v", err)
	}
}
