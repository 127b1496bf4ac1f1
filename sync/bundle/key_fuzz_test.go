package bundle

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
)

// FuzzKeys reads any bytes as a key file, as an operator may send one to be trusted.
func FuzzKeys(f *testing.F) {
	public, err := os.ReadFile(filepath.Join("testdata", "golden-1.pub.pem"))
	if err != nil {
		f.Fatal(err)
	}
	key, err := GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
	if err != nil {
		f.Fatal(err)
	}
	private, err := EncodePrivate(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(public)
	f.Add(private)
	f.Add(append(bytes.Clone(public), public...))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if pub, err := ParsePublic(b); err == nil {
			text, err := EncodePublic(pub)
			if err != nil {
				t.Fatalf("it was read and cannot be written: %v", err)
			}
			if again, err := ParsePublic(text); err != nil || !again.Equal(pub) || KeyID(pub) == "" {
				t.Fatalf("written as %s, and that is %v", text, err)
			}
		} else if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
			t.Fatalf("an error of kind %s: %v", k, err)
		}
		if key, err := ParsePrivate(b); err == nil {
			if _, err := signES256(key, b); err != nil {
				t.Fatalf("it was read and cannot sign: %v", err)
			}
		} else if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
			t.Fatalf("an error of kind %s: %v", k, err)
		}
	})
}
