package pull

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

const (
	maxRedirects = 5
	maxCAFile    = 1 << 20
	maxHeader    = 64 << 10
	maxFile      = 4 << 30          // bytes of one file
	dialTime     = 30 * time.Second // for a connection, and again for TLS
	headTime     = 2 * time.Minute  // for the head of an answer
	stallTime    = time.Minute      // without a byte
	retries      = 50               // of one fetch, while each brings something
	fruitless    = 3                // of one fetch that bring nothing, in a row
	firstPause   = time.Second      // before the next one, doubled with each
	maxPause     = 30 * time.Second
)

// newClient returns a client that speaks TLS 1.2 or newer to servers that the certificates in caFile, or those of the system,
// vouch for.
func newClient(caFile string) (*http.Client, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		info, err := os.Stat(caFile)
		if err != nil || info.Size() > maxCAFile {
			return nil, fault.New(fault.Invalid, "", "ca_file: %s cannot be read, or has more than %d bytes: %w", caFile, maxCAFile, err)
		}
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fault.New(fault.Invalid, "", "ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "", "ca_file: there is no certificate in %s", caFile)
		}
	}
	dialer := &net.Dialer{Timeout: dialTime}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: conf, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: dialTime, ResponseHeaderTimeout: headTime, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: maxHeader, MaxIdleConns: 2,
			DisableCompression: true, // the bytes are those of the file, so that a part of it has its place
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case len(via) > maxRedirects:
				return fault.New(fault.Invalid, "", "it was redirected more than %d times", maxRedirects)
			case r.URL.Scheme != "https":
				return fault.New(fault.Denied, "", "it redirects to %s, which is not https", fault.Clip(oneLine(r.URL.Redacted()), 256))
			}
			return nil
		},
	}, nil
}

// fetch brings the file of a source into part, going on where it broke off. fresh is false where there is nothing new since the
// edition of st.
func (p *Puller) fetch(ctx context.Context, i int, st State, part *partial) (fresh bool, err error) {
	pause, idle := p.retry, 0
	for n := 1; ; n++ {
		had := part.have
		fresh, err = p.attempt(ctx, i, st, part)
		var broken brokenOff
		if err == nil || !errors.As(err, &broken) || ctx.Err() != nil {
			return fresh, err
		}
		if idle++; part.have > had {
			idle, pause = 0, p.retry
		}
		if n >= retries || idle >= fruitless {
			return false, err
		}
		t := time.NewTimer(pause + p.Jitter(pause))
		select {
		case <-ctx.Done():
			t.Stop()
			return false, ctx.Err()
		case <-t.C:
		}
		pause = min(2*pause, maxPause)
	}
}

// brokenOff marks an error after which another attempt may go on.
type brokenOff struct{ error }

func (b brokenOff) Unwrap() error { return b.error }

// attempt is one request.
func (p *Puller) attempt(ctx context.Context, i int, st State, part *partial) (fresh bool, err error) {
	s := p.Sources[i]
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := request(ctx, s, st)
	if err != nil {
		return false, err
	}
	r.Header.Set("User-Agent", p.Agent)
	r.Header.Set("Accept-Encoding", "identity")
	switch validator := part.validator(); {
	case part.have > 0 && validator != "":
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", part.have))
		r.Header.Set("If-Range", validator)
	default:
		if st.ETag != "" {
			r.Header.Set("If-None-Match", st.ETag)
		}
		if st.LastModified != "" {
			r.Header.Set("If-Modified-Since", st.LastModified)
		}
	}
	resp, err := p.clients[i].Do(r)
	if refused := (*fault.Error)(nil); errors.As(err, &refused) && ctx.Err() == nil {
		return false, refused // by this side, for where it was redirected to
	}
	if err != nil {
		return false, brokenOff{unreachable(ctx, err)}
	}
	defer resp.Body.Close()
	head := partHead{
		URL: s.URL, ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified"), Size: max(resp.ContentLength, 0),
	}
	switch resp.StatusCode {
	case http.StatusNotModified:
		if r.Header.Get("Range") != "" {
			break
		}
		return false, nil
	case http.StatusNoContent: // a Skerry server has nothing after the cursor
		return false, nil
	case http.StatusOK:
		if err := wanted(resp); err != nil {
			return false, err
		}
		if err := part.begin(head); err != nil {
			return false, err
		}
		return true, p.body(ctx, cancel, s, resp, part)
	case http.StatusPartialContent:
		from, size, err := contentRange(resp.Header.Get("Content-Range"))
		if err != nil || from != part.have || part.Size > 0 && size != part.Size {
			return false, errors.Join(brokenOff{fault.New(fault.Unreachable, "", "it answered with another part of the file than was asked for; the file is fetched from its beginning")}, part.drop())
		}
		return true, p.body(ctx, cancel, s, resp, part)
	case http.StatusRequestedRangeNotSatisfiable, http.StatusPreconditionFailed:
		return false, errors.Join(brokenOff{fault.New(fault.Unreachable, "", "the part of the file that is there does not belong to it any more; it is fetched from its beginning")}, part.drop())
	}
	err = fault.New(fault.Unreachable, "", "it answered %s", oneLine(fault.Clip(resp.Status, 64)))
	if after, ok := retryAfter(resp.Header.Get("Retry-After")); ok {
		return false, fault.Later(err, after)
	}
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable {
		return false, brokenOff{err}
	}
	return false, err
}

const maxToken = 4 << 10

// request is what a source is asked for.
func request(ctx context.Context, s Source, st State) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "%w", err)
	}
	if s.Kind == KindBundle && st.Cursor != "" {
		q := r.URL.Query()
		q.Set("from", st.Cursor)
		r.URL.RawQuery = q.Encode()
	}
	if s.TokenFile == "" {
		return r, nil
	}
	f, err := os.Open(s.TokenFile)
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "token_file: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	token := strings.TrimSpace(string(raw))
	if err != nil || token == "" || len(raw) > maxToken || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, fault.New(fault.Invalid, "", "token_file: %s is not one word of at most %d bytes", s.TokenFile, maxToken)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r, nil
}

// wanted refuses what is no file: the page of a login or of a proxy, and what is too large.
func wanted(resp *http.Response) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "text/html" || kind == "application/xhtml+xml" {
		return fault.New(fault.Invalid, "", "it answered with a page for people (%s) in place of the file: check the address, and whether a proxy or a login stands before it", kind)
	}
	if resp.ContentLength > maxFile {
		return fault.New(fault.TooLarge, "", "the file has %d bytes; at most %d are fetched", resp.ContentLength, int64(maxFile))
	}
	return nil
}

// body takes what follows the head of an answer.
func (p *Puller) body(ctx context.Context, cancel context.CancelCauseFunc, s Source, resp *http.Response, part *partial) error {
	stalled := time.AfterFunc(p.stall, func() {
		cancel(fault.New(fault.Unreachable, "", "it sent nothing for %v", p.stall))
	})
	defer stalled.Stop()
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		stalled.Reset(p.stall)
		if n > 0 {
			if part.have+int64(n) > maxFile {
				return errors.Join(fault.New(fault.TooLarge, "", "the file has more than %d bytes", int64(maxFile)), part.drop())
			}
			if err := part.add(buf[:n]); err != nil {
				return err
			}
			p.progress(s.Name, Progress{Running: true, Have: part.have, Size: part.Size})
		}
		switch {
		case errors.Is(err, io.EOF):
			if part.Size > 0 && part.have != part.Size {
				return brokenOff{fault.New(fault.Unreachable, "", "the file ended at byte %d of %d", part.have, part.Size)}
			}
			return part.end()
		case err != nil:
			return errors.Join(brokenOff{unreachable(ctx, err)}, part.sync())
		}
		if err := p.Room(); err != nil {
			return err
		}
	}
}

// unreachable says why there was no answer, or not all of it.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if fault.KindOf(err) == fault.Unreachable {
		return err
	}
	return fault.New(fault.Unreachable, "", "%w", err)
}

// contentRange reads "bytes 5-9/100"; the size is 0 where it is not said.
func contentRange(s string) (from, size int64, err error) {
	bad := fmt.Errorf("%q is no range", fault.Clip(s, 64))
	unit, rest, _ := strings.Cut(s, " ")
	span, total, ok := strings.Cut(rest, "/")
	first, last, both := strings.Cut(span, "-")
	if unit != "bytes" || !ok || !both {
		return 0, 0, bad
	}
	if from, err = strconv.ParseInt(first, 10, 64); err != nil || from < 0 {
		return 0, 0, bad
	}
	end, err := strconv.ParseInt(last, 10, 64)
	if err != nil || end < from {
		return 0, 0, bad
	}
	if total != "*" {
		if size, err = strconv.ParseInt(total, 10, 64); err != nil || size <= end || size > maxFile {
			return 0, 0, bad
		}
	}
	return from, size, nil
}

// retryAfter reads the number of seconds of the header; a date in it counts as nothing.
func retryAfter(s string) (time.Duration, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 {
		return 0, false
	}
	return time.Duration(min(n, 24*60*60)) * time.Second, true
}
