package chaos

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Metric returns what a node tells Prometheus under a name, with its labels where it has some: `a{b="c"}`. There is none: an error.
func (c *Cluster) Metric(ctx context.Context, n *Node, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://local/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := n.api.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
		if text, ok := strings.CutPrefix(scan.Text(), name+" "); ok {
			return strconv.ParseFloat(text, 64)
		}
	}
	return 0, fmt.Errorf("%s has no metric %s (%s)", n.Name, name, resp.Status)
}
