package fleet

import "math/rand/v2"

// osv is a version of an operating system; kernel has a verb for a number.
type osv struct {
	ver, kernel string
	w           float64
}

// osdef is an operating system.
type osdef struct {
	name   string
	w      float64
	client bool
	vers   []osv
}

var oses = []osdef{
	{"Ubuntu", 26, false, []osv{{"20.04", "5.4.0-%d-generic", 2}, {"22.04", "5.15.0-%d-generic", 5}, {"24.04", "6.8.0-%d-generic", 4}}},
	{"Red Hat Enterprise Linux", 18, false, []osv{{"7.9", "3.10.0-1160.%d.1.el7.x86_64", 2}, {"8.10", "4.18.0-553.%d.1.el8_10.x86_64", 5}, {"9.4", "5.14.0-427.%d.1.el9_4.x86_64", 4}, {"9.6", "5.14.0-570.%d.1.el9_6.x86_64", 3}}},
	{"Debian GNU/Linux", 9, false, []osv{{"11", "5.10.0-%d-amd64", 2}, {"12", "6.1.0-%d-amd64", 6}, {"13", "6.12.%d+deb13-amd64", 3}}},
	{"Rocky Linux", 6, false, []osv{{"8.10", "4.18.0-553.%d.1.el8_10.x86_64", 2}, {"9.5", "5.14.0-503.%d.1.el9_5.x86_64", 4}}},
	{"AlmaLinux", 3, false, []osv{{"8.10", "4.18.0-553.%d.1.el8_10.x86_64", 1}, {"9.5", "5.14.0-503.%d.1.el9_5.x86_64", 2}}},
	{"SUSE Linux Enterprise Server", 3, false, []osv{{"15-SP5", "5.14.21-150500.55.%d-default", 2}, {"15-SP6", "6.4.0-150600.23.%d-default", 3}}},
	{"Amazon Linux", 4, false, []osv{{"2", "5.10.%d-amzn2.x86_64", 1}, {"2023", "6.1.%d-amzn2023.x86_64", 3}}},
	{"Windows Server", 11, false, []osv{{"2016", "10.0.14393.%d", 1}, {"2019", "10.0.17763.%d", 3}, {"2022", "10.0.20348.%d", 5}, {"2025", "10.0.26100.%d", 2}}},
	{"Windows", 13, true, []osv{{"10 22H2", "10.0.19045.%d", 3}, {"11 23H2", "10.0.22631.%d", 4}, {"11 24H2", "10.0.26100.%d", 5}}},
	{"macOS", 5, true, []osv{{"13.7", "22.6.%d", 1}, {"14.7", "23.6.%d", 3}, {"15.3", "24.3.%d", 4}}},
	{"FreeBSD", 1.5, false, []osv{{"13.3", "13.3-RELEASE-p%d", 1}, {"14.1", "14.1-RELEASE-p%d", 2}}},
	{"OpenBSD", 0.5, false, []osv{{"7.6", "7.6 GENERIC.MP#%d", 1}, {"7.7", "7.7 GENERIC.MP#%d", 1}}},
}

// pickOS draws a system and a version by their weights; client says that people sit at the host.
func pickOS(r *rand.Rand, client bool) (osdef, osv) {
	for {
		var t float64
		for _, o := range oses {
			t += o.w
		}
		x := r.Float64() * t
		for _, o := range oses {
			if x -= o.w; x < 0 {
				if client && !o.client && r.IntN(5) != 0 {
					break
				}
				if !client && o.client && r.IntN(4) != 0 {
					break
				}
				var vt float64
				for _, v := range o.vers {
					vt += v.w
				}
				y := r.Float64() * vt
				for _, v := range o.vers {
					if y -= v.w; y < 0 {
						return o, v
					}
				}
			}
		}
	}
}
