package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// API is a server, asked by its local socket: no network that is parted stands between. Its saved searches are registers.
type API struct {
	client *http.Client
	// Stale asks for reads that the server answers from its own rows, without asking the others.
	Stale bool
}

// NewAPI returns the server with the local socket at path.
func NewAPI(path string) *API {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", path)
	}
	return &API{client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true, MaxIdleConnsPerHost: 64}}}
}

// Close lets idle connections go.
func (a *API) Close() { a.client.CloseIdleConnections() }

// do asks, and decodes the answer into v, unless that is nil.
func (a *API) do(ctx context.Context, method, path string, header http.Header, body, v any) (status int, err error) {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return 0, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://local/api/v1"+path, &b)
	if err != nil {
		return 0, err
	}
	// Without it the transport would send the request again by itself where the connection broke, and a dial that
	// fails then would look as if nothing had ever been sent.
	req.GetBody = nil
	if header != nil {
		req.Header = header
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(text[:min(len(text), 300)])))
	}
	if v == nil {
		return resp.StatusCode, nil
	}
	return resp.StatusCode, json.Unmarshal(text, v)
}

// Write implements Register: it saves a search. The key makes a repeat by whoever carries the request harmless.
func (a *API) Write(ctx context.Context, name, text string) error {
	h := http.Header{"Idempotency-Key": {name + "/" + text}}
	status, err := a.do(ctx, http.MethodPut, "/searches/"+name, h, map[string]string{"query": "name:" + text}, nil)
	var dialling *net.OpError
	if errors.As(err, &dialling) && dialling.Op == "dial" {
		return fmt.Errorf("%w: %w", ErrRefused, err) // it was never sent
	}
	doubt := err != nil && strings.Contains(err.Error(), "may or may not")
	if err != nil && (status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusConflict || status == http.StatusInsufficientStorage && !doubt) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// Read implements Register.
func (a *API) Read(ctx context.Context, name string) (string, error) {
	path := "/searches/" + name
	if a.Stale {
		path += "?consistency=stale"
	}
	var row struct {
		Query string `json:"query"`
	}
	status, err := a.do(ctx, http.MethodGet, path, nil, nil, &row)
	if status == http.StatusNotFound {
		return "", nil
	}
	return strings.TrimPrefix(row.Query, "name:"), err
}
