package search

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// orderFixture is an order and the plain list that it must equal.
type orderFixture struct {
	texts names
	ids   []model.HostID
	order *order
	want  []uint32 // in order
}

func newOrderFixture() *orderFixture {
	f := new(orderFixture)
	f.order = newOrder(f.texts.at, func(ord uint32) model.HostID { return f.ids[ord] })
	return f
}

func (f *orderFixture) compare(ord uint32, name []byte, id model.HostID) int {
	return cmp.Or(bytes.Compare(f.texts.at(ord), name), bytes.Compare(f.ids[ord][:], id[:]))
}

// at returns where an ordinal is, or belongs, in want.
func (f *orderFixture) at(name []byte, id model.HostID) int {
	return sort.Search(len(f.want), func(i int) bool { return f.compare(f.want[i], name, id) >= 0 })
}

func (f *orderFixture) insert(ord uint32) bool {
	f.want = slices.Insert(f.want, f.at(f.texts.at(ord), f.ids[ord]), ord)
	return f.order.insert(ord)
}

func (f *orderFixture) remove(ord uint32) bool {
	i := f.at(f.texts.at(ord), f.ids[ord])
	f.want = slices.Delete(f.want, i, i+1)
	return f.order.remove(ord)
}

func (f *orderFixture) check(t *testing.T) {
	t.Helper()
	if err := f.order.check(); err != nil {
		t.Fatal(err)
	}
	if got := orderAll(f.order.walk(f.order.first(), f.order.end(), false), 100); !slices.Equal(got, f.want) {
		t.Fatalf("%d ordinals are not the %d that belong, or not in their order", len(got), len(f.want))
	}
	down := orderAll(f.order.walk(f.order.first(), f.order.end(), true), 77)
	slices.Reverse(down)
	if !slices.Equal(down, f.want) {
		t.Fatal("the way down is not the way up")
	}
}

// orderAll reads a cursor to its end, some at a time.
func orderAll(c orderCursor, batch int) (all []uint32) {
	buf := make([]uint32, batch)
	for {
		n := c.next(buf)
		all = append(all, buf[:n]...)
		if n < batch {
			return all
		}
	}
}

// TestOrderAgainstAList puts ordinals in and takes them out, in waves, and asks for places meanwhile.
func TestOrderAgainstAList(t *testing.T) {
	for kind, name := range structuresNames {
		t.Run(kind, func(t *testing.T) {
			r := seeded(t, 31)
			f := newOrderFixture()
			var in, free []uint32
			for step := range 24_000 {
				if grow := step/6000%2 == 0; len(in) > 0 && r.IntN(4) == 0 == grow {
					i := r.IntN(len(in))
					ord := in[i]
					in[i], in = in[len(in)-1], in[:len(in)-1]
					if !f.remove(ord) {
						t.Fatalf("step %d: ordinal %d is not there", step, ord)
					}
					free = append(free, ord)
				} else {
					ord := uint32(len(f.ids))
					if len(free) > 0 && r.IntN(2) == 0 {
						ord, free = free[len(free)-1], free[:len(free)-1]
						f.ids[ord] = structuresID(r)
					} else {
						f.ids = append(f.ids, structuresID(r))
					}
					f.texts.set(ord, name(r, step))
					if !f.insert(ord) {
						t.Fatalf("step %d: ordinal %d is there already", step, ord)
					}
					in = append(in, ord)
				}
				if step%3000 == 2999 {
					f.check(t)
				}
				if step%40 == 0 {
					f.ask(t, r, name(r, step))
				}
			}
			for _, ord := range in {
				f.remove(ord)
			}
			f.check(t)
			if len(f.order.blocks) != 0 || f.order.len() != 0 {
				t.Errorf("an order that was emptied has %d blocks", len(f.order.blocks))
			}
		})
	}
}

// ask compares places around a name.
func (f *orderFixture) ask(t *testing.T, r *rand.Rand, text string) {
	t.Helper()
	name, id := []byte(text), structuresID(r)
	if len(f.want) > 0 && r.IntN(2) == 0 {
		ord := f.want[r.IntN(len(f.want))]
		name, id = f.texts.at(ord), f.ids[ord]
	}
	at := f.at(name, id)
	behind := at
	if at < len(f.want) && f.compare(f.want[at], name, id) == 0 {
		behind++
		if p, ok := f.order.placeOf(f.want[at]); !ok || f.order.count(f.order.first(), p) != at {
			t.Fatalf("ordinal %d is not found at %d", f.want[at], at)
		}
	}
	o := f.order
	for what, p := range map[string]struct {
		got  orderPlace
		want int
	}{
		"atOrAfter": {o.atOrAfter(name, id), at}, "after": {o.after(name, id), behind},
	} {
		if got := o.count(o.first(), p.got); got != p.want {
			t.Fatalf("%s(%.40q) is at %d, not %d", what, name, got, p.want)
		}
	}
	up, down := o.seek(name, id, false), o.seek(name, id, true)
	var buf [700]uint32
	if n, want := up.next(buf[:]), f.want[at:min(at+700, len(f.want))]; !slices.Equal(buf[:n], want) {
		t.Fatalf("seek up from %.40q: %d ordinals, not %d, or others", name, n, len(want))
	}
	n := down.next(buf[:])
	slices.Reverse(buf[:n])
	if want := f.want[max(behind-700, 0):behind]; !slices.Equal(buf[:n], want) {
		t.Fatalf("seek down from %.40q: %d ordinals, not %d, or others", name, n, len(want))
	}
	prefix := name[:r.IntN(len(name)+1)]
	from, to := o.prefix(prefix)
	var want []uint32
	for _, ord := range f.want {
		if bytes.HasPrefix(f.texts.at(ord), prefix) {
			want = append(want, ord)
		}
	}
	if got := orderAll(o.walk(from, to, false), 64); !slices.Equal(got, want) || o.count(from, to) != len(want) {
		t.Fatalf("%d names begin with %.40q, not %d, or others", len(got), prefix, len(want))
	}
	down = o.walk(from, to, true)
	got := orderAll(down, 65)
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		t.Fatalf("going down, %d names begin with %.40q, not %d, or others", len(got), prefix, len(want))
	}
}

func TestOrderBuildSaveLoad(t *testing.T) {
	for kind, name := range structuresNames {
		for _, n := range []int{0, 1, 2, orderFill, orderFill + 1, 5000, 40_000} {
			if n > 5000 && kind == "long" {
				continue
			}
			t.Run(fmt.Sprint(kind, n), func(t *testing.T) {
				r := seeded(t, 32)
				f := newOrderFixture()
				for i := range n {
					f.ids = append(f.ids, structuresID(r))
					f.texts.set(uint32(i), name(r, i))
					f.want = append(f.want, uint32(i))
				}
				shuffled := slices.Clone(f.want)
				r.Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				slices.SortFunc(f.want, func(a, b uint32) int { return f.compare(a, f.texts.at(b), f.ids[b]) })
				if !f.order.build(shuffled) {
					t.Fatal("build refuses ordinals that are there once")
				}
				f.check(t)
				saved := f.order.appendTo([]byte("x"))
				g := newOrderFixture()
				g.texts, g.ids, g.want = f.texts, f.ids, f.want
				g.order.name = g.texts.at
				if err := g.order.load(saved[1:], uint32(n)); err != nil {
					t.Fatal(err)
				}
				g.check(t)
				almost := slices.Clone(f.want) // as saved, and some of it out of date
				for range n / 100 {
					i, j := r.IntN(n), r.IntN(n)
					almost[i], almost[j] = almost[j], almost[i]
				}
				if !g.order.build(almost) {
					t.Fatal("build refuses ordinals that are there once")
				}
				g.check(t)
				for ord := range uint32(min(n, 2000)) { // it can be changed
					f.remove(ord)
					f.insert(ord)
				}
				f.check(t)
			})
		}
	}
}

func TestOrderRefuses(t *testing.T) {
	r := seeded(t, 33)
	f := newOrderFixture()
	for i := range 3000 {
		f.ids = append(f.ids, structuresID(r))
		f.texts.set(uint32(i), structuresHost(r))
		f.insert(uint32(i))
	}
	if f.order.insert(7) {
		t.Error("an ordinal was put in twice")
	}
	f.order.remove(7)
	if f.order.remove(7) || f.order.remove(1<<30) {
		t.Error("an ordinal that is not there was taken out")
	}
	good := f.order.appendTo(nil)
	change := func(at int, ord uint32) []byte {
		b := bytes.Clone(good)
		binary.BigEndian.PutUint32(b[at:], ord)
		return b
	}
	swapped := bytes.Clone(good)
	copy(swapped[4:], good[4+4*700:4+4*701])
	copy(swapped[4+4*700:], good[4:8])
	near := bytes.Clone(good)
	copy(near[4+4*8:], good[4+4*9:4+4*10])
	copy(near[4+4*9:], good[4+4*8:4+4*9])
	for what, b := range map[string][]byte{
		"nothing": nil, "three bytes": good[:3], "cut off": good[:len(good)-1], "one less": good[:len(good)-4],
		"one more": append(bytes.Clone(good), 0, 0, 0, 0), "count": change(0, 1<<31), "twice": change(8, binary.BigEndian.Uint32(good[4:])),
		"too large": change(8, ^uint32(0)), "no such host": change(8, 3000), "nothing but a count": good[:4], "swapped": swapped, "neighbours swapped": near,
	} {
		g := newOrder(f.texts.at, func(ord uint32) model.HostID { return f.ids[ord] })
		err := g.load(b, uint32(len(f.ids)))
		if !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: load says %v", what, err)
		}
		if g.len() != 0 || g.check() != nil {
			t.Errorf("%s: there is something left of what was refused", what)
		}
	}
	same := newOrderFixture() // of one name, in the order of ids
	for i := range 100 {
		same.ids = append(same.ids, structuresID(r))
		same.texts.set(uint32(i), "localhost")
		same.insert(uint32(i))
	}
	b := same.order.appendTo(nil)
	if err := same.order.load(b, 100); err != nil {
		t.Error(err)
	}
	first, second := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	binary.BigEndian.PutUint32(b[4:], second)
	binary.BigEndian.PutUint32(b[8:], first)
	if err := same.order.load(b, 100); !fault.Is(err, fault.Corrupt) {
		t.Errorf("load takes hosts of one name in the wrong order of their ids: %v", err)
	}
	// The checker finds what it should.
	for what, spoil := range map[string]func(){
		"names":  func() { f.texts.set(f.order.blocks[1][3], "zzzz") },
		"heads":  func() { f.order.heads[2].lo++ },
		"labels": func() { f.order.setLabel(f.order.blocks[0][5], 1) },
		"counts": func() { f.order.counts[0]-- },
		"firsts": func() { f.order.firsts[1]++ },
	} {
		var ords []uint32
		for ord := range uint32(3000) {
			ords = append(ords, ord)
		}
		if f.order.build(ords); f.order.check() != nil {
			t.Fatal("the checker finds something in a sound order")
		}
		if spoil(); f.order.check() == nil {
			t.Errorf("the checker does not find wrong %s", what)
		}
		f.texts.set(f.order.blocks[1][3], structuresHost(r))
	}
}

func FuzzOrderLoad(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 1, 255, 255, 255, 255})
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		var texts names
		ids := make([]model.HostID, 4)
		for i := range ids {
			ids[i][0] = byte(i)
			texts.set(uint32(i), "host"[:1+i%3])
		}
		o := newOrder(texts.at, func(ord uint32) model.HostID { return ids[ord] })
		if o.load(b, 4) == nil {
			if err := o.check(); err != nil {
				t.Fatal(err)
			}
			if got := o.appendTo(nil); !bytes.Equal(got, b) {
				t.Fatalf("%x was loaded, and is saved as %x", b, got)
			}
		}
	})
}

func BenchmarkOrder(b *testing.B) {
	texts, ids := structuresFleet(structuresMany)
	o := newOrder(texts.at, func(ord uint32) model.HostID { return ids[ord] })
	ords := make([]uint32, structuresMany)
	before := structuresHeap()
	b.Run("build", func(b *testing.B) {
		for b.Loop() {
			for i := range ords {
				ords[i] = uint32(i)
			}
			o.build(ords)
		}
		b.ReportMetric(float64(structuresHeap()-before)/structuresMany, "B/host")
	})
	r := rand.New(rand.NewPCG(5, 6))
	b.Run("rebuild", func(b *testing.B) {
		for b.Loop() {
			almost := orderAll(o.walk(o.first(), o.end(), false), 512)
			for range structuresMany / 200 {
				i, j := r.IntN(structuresMany), r.IntN(structuresMany)
				almost[i], almost[j] = almost[j], almost[i]
			}
			o.build(almost)
		}
	})
	saved := o.appendTo(nil)
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if err := o.load(saved, structuresMany); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remove+insert", func(b *testing.B) {
		for b.Loop() {
			ord := uint32(r.IntN(structuresMany))
			o.remove(ord)
			o.insert(ord)
		}
	})
	b.Run("seek", func(b *testing.B) {
		var one [1]uint32
		for b.Loop() {
			ord := uint32(r.IntN(structuresMany))
			c := o.seek(texts.at(ord), ids[ord], false)
			c.next(one[:])
		}
	})
	b.Run("walk", func(b *testing.B) {
		var buf [512]uint32
		for b.Loop() {
			c := o.walk(o.first(), o.end(), false)
			for c.next(buf[:]) > 0 {
				continue
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/structuresMany, "ns/host")
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if o.check() != nil {
				b.Fatal("not in order")
			}
		}
	})
}

// BenchmarkOrderGrow puts hosts in one by one, in ways that are hard for labels.
func BenchmarkOrderGrow(b *testing.B) {
	for _, kind := range []string{"fleet", "rising", "falling", "hot", "equal"} {
		b.Run(kind, func(b *testing.B) {
			const n = 300_000
			r := rand.New(rand.NewPCG(7, 8))
			var texts names
			ids := make([]model.HostID, n)
			for i := range n {
				texts.set(uint32(i), structuresNames[kind](r, i))
				ids[i] = structuresID(r)
			}
			var o *order
			for b.Loop() {
				o = newOrder(texts.at, func(ord uint32) model.HostID { return ids[ord] })
				for ord := range uint32(n) {
					o.insert(ord)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/insert")
			b.ReportMetric(n/float64(len(o.blocks)), "hosts/block")
		})
	}
}
