package site

import (
	"github.com/skerryhq/skerry/storage/clock"
	"github.com/skerryhq/skerry/ui/schema"
)

// ticks is the clock as the API shows it.
type ticks struct{ *clock.Clock }

// State implements api.Clock.
func (t ticks) State() schema.Clock {
	st := t.Clock.State()
	out := schema.Clock{Now: st.Now.UTC(), Wall: st.Wall.UTC(), Judged: string(st.Judged), SkewSeconds: int64(st.Skew.Seconds())}
	if !st.Told.IsZero() {
		at := st.Told.UTC()
		out.SkewAt = &at
	}
	return out
}

// Accept implements api.Clock.
func (t ticks) Accept() (schema.Clock, error) {
	_, err := t.Clock.Accept()
	return t.State(), err
}
