package index

import (
	"os"
	"testing"

	"github.com/skerryhq/skerry/storage/plain"
)

func TestMain(m *testing.M) {
	plain.Runs(1000)
	os.Exit(m.Run())
}
