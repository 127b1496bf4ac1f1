// Command fleetdata writes the package facts that simulated hosts are made of: for source packages of
// the Debian release it runs on, their binary packages and the versions the release has had, oldest
// first, as the packages' own changelogs record them.
//
//	go run ./scripts/fleetdata > appliance/simulate/debian12.json
//
// It takes names and version numbers only.
package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// skip leaves out what servers seldom have.
var skip = regexp.MustCompile(`-(dev|doc|dbg|data|common-dev)$|^(g\+\+|gcc|cpp|fonts|openjdk|libx|x11|golang|gir1|lib.*-java)`)

type entry struct {
	Source   string   `json:"source"`
	Binaries []string `json:"binaries"`
	Versions []string `json:"versions"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fleetdata:", err)
		os.Exit(1)
	}
}

func run() error {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Package}\t${source:Package}\t${source:Version}\n").Output()
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	binaries, newest := map[string][]string{}, map[string]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) == 3 {
			binaries[f[1]] = append(binaries[f[1]], f[0])
			newest[f[1]] = f[2]
		}
	}
	var all []entry
	for source, names := range binaries {
		keep := slices.DeleteFunc(slices.Clone(names), skip.MatchString)
		if len(keep) == 0 {
			continue
		}
		sort.Strings(keep)
		versions := history(source, names)
		if len(versions) == 0 {
			versions = []string{newest[source]}
		}
		all = append(all, entry{source, keep, versions})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Source < all[j].Source })
	w := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(w, "[")
	for i, e := range all {
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		end := ","
		if i == len(all)-1 {
			end = ""
		}
		fmt.Fprintf(w, "%s%s\n", b, end)
	}
	fmt.Fprintln(w, "]")
	return w.Flush()
}

// history returns the release's versions of source, oldest first: those uploaded to it, and before
// them the one that it was released with.
func history(source string, names []string) []string {
	head := regexp.MustCompile(`^` + regexp.QuoteMeta(source) + ` \(([^)]+)\) ([^;]+);`)
	for _, n := range names {
		f, err := os.Open("/usr/share/doc/" + n + "/changelog.Debian.gz")
		if err != nil {
			continue
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			continue
		}
		var out []string
		s := bufio.NewScanner(z)
		s.Buffer(nil, 1<<20)
		for s.Scan() && len(out) < 8 {
			m := head.FindStringSubmatch(s.Text())
			if m == nil {
				continue
			}
			out = append(out, m[1])
			if !strings.Contains(m[2], "bookworm") {
				break
			}
		}
		slices.Reverse(out)
		return out
	}
	return nil
}
