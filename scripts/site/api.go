package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/ui/schema"
)

// api is a server, asked by its local socket.
type api struct{ client *http.Client }

func newAPI(socket string) *api {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", socket)
	}
	return &api{&http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true, MaxIdleConnsPerHost: 32}}}
}

func (a *api) close() { a.client.CloseIdleConnections() }

// answer asks, and hands the body of an answer that is none of failure to read.
func (a *api) answer(ctx context.Context, method, path string, body any, read func(io.Reader) error) error {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://local"+path, &b)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(text)))
	}
	return read(resp.Body)
}

func (a *api) get(ctx context.Context, path string, v any) error {
	return a.answer(ctx, http.MethodGet, "/api/v1"+path, nil, func(r io.Reader) error { return json.NewDecoder(r).Decode(v) })
}

func (a *api) post(ctx context.Context, path string, body, v any) error {
	return a.answer(ctx, http.MethodPost, "/api/v1"+path, body, func(r io.Reader) error { return json.NewDecoder(r).Decode(v) })
}

// hosts calls fn with every row.
func (a *api) hosts(ctx context.Context, fn func(schema.Host) error) error {
	return a.answer(ctx, http.MethodGet, "/api/v1/hosts/export", nil, func(r io.Reader) error {
		for dec := json.NewDecoder(r); dec.More(); {
			var h schema.Host
			if err := dec.Decode(&h); err != nil {
				return err
			}
			if err := fn(h); err != nil {
				return err
			}
		}
		return nil
	})
}

// metrics returns what the server tells Prometheus, by name with labels, as in `a{b="c"}`.
func (a *api) metrics(ctx context.Context) (map[string]float64, error) {
	out := map[string]float64{}
	return out, a.answer(ctx, http.MethodGet, "/metrics", nil, func(r io.Reader) error {
		scan := bufio.NewScanner(r)
		for scan.Scan() {
			if name, value, ok := strings.Cut(scan.Text(), " "); ok && name != "#" {
				if v, err := strconv.ParseFloat(value, 64); err == nil {
					out[name] = v
				}
			}
		}
		return scan.Err()
	})
}
