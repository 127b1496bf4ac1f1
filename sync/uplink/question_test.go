package uplink

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/wire"
)

// Whoever is at the upper end of a link, a controller that was taken over included, gets what this end has listed and
// nothing else: a question is held to its bounds here, whatever was checked there.
func TestQuestionsAreHeldToTheirBoundsHere(t *testing.T) {
	frame := func(typ wire.Type, body string) []byte {
		b := binary.BigEndian.AppendUint32([]byte{byte(typ), 0, 0, 0}, uint32(len(body)))
		return append(b, body...)
	}
	whole, err := wire.AppendFrame(nil, wire.TypeAsk, wire.Ask{Route: "known", Params: map[string]string{"host": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := frame(wire.TypeAsk, `{"route":"known","params":{"host":"x"}}`); string(got) != string(whole) {
		t.Fatalf("this test writes\n%q for\n%q", got, whole)
	}
	many := strings.Builder{}
	for i := range 300 {
		fmt.Fprintf(&many, `,"p%d":""`, i)
	}
	for name, tc := range map[string]struct {
		sent     []byte
		kind     fault.Kind
		silent   bool // the stream ends before there is a whole frame
		answered bool
	}{
		"what is listed":         {sent: whole, answered: true},
		"what is not listed":     {sent: frame(wire.TypeAsk, `{"route":"host.packages"}`), kind: fault.NotFound},
		"a route with a path":    {sent: frame(wire.TypeAsk, `{"route":"../known"}`), kind: fault.Invalid},
		"another case":           {sent: frame(wire.TypeAsk, `{"route":"Known"}`), kind: fault.Invalid},
		"a space behind it":      {sent: frame(wire.TypeAsk, `{"route":"known "}`), kind: fault.Invalid},
		"no route":               {sent: frame(wire.TypeAsk, `{}`), kind: fault.Corrupt},
		"a long route":           {sent: frame(wire.TypeAsk, `{"route":"`+strings.Repeat("a", 5000)+`"}`), kind: fault.TooLarge},
		"many parameters":        {sent: frame(wire.TypeAsk, `{"route":"known","params":{"a":""`+many.String()+`}}`), kind: fault.TooLarge},
		"a long parameter":       {sent: frame(wire.TypeAsk, `{"route":"known","params":{"a":"`+strings.Repeat("x", wire.MaxControl-100)+`"}}`), kind: fault.TooLarge},
		"no text in a parameter": {sent: frame(wire.TypeAsk, `{"route":"known","params":{"a":1}}`), kind: fault.Corrupt},
		"the same one twice":     {sent: frame(wire.TypeAsk, `{"route":"known","route":"known"}`), kind: fault.Corrupt},
		"no JSON":                {sent: frame(wire.TypeAsk, `known`), kind: fault.Corrupt},
		"no UTF-8":               {sent: frame(wire.TypeAsk, "{\"route\":\"known\",\"params\":{\"a\":\"\xff\"}}"), kind: fault.Corrupt},
		"another frame":          {sent: frame(wire.TypeItems, `{"route":"known"}`), kind: fault.Corrupt},
		"a type that is none":    {sent: frame(250, `{"route":"known"}`), kind: fault.Corrupt},
		"above the bound":        {sent: frame(wire.TypeAsk, strings.Repeat(" ", wire.MaxControl+1)), kind: fault.TooLarge},
		"a length of 4 GiB":      {sent: []byte{byte(wire.TypeAsk), 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, kind: fault.TooLarge},
		"cut short":              {sent: whole[:len(whole)-3], silent: true},
		"nothing":                {silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				l := &Link{Config: Config{Name: "oslo", Log: slog.New(slog.DiscardHandler), Answers: map[string]Answer{
					"known": func(context.Context, map[string]string) (any, error) { asked++; return "it", nil },
				}}}
				here, there := net.Pipe()
				served := make(chan error, 1)
				go func() { served <- l.serve(t.Context(), here) }()
				go func() {
					_, _ = there.Write(tc.sent)
					if tc.silent {
						_ = there.Close()
					}
				}()
				typ, body, err := wire.ReadFrame(there, wire.MaxFrame)
				if tc.answered {
					if err != nil || typ != wire.TypeAnswer || asked != 1 || string(body) != `"it"` {
						t.Errorf("%v %q, %v; asked %d times", typ, body, err, asked)
					}
					if typ, _, err = wire.ReadFrame(there, wire.MaxFrame); err != nil || typ != wire.TypeEnd {
						t.Errorf("%v, %v", typ, err)
					}
				} else if !tc.silent {
					if err != nil || typ != wire.TypeFault || !fault.Is(wire.FaultError(body), tc.kind) {
						t.Errorf("%v %q, %v; want a fault of kind %s", typ, body, err, tc.kind)
					}
				}
				_ = there.Close()
				err = <-served
				if (err == nil) != tc.answered || !tc.answered && asked != 0 {
					t.Errorf("it ended with %v; asked %d times", err, asked)
				}
			})
		})
	}
}
