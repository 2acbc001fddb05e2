package door

import (
	"context"
	"time"

	"issuance/internal/bench/lab"
)

// Mark is where a replay stood at a share of its events.
type Mark struct {
	Share     float64 `json:"share"`
	Events    int     `json:"events"`
	PerSecond float64 `json:"per_second"` // since the mark before
	MiB       float64 `json:"resident_mib"`
	PeakMiB   float64 `json:"peak_mib"`
	RedisMiB  float64 `json:"redis_mib"`
}

// shares are where a replay is looked at.
var shares = []float64{0.01, 0.1, 0.25, 0.5, 0.75, 1}

// Replay starts the front door after it was away while events came, and follows how it catches up.
func (h *Hooks) Replay(ctx context.Context, events int, progress func(Mark)) (marks []Mark, err error) {
	if err := h.Start(ctx); err != nil {
		return nil, err
	}
	last, began := 0, time.Now()
	for _, share := range shares {
		want := int(float64(events) * share)
		if want <= last {
			continue
		}
		if err := h.Good.wait(ctx, want); err != nil {
			return marks, err
		}
		m := Mark{Share: share, Events: want, PerSecond: float64(want-last) / time.Since(began).Seconds()}
		m.MiB, m.PeakMiB = h.Memory()
		bytes, err := h.redis.Memory(ctx)
		if err != nil {
			return marks, err
		}
		m.RedisMiB = float64(bytes) / (1 << 20)
		marks, last, began = append(marks, m), want, time.Now()
		progress(m)
	}
	return marks, nil
}

// P99 sorts durations and is their 99th percentile, 0 of none.
func P99(took []time.Duration) time.Duration { return p99(took) }

// Median is that of durations.
func Median(took []time.Duration) time.Duration {
	values := make([]float64, len(took))
	for i, d := range took {
		values[i] = float64(d)
	}
	return time.Duration(lab.Median(values))
}
