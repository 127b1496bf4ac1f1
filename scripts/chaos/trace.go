package chaos

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Syncs are the system calls that make something durable.
const Syncs = "fsync,fdatasync,msync,sync_file_range"

// Injection is a fault put into the system calls of a running process and all its threads, from Inject until End.
type Injection struct {
	cmd  *exec.Cmd
	once sync.Once
}

// Inject attaches to a process and gives the system calls named, with commas between them, a fault as strace
// has them: "error=EIO" fails each without doing it, "delay_enter=2000000" holds each up for two seconds. paths, if
// any, limit it to calls on exactly those files. It returns once the fault is in force, for every thread.
func Inject(pid int, calls, fault string, paths ...string) (*Injection, error) {
	if why := Missing(false, "strace"); why != "" {
		return nil, fmt.Errorf("%s", why)
	}
	args := []string{"-f", "-p", fmt.Sprint(pid), "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + fault, "-e", "signal=none"}
	for _, p := range paths {
		args = append(args, "-P", p)
	}
	i := &Injection{cmd: exec.Command("strace", args...)}
	pipe, err := i.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := start(i.cmd); err != nil {
		return nil, err
	}
	attached := make(chan error, 1)
	go func() {
		said := ""
		for scan := bufio.NewScanner(pipe); scan.Scan(); { // read to its end, so that strace never waits
			if said == "" {
				if said = scan.Text(); strings.Contains(said, "attached") {
					attached <- nil
				}
			}
		}
		if !strings.Contains(said, "attached") {
			attached <- fmt.Errorf("strace did not attach to %d: %s", pid, said)
		}
	}()
	select {
	case err = <-attached:
	case <-time.After(20 * time.Second):
		err = fmt.Errorf("strace did not attach to %d", pid)
	}
	if err != nil {
		i.End()
		return nil, err
	}
	return i, nil
}

// End takes the fault away. A call that is held up then goes on. A process must not be killed before: strace may
// then wait for what it holds up, and the process, dead but for that, for strace.
func (i *Injection) End() {
	i.once.Do(func() {
		_ = i.cmd.Process.Signal(syscall.SIGINT) // which lets the process go
		done := time.AfterFunc(time.Second, func() { _ = i.cmd.Process.Kill() })
		_ = i.cmd.Wait() // an interrupted strace has a status of its own
		done.Stop()
	})
}
