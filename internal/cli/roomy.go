package cli

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// While less than smallHeap is in use, garbage is collected at garbageRoom of the whole process instead of at twice what
// is in use: a front door that serves makes much garbage and keeps little.
const (
	smallHeap   = 32 << 20
	garbageRoom = 96 << 20
	lookAtHeap  = time.Second
)

// collecting are the collector's percentage and the memory limit for a heap of which so many bytes are in use. A large heap
// is collected as everywhere: a limit that is below what is in use would leave no time for anything else.
func collecting(live uint64) (percent int, limit int64) {
	if live < smallHeap {
		return 400, garbageRoom
	}
	return 100, math.MaxInt64
}

// roomy fits the garbage collector to what is in use until the context ends. An environment that sets the collector wins.
func roomy(ctx context.Context, env map[string]string) {
	if env["GOGC"] != "" || env["GOMEMLIMIT"] != "" {
		return
	}
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) }()
	look := time.NewTicker(lookAtHeap)
	defer look.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for now := 100; ; {
		metrics.Read(sample)
		if p, l := collecting(sample[0].Value.Uint64()); p != now {
			debug.SetMemoryLimit(l)
			debug.SetGCPercent(p)
			now = p
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}
