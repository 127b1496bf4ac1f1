package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
)

// A controller shows a host as unknown while the link of its site is down, so that a controller without its
// sites would answer other questions than the ones that are compared. links gives every site its link; the
// sites have nothing to say.
type links struct {
	stop   context.CancelFunc
	joined sync.WaitGroup
}

// siteKey makes a key for a site and a certificate of it.
func siteKey() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// dialLinks opens the links of all sites at the controller that serves dir on addr, and returns when all of
// them are up.
func dialLinks(ctx context.Context, addr, dir string, self model.NodeID, keys map[model.SiteID]tls.Certificate) (*links, error) {
	ca, err := enroll.OpenCA(filepath.Join(dir, "pki"), "Skerry federation CA", time.Now, nil)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &links{stop: stop}
	up := make(chan struct{}, len(keys))
	var mu sync.Mutex
	last := ""
	turns := make(chan struct{}, 8)
	for id, key := range keys {
		once := sync.OnceFunc(func() { up <- struct{}{} })
		u := uplink.New(uplink.Config{
			Self: model.NodeID(id), Name: "bench", Software: "bench", Upper: self, Outbox: silent{}, Sink: deaf{},
			Dial: func(ctx context.Context) (exchange.Session, error) {
				turns <- struct{}{}
				defer func() { <-turns }()
				return link.Dial(ctx, addr, link.DialConfig{Cert: key, CAPin: ca.Pin()})
			},
			Resync: func(context.Context) error { return nil },
			Changed: func(s uplink.State) {
				if s.Online {
					once()
				} else if s.LastError != "" {
					mu.Lock()
					last = s.LastError
					mu.Unlock()
				}
			},
			Now: time.Now, Log: slog.New(slog.DiscardHandler), HelloTimeout: time.Minute,
		})
		l.joined.Go(func() { _ = u.Run(run) }) // it returns nil
	}
	limit := time.After(2 * time.Minute)
	for n := range len(keys) {
		select {
		case <-up:
		case <-ctx.Done():
			l.close()
			return nil, context.Cause(ctx)
		case <-limit:
			l.close()
			mu.Lock()
			defer mu.Unlock()
			return nil, fmt.Errorf("only %d of %d sites have a link after two minutes; one says: %s", n, len(keys), last)
		}
	}
	return l, nil
}

func (l *links) close() {
	l.stop()
	l.joined.Wait()
}

// silent is an outbox with nothing in it, of a later life than anything that was sent.
type silent struct{}

func (silent) Epoch() model.Epoch                              { return 1 << 30 }
func (silent) Head() model.Seq                                 { return 0 }
func (silent) Dropped() model.Seq                              { return 0 }
func (silent) After(model.Seq, int, int) ([]model.Item, error) { return nil, nil }
func (silent) DropThrough(model.Seq) error                     { return nil }
func (silent) Wait(ctx context.Context, _ model.Seq) error     { <-ctx.Done(); return context.Cause(ctx) }

// deaf takes what comes down and forgets it.
type deaf struct{}

func (deaf) Held(context.Context) (model.Position, error) { return model.Position{}, nil }

func (deaf) Accept(_ context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	return model.Position{Epoch: epoch, Seq: items[len(items)-1].Seq}, nil
}
