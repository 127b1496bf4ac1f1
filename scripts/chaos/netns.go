package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Net is a network of hosts on this machine: a namespace each, all on one bridge, which has a namespace of its own, so
// that nothing of the machine's own network changes. Host i has the address of Addr(i).
type Net struct {
	prefix string
	n      int
}

// NoNets says why there can be no Net here; "" if there can.
func NoNets() string {
	if why := Missing(true, "ip", "nft"); why != "" {
		return why
	}
	name := fmt.Sprintf("skchaos%d-try", os.Getpid())
	if err := run("ip", "netns", "add", name); err != nil {
		return "this needs network namespaces: " + err.Error()
	}
	defer func() { _ = run("ip", "netns", "del", name) }()
	if err := run("ip", "netns", "exec", name, "nft", "add table inet t; add chain inet t in { type filter hook input priority 0; }; add rule inet t in ip saddr 10.0.0.1 drop"); err != nil {
		return "this needs nftables in the kernel: " + err.Error()
	}
	if err := run("ip", "-n", name, "link", "add", "name", "bridge0", "type", "bridge"); err != nil {
		return "this needs bridges in the kernel: " + err.Error()
	}
	return ""
}

// NewNet makes a network of n hosts, at most 200. Close it.
func NewNet(n int) (*Net, error) {
	w := &Net{prefix: fmt.Sprintf("skchaos%d-%d", os.Getpid(), time.Now().UnixNano()%1e6), n: n}
	if err := w.make(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *Net) hub() string { return w.prefix + "-hub" }

// Namespace returns the name of a host's namespace.
func (w *Net) Namespace(i int) string { return fmt.Sprintf("%s-%d", w.prefix, i) }

// Addr returns the address of a host.
func (w *Net) Addr(i int) string { return fmt.Sprintf("10.77.0.%d", i+1) }

func hardware(i int) string { return fmt.Sprintf("02:77:00:00:00:%02x", i+1) }

func (w *Net) make() error {
	do := [][]string{
		{"netns", "add", w.hub()},
		{"-n", w.hub(), "link", "add", "name", "bridge0", "type", "bridge"},
		{"-n", w.hub(), "link", "set", "dev", "bridge0", "up"},
	}
	for i := range w.n {
		ns, port := w.Namespace(i), fmt.Sprint("p", i)
		do = append(do,
			[]string{"netns", "add", ns},
			[]string{"link", "add", "name", "eth", "address", hardware(i), "netns", ns, "type", "veth", "peer", "name", port, "netns", w.hub()},
			[]string{"-n", w.hub(), "link", "set", "dev", port, "master", "bridge0", "up"},
			[]string{"-n", ns, "addr", "add", w.Addr(i) + "/24", "dev", "eth"},
			[]string{"-n", ns, "link", "set", "dev", "lo", "up"},
			[]string{"-n", ns, "link", "set", "dev", "eth", "up"},
		)
	}
	// Every host knows the hardware addresses of the others, so that a network that heals is whole at once.
	for i := range w.n {
		for j := range w.n {
			if i != j {
				do = append(do, []string{"-n", w.Namespace(i), "neigh", "add", w.Addr(j), "lladdr", hardware(j), "dev", "eth", "nud", "permanent"})
			}
		}
	}
	for _, args := range do {
		if err := run("ip", args...); err != nil {
			return err
		}
	}
	for i := range w.n {
		if err := w.nft(i, "add table inet chaos; add chain inet chaos in { type filter hook input priority 0; }"); err != nil {
			return err
		}
	}
	return nil
}

func (w *Net) nft(i int, rules string) error {
	return run("ip", "netns", "exec", w.Namespace(i), "nft", rules)
}

// Exec returns a command that runs a program on a host.
func (w *Net) Exec(i int, name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", w.Namespace(i), name}, args...)...)
}

// Inside runs fn on a host, on a thread of its own: sockets that fn makes on the goroutine it runs on stay there.
func (w *Net) Inside(i int, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		f, err := os.Open("/run/netns/" + w.Namespace(i))
		if err != nil {
			done <- err
			return
		}
		defer f.Close()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter %s: %w", w.Namespace(i), err)
			return
		}
		done <- fn()
	}()
	return <-done
}

// Unplug takes the cable of a host: nobody reaches it, it reaches nobody but itself.
func (w *Net) Unplug(i int) error {
	return run("ip", "-n", w.hub(), "link", "set", "dev", fmt.Sprint("p", i), "down")
}

// Plug puts the cable of a host back.
func (w *Net) Plug(i int) error {
	return run("ip", "-n", w.hub(), "link", "set", "dev", fmt.Sprint("p", i), "up")
}

// Drop lets nothing from one host arrive at another any more; the other way stays open.
func (w *Net) Drop(from, to int) error {
	return w.nft(to, "add rule inet chaos in ip saddr "+w.Addr(from)+" drop")
}

// Part lets the hosts of each group reach those of their group alone, in both directions. A host in no group is alone.
func (w *Net) Part(groups ...[]int) error {
	group := make([]int, w.n)
	for i := range group {
		group[i] = -1 - i
	}
	for g, hosts := range groups {
		for _, i := range hosts {
			group[i] = g
		}
	}
	for to := range w.n {
		var from []string
		for i := range w.n {
			if group[i] != group[to] {
				from = append(from, w.Addr(i))
			}
		}
		if len(from) == 0 {
			continue
		}
		if err := w.nft(to, "add rule inet chaos in ip saddr { "+strings.Join(from, ", ")+" } drop"); err != nil {
			return err
		}
	}
	return nil
}

// Heal takes all of it back.
func (w *Net) Heal() error {
	var errs []error
	for i := range w.n {
		errs = append(errs, w.nft(i, "flush chain inet chaos in"), w.Plug(i))
	}
	return errors.Join(errs...)
}

// Close removes the network. Programs that still run in it keep what they have of it.
func (w *Net) Close() error {
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(string(out)) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, w.prefix+"-") {
			errs = append(errs, run("ip", "netns", "del", name))
		}
	}
	return errors.Join(errs...)
}
