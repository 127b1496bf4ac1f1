package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestBounded holds the context against that of the standard library: who looks, who waits, and who asks for the
// cause all learn the same of an end that comes by the clock, from the caller or by release.
func TestBounded(t *testing.T) {
	cause := errors.New("the caller went")
	for _, c := range []struct {
		name string
		do   func(cancel context.CancelCauseFunc, release func())
		want error
		why  error
	}{
		{"nothing", func(context.CancelCauseFunc, func()) {}, nil, nil},
		{"the clock", func(context.CancelCauseFunc, func()) { time.Sleep(2 * time.Second) }, context.DeadlineExceeded, context.DeadlineExceeded},
		{"the caller", func(cancel context.CancelCauseFunc, _ func()) { cancel(cause) }, context.Canceled, cause},
		{"release", func(_ context.CancelCauseFunc, release func()) { release() }, context.Canceled, context.Canceled},
	} {
		for _, waits := range []string{"never", "before", "after"} {
			t.Run(c.name+", somebody waits "+waits, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					caller, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					plain, stop := context.WithTimeout(caller, 2*time.Second)
					defer stop()
					b := &bounded{Context: caller, end: time.Now().Add(2 * time.Second)}
					defer b.release()
					if waits == "before" {
						_ = b.Done()
					}
					c.do(cancel, func() { b.release(); stop() })
					synctest.Wait()
					for _, ctx := range []context.Context{plain, b} {
						if err := ctx.Err(); err != c.want {
							t.Errorf("%T: %v, want %v", ctx, err, c.want)
						}
						if err := context.Cause(ctx); err != c.why {
							t.Errorf("%T: the cause is %v, want %v", ctx, err, c.why)
						}
						if waits == "never" {
							continue
						}
						synctest.Wait()
						select {
						case <-ctx.Done():
							if c.want == nil {
								t.Errorf("%T: it is done", ctx)
							}
						default:
							if c.want != nil {
								t.Errorf("%T: nobody who waits is told", ctx)
							}
						}
					}
					d1, _ := plain.Deadline()
					if d2, ok := b.Deadline(); !ok || !d1.Equal(d2) {
						t.Errorf("the end is %v, want %v", d2, d1)
					}
				})
			})
		}
	}
}

// TestBoundedByTheCaller: an end of the caller that is earlier is the end.
func TestBoundedByTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b := &bounded{Context: caller, end: time.Now().Add(time.Minute)}
		defer b.release()
		want, _ := caller.Deadline()
		if got, _ := b.Deadline(); !got.Equal(want) {
			t.Errorf("the end is %v, want %v", got, want)
		}
		begun := time.Now()
		<-b.Done()
		if took := time.Since(begun); took != time.Second || b.Err() != context.DeadlineExceeded {
			t.Errorf("done after %s with %v", took, b.Err())
		}
	})
}
