package main

import (
	"errors"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// coldQuestions is how many questions of a kind are asked after each start.
const coldQuestions = 50

// coldPart starts each engine anew before each kind, so that nothing is in its own cache, and asks each
// question once. With -evict the files leave the system's cache as well.
func (b *bench) coldPart() error {
	from := "the system's cache stays"
	if b.evict {
		from = "the system's cache is emptied of the files"
	}
	b.heading("cold: each engine is started anew before each kind, %d questions once; %s", min(coldQuestions, b.options.queries), from)
	engines := b.engines(false)
	b.printf("%-20s", "ms p50/p99")
	for _, e := range engines {
		b.printf(" %18s", e.Name())
	}
	b.printf("\n")
	worst, which := time.Duration(0), ""
	for _, kind := range fleet.Kinds {
		b.printf("%-20s", kind)
		questions := b.fleet.Queries(kind, min(coldQuestions, b.options.queries))
		for _, e := range engines {
			if err := b.restart(e); err != nil {
				return err
			}
			q, err := b.once(e, questions)
			if err != nil {
				return err
			}
			b.printf(" %18s", millis(q.p50)+"/"+millis(q.p99))
			if e == Engine(b.sk) && q.p99 > worst {
				worst, which = q.p99, kind
			}
		}
		b.printf("\n")
	}
	b.figure(worst <= 100*time.Millisecond, "cold block cache: p99 of every kind <= 100 ms", "worst %s ms, %s", millis(worst), which)
	return nil
}

// restart stops an engine and starts it again.
func (b *bench) restart(e Engine) error {
	stop, start, dir := b.sk.close, func() error { return b.sk.open(b.ctx, 0) }, b.sk.dir
	if e == Engine(b.pg) {
		stop, start, dir = b.pg.server.stop, func() error { return b.pg.server.start(b.ctx) }, b.pg.server.dir
	}
	err := stop()
	if err == nil && b.evict {
		err = evict(dir)
	}
	if err != nil {
		return err
	}
	return start()
}

// once asks each question once, with a session whose statements are prepared only as they come.
func (b *bench) once(e Engine, questions []fleet.Query) (quantiles, error) {
	s, err := e.Session(b.ctx)
	if err != nil {
		return quantiles{}, err
	}
	defer s.Close()
	times := make([]time.Duration, len(questions))
	for i, q := range questions {
		began := time.Now()
		_, err2 := s.Query(b.ctx, q)
		times[i] = time.Since(began)
		err = errors.Join(err, err2)
	}
	return quantiles{percentile(times, .5), percentile(times, .99)}, err
}
