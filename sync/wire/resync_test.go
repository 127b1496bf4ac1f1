package wire

import (
	"fmt"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
)

// rowsOf are the rows of the hosts of one site, as they rise when all of them are sent again.
func rowsOf(t testing.TB, n int) []model.Item {
	f := fleet.New(fleet.Config{Seed: 7, Hosts: n, Sites: 1})
	var out []model.Item
	for i := range n {
		h := f.Host(0, i)
		reboot, updates, compliance := h.Reboot, h.Updates, h.Compliance
		row := model.Host{
			ID: model.HostID{1, byte(i >> 8), byte(i), 0x70, 9: byte(i * 7), 12: byte(i * 31)}, Site: model.SiteID{0x51, 7}, Agent: model.NodeID{1, byte(i >> 8), byte(i)},
			Facts: model.Facts{
				Hostname: h.Hostname, FQDN: h.FQDN, IPv4: []string{h.IPv4}, MAC: []string{h.MAC}, Kernel: h.Kernel, Arch: h.Arch,
				OS: model.OS{ID: h.OSName, Version: h.OSVersion}, RebootNeeded: &reboot, AgentVersion: h.Agent, Tags: h.Tags, Owner: h.Owner,
				CPUs: h.CPUs, MemoryMB: h.MemMB, Serial: h.Serial,
			},
			FactsAt: model.Time(h.ModTime), FirstSeen: model.Time(h.FirstSeen), Status: model.HostUp, StatusAt: model.Time(h.LastSeen), LastSeen: model.Time(h.LastSeen),
			PackageN: 600 + i%50, PackagesDigest: fmt.Sprintf("%064x", i%40*7919), PackagesAt: model.Time(h.ModTime),
			Exposure: model.SeverityCounts{Critical: h.CVECritical, High: h.CVEHigh}, ExposureAt: model.Time(h.ModTime), Updates: &updates, Compliance: &compliance,
		}
		raw, err := model.Encode(row)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, model.Item{Seq: model.Seq(i + 1), Kind: model.ItemHost, Key: row.ID.String(), AsOf: row.FactsAt, Payload: raw})
	}
	return out
}

// What the rows of 1,000 hosts cost on the wire: runs of 128 KiB and of one row, and a beat of each.
func TestResyncIsSmall(t *testing.T) {
	items := rowsOf(t, 1000)
	slow, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	for _, per := range []int{1, 32, 128, 512} {
		plain, wire, better := 0, 0, 0
		for at := 0; at < len(items); at += per {
			run := Items{Epoch: 1, Items: items[at:min(at+per, len(items))]}
			run.Through = run.Items[len(run.Items)-1].Seq
			raw, err := model.Encode(run)
			if err != nil {
				t.Fatal(err)
			}
			frame, err := AppendFrame(nil, TypeItems, run)
			if err != nil {
				t.Fatal(err)
			}
			plain, wire, better = plain+headerLen+len(raw), wire+len(frame), better+headerLen+len(slow.EncodeAll(raw, nil))
		}
		t.Logf("%d hosts, %3d to a run: %7d bytes as JSON, %7d on the wire (%.1f to 1), %7d at the next level", len(items), per, plain, wire, float64(plain)/float64(wire), better)
		if least := 1.2; float64(plain) < least*float64(wire) || per >= 32 && plain < 3*wire {
			t.Errorf("runs of %d: %d bytes on the wire for %d of JSON", per, wire, plain)
		}
	}
}
