package serve

import (
	"io"
	"os"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// HostsByStatus counts hosts for Sources.Hosts, of the rows that are kept for that: it reads one row for each site,
// and no host. up says whether a site can be reached, of whose hosts nothing is known otherwise; nil: the hosts are
// this server's own. Where the store cannot be read there are no counts.
func (r Rows) HostsByStatus(up func(model.NodeID) bool) map[string]int64 {
	v := r.Store.View()
	defer v.Close()
	if up == nil {
		n, _, err := v.Counts(model.SiteID{})
		if err != nil {
			return nil
		}
		return n.ByStatus
	}
	sites, err := v.Sites()
	if err != nil {
		return nil
	}
	by := map[string]int64{}
	for _, s := range sites {
		n, _, err := v.Counts(s.ID)
		switch {
		case err != nil:
			return nil
		case !up(model.NodeID(s.ID)):
			by[string(model.HostUnknown)] += n.Hosts
		default:
			for status, hosts := range n.ByStatus {
				by[status] += hosts
			}
		}
	}
	return by
}

// Bounds of the token for metrics, in bytes.
const (
	minMetricsToken = 16
	maxMetricsToken = 1024
)

// MetricsToken reads the token of metrics.token_file, for api.Config.MetricsToken; "" is no file, and no token.
func MetricsToken(path string) (string, error) {
	const op = "read the token for metrics"
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fault.New(fault.Invalid, op, "%w; write one to the file that metrics.token_file names, or leave that out", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxMetricsToken+3))
	if err != nil {
		return "", fault.New(fault.Invalid, op, "%s: %w", path, err)
	}
	token := strings.TrimSpace(string(raw))
	switch {
	case len(token) < minMetricsToken || len(token) > maxMetricsToken:
		return "", fault.New(fault.Invalid, op, "%s: want %d to %d characters, as `openssl rand -hex 32` makes them", path, minMetricsToken, maxMetricsToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fault.New(fault.Invalid, op, "%s: want one word of printable ASCII characters", path)
	}
	return token, nil
}
