package apply_test

import (
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/recorded"
	"github.com/skerryhq/skerry/storage/index"
)

// recordedParts calls fn with the recorded records in parts of about 1 MiB, as a proposer makes them; they are decoded from their
// JSON, as a log's are.
func recordedParts(b *testing.B, path string, fn func([]model.Advisory)) {
	var part []model.Advisory
	size := 0
	err := recorded.Each(path, func(name string, body []byte) error {
		a, err := canonical.DecodeFile("", name, body)
		if err != nil {
			return nil // it is named and skipped by whoever ingests
		}
		row, err := model.Encode(a)
		if err != nil {
			return err
		}
		var again model.Advisory
		if err := model.Decode(row, &again); err != nil {
			return err
		}
		part = append(part, again)
		if size += len(row); size > 1<<20 {
			fn(part)
			part, size = nil, 0
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	fn(part)
}

// peak returns the most memory that this process ever had, in MiB.
func peak() string {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

// processor returns how long this process has been on a processor, background work included.
func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRunOfAllRecords stages and takes in all recorded records at an empty site, and then a change of 5,000 of them: on a
// file system, each Stage a durable commit of its own. The times of decoding are not in it.
func BenchmarkRunOfAllRecords(b *testing.B) {
	path, err := recorded.Path("dev-osv.tar.zst")
	if err != nil {
		b.Skipf("NOTHING MEASURED: %v", err)
	}
	for b.Loop() {
		s, err := index.Open(b.TempDir(), index.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		n := uint64(0)
		do := func(c model.Change) time.Duration {
			began := time.Now()
			n++
			tx := s.Begin()
			defer tx.Discard()
			if _, err := apply.Change(tx, apply.Env{Role: model.RoleSite}, c); err != nil {
				b.Fatal(err)
			}
			if err := tx.Commit(n, true); err != nil {
				b.Fatal(err)
			}
			return time.Since(began)
		}
		stamp := model.Stamp{Actor: "system", At: 1_700_000_000_000}
		do(model.Found{Stamp: stamp, Self: model.NodeID(berlin), Role: model.RoleSite, Name: "here"})
		var staging time.Duration
		parts, records := 0, 0
		var some []model.Advisory
		recordedParts(b, path, func(part []model.Advisory) {
			for i, a := range part {
				if (records+i)%15 == 0 && len(some) < 5000 {
					some = append(some, a)
				}
			}
			records += len(part)
			staging += do(model.Stage{Stamp: stamp, Run: "all", Part: parts, Put: part})
			parts++
		})
		used := processor()
		took := do(model.Commit{Stamp: stamp, Run: "all", Parts: parts, Kind: model.RunIngest})
		b.Logf("%d records in %d parts: stage %v, commit %v (%v of processors), peak %s", records, parts, staging, took, processor()-used, peak())
		for i := range some {
			some[i].Summary += " (changed)"
		}
		staging = do(model.Stage{Stamp: stamp, Run: "delta", Put: some})
		used = processor()
		took = do(model.Commit{Stamp: stamp, Run: "delta", Parts: 1, Kind: model.RunIngest})
		b.Logf("%d changed: stage %v, commit %v (%v of processors), peak %s", len(some), staging, took, processor()-used, peak())
		v := s.View()
		r, _, err := v.RunResult("all")
		if err != nil {
			b.Fatal(err)
		}
		d, _, err := v.RunResult("delta")
		if err != nil {
			b.Fatal(err)
		}
		for name, read := range map[string]func(model.Cursor, func(model.AdvisoryChange) error) error{"decoded": v.AdvisoriesAfter, "as stored": v.ChangesAfter} {
			used, began, n := processor(), time.Now(), 0
			if err := read(model.Cursor{}, func(model.AdvisoryChange) error { n++; return nil }); err != nil {
				b.Fatal(err)
			}
			b.Logf("%d changes read %s in %v (%v of processors)", n, name, time.Since(began), processor()-used)
		}
		_ = v.Close()
		b.Logf("%+v\n%+v", r, d)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
