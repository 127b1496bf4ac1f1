package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// machineMark returns a mark of the machine below root that is the same at each start and another on a machine that the disk
// was copied to: the addresses of its network devices, which are not on the disk. Empty where it has none.
func machineMark(root string) string {
	devices, err := filepath.Glob(filepath.Join(root, "sys/class/net/*"))
	if err != nil {
		return ""
	}
	var fixed, all []string // those of devices, and those of everything
	for _, dir := range devices {
		if filepath.Base(dir) == "lo" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, "address"))
		mac := strings.TrimSpace(string(b))
		if err != nil || mac == "" || strings.Trim(mac, "0:") == "" {
			continue
		}
		all = append(all, mac)
		if _, err := os.Stat(filepath.Join(dir, "device")); err == nil {
			fixed = append(fixed, mac)
		}
	}
	if len(fixed) == 0 {
		fixed = all // a container has none of its own
	}
	if len(fixed) == 0 {
		return ""
	}
	slices.Sort(fixed)
	sum := sha256.Sum256([]byte("skerry machine\n" + strings.Join(slices.Compact(fixed), "\n")))
	return hex.EncodeToString(sum[:16])
}

// abilities are what an agent of this version can do.
func abilities(h map[string]handler) *model.Abilities {
	can := &model.Abilities{}
	for kind := range h {
		can.Commands = append(can.Commands, kind)
	}
	slices.Sort(can.Commands)
	for _, kind := range []model.ItemKind{
		model.ItemFacts, model.ItemPackages, model.ItemCertificates, model.ItemOSFacts, model.ItemMove, model.ItemOutput,
	} {
		can.Items = append(can.Items, string(kind))
	}
	slices.Sort(can.Items)
	return can
}
