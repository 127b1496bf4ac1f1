package apply_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func TestSecrets(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	put := func(name string, sealed []byte) model.PutSecret {
		return model.PutSecret{Stamp: w.stamp(), Secret: model.Secret{Name: name, Sealed: sealed}}
	}
	first := put("signing/hq", []byte("sealed"))
	w.must(first)
	kept := look(w, func(v *index.View) (model.Secret, error) { s, _, err := v.Secret("signing/hq"); return s, err })
	if !bytes.Equal(kept.Sealed, first.Secret.Sealed) || kept.At != first.At {
		t.Errorf("kept as %+v", kept)
	}
	e := w.audit()
	if e.Action != "secret.add" || e.Object != "signing/hq" {
		t.Errorf("audited as %+v", e)
	}
	w.must(first)
	if w.audit().Seq != e.Seq {
		t.Error("the same again was recorded")
	}
	w.refused(fault.Exists, put("signing/hq", []byte("another")))
	for _, name := range []string{"", "A", "a b", "ä", strings.Repeat("a", 129)} {
		w.refused(fault.Invalid, put(name, []byte("x")))
	}
	w.refused(fault.Invalid, put("a", nil))
	w.refused(fault.Invalid, put("a", make([]byte, 64<<10+1)))
	w.must(put("a", make([]byte, 64<<10)))
	all := look(w, func(v *index.View) ([]model.Secret, error) { return v.Secrets() })
	if len(all) != 2 || all[0].Name != "a" {
		t.Errorf("%d secrets", len(all))
	}
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.refused(fault.Invalid, model.PutSecret{Stamp: site.stamp(), Secret: first.Secret})
}
