package cli

import (
	"math"
	"testing"
)

// A small heap has room for garbage; one that requests that wait have made large has no limit that it is above.
func TestAHeapIsNeverAboveItsLimit(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 10 << 20: 400, 31 << 20: 400, 32 << 20: 100, 1 << 30: 100} {
		percent, limit := collecting(live)
		if percent != want || limit < int64(live)*2 && limit != math.MaxInt64 {
			t.Errorf("%d bytes in use: collected at %d%%, limit %d", live, percent, limit)
		}
	}
}
