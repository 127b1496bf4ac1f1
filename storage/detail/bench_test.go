package detail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/simulate"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/detail"
)

// BenchmarkTenThousandHosts measures what the first report of a large site costs: seconds, and bytes on disk for each
// host. "images": the installations of a simulated fleet, as real ones are made from few; "own": no two hosts have
// the same 600 packages, which is the worst there can be. Each with the facts of its system.
//
//	go test ./storage/detail -run xxx -bench TenThousand -benchtime 1x
func BenchmarkTenThousandHosts(b *testing.B) {
	const hosts, packages, run = 10_000, 600, 500
	fleet, err := simulate.NewFleet(1, "berlin", model.NodeID{1}, time.Unix(1_760_000_000, 0))
	if err != nil {
		b.Fatal(err)
	}
	for _, own := range []bool{false, true} {
		b.Run(map[bool]string{false: "images", true: "own"}[own], func(b *testing.B) {
			for range b.N {
				dir := b.TempDir()
				s, err := detail.Open(dir, detail.Options{})
				if err != nil {
					b.Fatal(err)
				}
				raw := 0
				var storing time.Duration
				for from := 0; from < hosts; from += run {
					var entries []detail.Entry
					for n := from; n < from+run; n++ {
						facts, inventory, err := fleet.Host(n)
						if err != nil {
							b.Fatal(err)
						}
						if own {
							inventory = ownInventory(b, n, packages)
						}
						system, err := model.Encode(fleet.System(n, facts))
						if err != nil {
							b.Fatal(err)
						}
						for kind, body := range map[detail.Kind][]byte{detail.Packages: inventory, detail.OSFacts: system} {
							if body != nil {
								entries = append(entries, detail.Entry{Host: fleet.ID(n), Kind: kind, AsOf: 1, Body: body})
								raw += len(body)
							}
						}
					}
					began := time.Now()
					if _, err := s.PutAll(entries); err != nil {
						b.Fatal(err)
					}
					storing += time.Since(began)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(storing.Seconds(), "s-to-store")
				b.ReportMetric(float64(onDisk(b, dir))/hosts, "disk-B/host")
				b.ReportMetric(float64(raw)/hosts, "JSON-B/host")
			}
		})
	}
}

func ownInventory(b *testing.B, host, packages int) []byte {
	inv := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}}
	for i := range packages {
		name, version := fmt.Sprintf("libpackage%d-%d", i, i*7919%1000), fmt.Sprintf("%d.%d.%d-%d+deb12u%d", 1+i%9, i%17, (i+host)%23, 1+host%3, 1+(i*host)%5)
		inv.Packages = append(inv.Packages, model.Package{Manager: "dpkg", Name: name, Version: version, Arch: "amd64", Source: name, SourceVersion: version})
	}
	inv.Packages[host%packages].Version += fmt.Sprint("~", host)
	body, err := model.Encode(inv)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// onDisk is what the files take, holes left out.
func onDisk(b *testing.B, dir string) (n int64) {
	b.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}
