package chaos

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A program under test writes numbers, 1, 2, 3 and so on, into each of its stores, and says on its standard output, a
// line each:
//
//	held STORE N   it has read the store, which has exactly 1 to N (after each start, before it writes)
//	bad STORE WHY  the store does not open, or holds something else
//	ack STORE N    N is durable, as the store says
//	gone STORE WHY a write failed; the store is left alone until the next start
//
// A round starts the program, breaks something while it writes, and ends it. What was acknowledged before must be
// held at the next start.

// Rig says how rounds are run.
type Rig struct {
	// Start returns the program, not started, for a round.
	Start func(round int) *exec.Cmd
	// Spoil, if it is set, is called while the program writes, and the program goes on until Break: from here on its stores
	// may fail, but what they still acknowledge counts.
	Spoil func(pid int) error
	// Linger is the time between Spoil and Break.
	Linger time.Duration
	// Break is called while the program writes; the program is then killed.
	Break func() error
	// Late: what the program said and nobody had read when Break was called counts too. It does after a kill. It does not
	// after a power cut, when nobody would have heard it; and the cut of a Volume can let a sync that is under way
	// return without an error.
	Late bool
	// Mend is called between the end of a program and the next start.
	Mend func() error
	// Fresh is called where the stores are to begin anew, every FreshEvery rounds, if that is not 0.
	Fresh      func() error
	FreshEvery int
	// Least and Most bound how long a program writes before it is broken.
	Least, Most time.Duration
	Rand        *rand.Rand
	// Patience bounds how long a program may take to open its stores. Default 30 s.
	Patience time.Duration
}

// Outcome is what rounds came to.
type Outcome struct {
	Rounds     int
	Acked      map[string]uint64 // by store: writes acknowledged
	Lost       []string          // acknowledged, and not held
	Unreadable []string          // stores that did not open, or held something else
	Gone       int               // stores that said that they can write no more
	Took       time.Duration
}

// OK reports whether nothing was lost.
func (o *Outcome) OK() bool { return len(o.Lost)+len(o.Unreadable) == 0 }

func (o *Outcome) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rounds, %s a round, acknowledged %v, lost %d, unreadable %d", o.Rounds, (o.Took / time.Duration(max(1, o.Rounds))).Round(time.Millisecond), o.Acked, len(o.Lost), len(o.Unreadable))
	for _, s := range append(o.Lost[:len(o.Lost):len(o.Lost)], o.Unreadable...) {
		b.WriteString("\n  " + s)
	}
	return b.String()
}

// Run runs rounds, and one start more to see what the last one left. It ends early, with what it found, at the
// first round that lost something. An error says that the rig itself does not work.
func (r *Rig) Run(rounds int, stores []string) (*Outcome, error) {
	out := &Outcome{Acked: map[string]uint64{}}
	began := time.Now()
	defer func() { out.Took = time.Since(began) }()
	if r.Patience == 0 {
		r.Patience = 30 * time.Second
	}
	acked := map[string]uint64{}
	for out.Rounds = 0; ; out.Rounds++ {
		last := out.Rounds == rounds
		if err := r.round(out, acked, stores, last); err != nil {
			return out, fmt.Errorf("round %d: %w", out.Rounds, err)
		}
		if last || !out.OK() {
			return out, nil
		}
		if r.FreshEvery > 0 && (out.Rounds+1)%r.FreshEvery == 0 {
			// What the last round left is looked at before it is thrown away.
			if err := r.round(out, acked, stores, true); err != nil {
				return out, err
			}
			if !out.OK() {
				return out, nil
			}
			clear(acked)
			if err := r.Fresh(); err != nil {
				return out, err
			}
		}
	}
}

// round runs one program. One that only looks is ended once all stores are held.
func (r *Rig) round(out *Outcome, acked map[string]uint64, stores []string, look bool) error {
	cmd := r.Start(out.Rounds)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := start(cmd); err != nil {
		return err
	}
	lines := make(chan string, 64)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(pipe); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	waiting := map[string]bool{}
	for _, s := range stores {
		waiting[s] = true
	}
	end := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	timer := time.NewTimer(r.Patience)
	defer timer.Stop()
	// Now and then the stores are broken while they open.
	early := !look && r.Rand.IntN(8) == 0
	if early {
		timer.Reset(time.Duration(r.Rand.Int64N(int64(r.Most))))
	}
	broken, spoiled := false, false
	breakNow := func() error {
		broken = true
		if look {
			end()
			timer.Reset(r.Patience)
			return nil
		}
		err := r.Break()
		end()
		timer.Reset(r.Patience)
		return err
	}
	var failed error
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				_ = cmd.Wait()
				if !broken && !spoiled {
					out.Unreadable = append(out.Unreadable, fmt.Sprintf("round %d: the program ended by itself: %s", out.Rounds, tail(errOut.String())))
				}
				if failed != nil {
					return failed
				}
				return r.Mend()
			}
			if err := r.line(out, acked, waiting, line, broken, broken || spoiled); err != nil && failed == nil {
				failed = err
				end()
			}
			if len(waiting) == 0 && !broken {
				waiting = map[string]bool{"": true} // once only
				if look {
					_ = breakNow()
				} else if !early {
					timer.Reset(r.Least + time.Duration(r.Rand.Int64N(int64(r.Most-r.Least)+1)))
				}
			}
		case <-timer.C:
			if broken {
				return fmt.Errorf("the program did not end within %s of being killed", r.Patience)
			}
			if !early && !waiting[""] {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGQUIT)
				out.Unreadable = append(out.Unreadable, fmt.Sprintf("round %d: not all stores were open within %s: %v", out.Rounds, r.Patience, waiting))
				broken = true
				time.AfterFunc(2*time.Second, end)
				timer.Reset(r.Patience)
				continue
			}
			if r.Spoil != nil && !spoiled && !look && !broken {
				spoiled = true
				if err := r.Spoil(cmd.Process.Pid); err != nil && failed == nil {
					failed = err
					end()
				}
				timer.Reset(r.Linger)
				continue
			}
			if err := breakNow(); err != nil && failed == nil {
				failed = err
			}
		}
	}
}

// line takes a line of the program into account.
func (r *Rig) line(out *Outcome, acked map[string]uint64, waiting map[string]bool, line string, broken, spoiled bool) error {
	word, rest, _ := strings.Cut(line, " ")
	store, rest, _ := strings.Cut(rest, " ")
	var n uint64
	if word == "held" || word == "ack" {
		if _, err := fmt.Sscan(rest, &n); err != nil {
			return fmt.Errorf("the program said %q", line)
		}
	}
	switch word {
	case "held":
		if broken {
			break // it was read from a disk without power
		}
		if n < acked[store] {
			out.Lost = append(out.Lost, fmt.Sprintf("round %d: %s has 1 to %d, acknowledged were 1 to %d", out.Rounds, store, n, acked[store]))
		}
		acked[store] = n // what was read once is not to go either
		delete(waiting, store)
	case "ack":
		if n > acked[store] && (r.Late || !broken) {
			out.Acked[store] += n - acked[store]
			acked[store] = n
		}
	case "bad":
		if !spoiled {
			out.Unreadable = append(out.Unreadable, fmt.Sprintf("round %d: %s: %s", out.Rounds, store, rest))
			delete(waiting, store)
		}
	case "gone":
		out.Gone++
		if !spoiled {
			out.Unreadable = append(out.Unreadable, fmt.Sprintf("round %d: %s failed before anything was broken: %s", out.Rounds, store, rest))
		}
	default:
		return fmt.Errorf("the program said %q", line)
	}
	return nil
}

func tail(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.Index(s, "panic"); i >= 0 {
		s = s[i:]
	}
	return s[:min(len(s), 600)]
}
