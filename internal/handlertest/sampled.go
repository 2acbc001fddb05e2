package handlertest

import (
	"hash/fnv"
	"testing"
)

// Sampled skips most of a table of very many cases when tests are to be short, always the same ones. The whole table runs
// otherwise.
func Sampled(t *testing.T) {
	t.Helper()
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Name()))
	if testing.Short() && h.Sum32()%5 != 0 {
		t.Skip("one of five of these run with -short")
	}
}
