package simulate

import (
	"fmt"
	"strings"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// rename gives host n of a fleet the name that it has at a site: one that no other host of that site has, and
// none of another site where the two have different names. The fleet of a benchmark repeats names, as real
// fleets do; in a simulation that two sites seem to have the same host is taken for a fault.
func rename(h *fleet.Host, site string, n int) {
	host, domain, _ := strings.Cut(h.FQDN, ".")
	name := host
	if rest, ok := strings.CutPrefix(name, h.SiteName+"-"); ok {
		name = rest
	}
	switch {
	case strings.HasPrefix(name, "ip-"): // by its address
	case strings.HasPrefix(name, "desktop-"):
		name = "desktop-" + strings.ToLower(h.Serial[:7])
	default:
		name = fmt.Sprintf("%s-%s%04d", site, strings.TrimRight(name, "0123456789"), n)
	}
	if rest, ok := strings.CutPrefix(domain, h.SiteName+"."); ok {
		domain = site + "." + rest
	}
	h.Hostname, h.FQDN = name, name+"."+domain
}
