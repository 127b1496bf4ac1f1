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

// clientsPart counts what eight clients get answered in a fixed time.
func (b *bench) clientsPart() error {
	if err := b.serveWeb(); err != nil {
		return err
	}
	b.heading("clients: answers a second to %d clients, %s for each kind", clients, clientTime)
	engines := b.engines(true)
	b.printf("%-20s", "answers/s")
	for _, e := range engines {
		b.printf(" %12s", e.Name())
	}
	b.printf("\n")
	ratios := make([][]float64, len(engines))
	for _, kind := range fleet.Kinds {
		b.printf("%-20s", kind)
		first := 0.0
		for i, e := range engines {
			rate, err := b.throughput(e, b.questions(kind))
			if err != nil {
				return err
			}
			if i == 0 {
				first = rate
			}
			ratios[i] = append(ratios[i], rate/first)
			b.printf(" %12.0f", rate)
		}
		b.printf("\n")
	}
	if b.pg == nil {
		return nil
	}
	for i, e := range engines[1:] {
		g := geomean(ratios[i+1])
		b.printf("%-20s %s %.1fx\n", "geometric mean", e.Name(), g)
		b.figure(g >= 8, e.Name()+": eight clients >= 8x PostgreSQL's throughput (geometric mean)", "%.1fx", g)
	}
	return nil
}

// throughput lets the clients ask for clientTime; each begins at another question.
func (b *bench) throughput(e Engine, questions []fleet.Query) (float64, error) {
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
	began := time.Now()
	close(begin)
	select {
	case <-time.After(clientTime):
	case <-ctx.Done():
	}
	n, took := answers.Load(), time.Since(began)
	stop.Store(true)
	return float64(n) / took.Seconds(), g.Wait()
}
