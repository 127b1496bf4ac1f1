package pull

import (
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
)

// State is what is known of one source. It is kept over restarts; a server that came to lead lately knows nothing of before.
type State struct {
	Tried    model.Time `json:"tried,omitzero"`   // when it was last looked at, whatever came of it
	Checked  model.Time `json:"checked,omitzero"` // when it was last reached, be it that it had nothing new
	Changed  model.Time `json:"changed,omitzero"` // when it last had something new, which was taken in
	Failed   model.Time `json:"failed,omitzero"`  // when it last failed
	Reason   string     `json:"reason,omitzero"`  // why; empty where the newest attempt went well. At most 512 bytes
	Failures int        `json:"failures,omitzero"`
	Next     model.Time `json:"next,omitzero"` // when it is to be looked at again
	Taken    Taken      `json:"taken"`         // of Changed

	// What tells one edition of it from the next.
	ETag         string `json:"etag,omitzero"`
	LastModified string `json:"last_modified,omitzero"`
	Digest       string `json:"digest,omitzero"` // of a folder: names, sizes and times
	Cursor       string `json:"cursor,omitzero"` // of a bundle that a Skerry server made: what comes after it is asked for

	warned time.Time // of its age
}

// Progress is how far a fetch that is under way has come.
type Progress struct {
	Running    bool
	Have, Size int64 // bytes; Size is 0 where the far server does not say
}

// Status is a source with what is known of it.
type Status struct {
	Source
	State
	Progress
	Age time.Duration // since it was last reached; negative: it never was
	Old bool          // it was not reached for three of its intervals
}

const (
	stateFile = "sources.json"
	maxState  = 4 << 20
	maxReason = 512
)

// statesFile is the form on disk.
type statesFile struct {
	Version int               `json:"version"` // 1
	Sources map[string]*State `json:"sources"`
}

func (p *Puller) statePath() string { return filepath.Join(p.Dir, stateFile) }

// loadStates reads what was kept. A file that is missing or damaged counts as nothing known: the sources are fetched anew.
func loadStates(path string) map[string]*State {
	none := map[string]*State{}
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) > maxState {
		return none
	}
	var f statesFile
	if model.Decode(raw, &f) != nil || f.Version != 1 || f.Sources == nil {
		return none
	}
	for name, st := range f.Sources {
		if st == nil {
			delete(f.Sources, name)
		}
	}
	return f.Sources
}

func (p *Puller) saveLocked() error {
	raw, err := model.Encode(statesFile{Version: 1, Sources: p.states})
	if err != nil {
		return err
	}
	return durable.Write(p.statePath(), raw, 0o600)
}

func (p *Puller) stateLocked(name string) *State {
	st := p.states[name]
	if st == nil {
		if p.states == nil {
			p.states = map[string]*State{}
		}
		st = &State{}
		p.states[name] = st
	}
	return st
}

func (p *Puller) progress(name string, at Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forms[name] = at
}

// Status returns every source in the order of the configuration.
func (p *Puller) Status() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now()
	out := make([]Status, 0, len(p.Sources))
	for _, s := range p.Sources {
		st := p.stateLocked(s.Name)
		age := time.Duration(-1)
		if !st.Checked.IsZero() {
			age = max(now.Sub(st.Checked.Std()), 0)
		}
		out = append(out, Status{Source: s, State: *st, Progress: p.forms[s.Name], Age: age, Old: p.oldLocked(s, now)})
	}
	return out
}

// oneLine makes one line of a text that may come from outside.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}
