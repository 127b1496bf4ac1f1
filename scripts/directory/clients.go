package main

import (
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/fleet"
)

const (
	clients    = 8
	clientTime = 2 * time.Second // for each kind and engine
)

// clientsPart counts what eight clients get answered in a fixed time, and what processors worked for it. On a
// machine that others use too, the rates say little and the work still says something.
func (b *bench) clientsPart() error {
	if err := b.serveWeb(); err != nil {
		return err
	}
	b.heading("clients: answers a second to %d clients, %s for each kind; beside it us of CPU for one, server+client", clients, clientTime)
	engines := b.engines(true)
	b.printf("%-20s", "answers/s")
	for _, e := range engines {
		b.printf(" %22s", e.Name())
	}
	b.printf("\n")
	rates, work := make([][]float64, len(engines)), make([][]float64, len(engines))
	for _, kind := range fleet.Kinds {
		b.printf("%-20s", kind)
		var first tally
		for i, e := range engines {
			t, err := b.throughput(e, b.questions(kind))
			if err != nil {
				return err
			}
			if i == 0 {
				first = t
			}
			rates[i] = append(rates[i], t.rate()/first.rate())
			work[i] = append(work[i], first.work()/t.work())
			b.printf(" %9.0f %12s", t.rate(), t.cpu.each(t.answers))
		}
		b.printf("\n")
	}
	if b.pg == nil {
		return nil
	}
	for i, e := range engines[1:] {
		g := geomean(rates[i+1])
		b.printf("%-20s %s %.1fx the answers, %.1fx for each second of CPU\n", "geometric mean", e.Name(), g, geomean(work[i+1]))
		b.figure(g >= 8, e.Name()+": eight clients >= 8x PostgreSQL's throughput (geometric mean)", "%.1fx", g)
	}
	return nil
}

// tally is what the clients got, in how long, for how much work.
type tally struct {
	answers float64
	took    time.Duration
	cpu     cpu
}

func (t tally) rate() float64 { return t.answers / t.took.Seconds() }

// work is the time of processors for one answer, at both ends.
func (t tally) work() float64 { return (t.cpu.server + t.cpu.client).Seconds() / max(t.answers, 1) }

// throughput lets the clients ask for clientTime; each begins at another question.
func (b *bench) throughput(e Engine, questions []fleet.Query) (tally, error) {
	var answers atomic.Int64
	var stop atomic.Bool
	g, ctx := errgroup.WithContext(b.ctx)
	ready := make(chan struct{}, clients)
	begin := make(chan struct{})
	for c := range clients {
		g.Go(func() error {
			s, err := e.Session(ctx)
			if err != nil {
				ready <- struct{}{}
				return err
			}
			defer s.Close()
			_, err = s.Query(ctx, questions[0]) // statements prepared, connections open
			ready <- struct{}{}
			<-begin
			for i := c * len(questions) / clients; err == nil && !stop.Load(); i++ {
				if _, err = s.Query(ctx, questions[i%len(questions)]); err == nil {
					answers.Add(1)
				}
			}
			return err
		})
	}
	for range clients {
		<-ready
	}
	before := b.spent(e)
	began := time.Now()
	close(begin)
	select {
	case <-time.After(clientTime):
	case <-ctx.Done():
	}
	t := tally{answers: float64(answers.Load()), took: time.Since(began)}
	t.cpu = b.spent(e).minus(before)
	stop.Store(true)
	return t, g.Wait()
}
