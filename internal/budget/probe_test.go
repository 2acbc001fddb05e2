package budget

import (
	"testing"
	"time"

	"issuance/providers"
)

// One probe leaves per interval, over all workers, although those before it hang; the workers take turns,
// since it may be one worker's network that is broken.
func TestOneProbeAtATimeLeaves(t *testing.T) {
	for _, tc := range []struct {
		name  string
		c     providers.Condition
		every time.Duration
	}{{"unreachable", silence, probeEvery}, {"garbage", noise, probeRarely}} {
		t.Run(tc.name, func(t *testing.T) {
			virtual(t, Config{}, func(w *world) {
				w.goDown(0, tc.c)
				const long = 5 * time.Minute
				var probed []int
				for i := 0; w.since() < long; i++ { // the first worker always asks first
					for worker := range w.workers {
						if ctx, ok := w.probes(worker); ok {
							probed = append(probed, worker)
							if err := w.workers[worker].Pass(ctx); err != nil {
								w.Errorf("probe %d: %v", len(probed), err)
							}
						}
					}
					<-time.After(500 * time.Millisecond)
				}
				if most := int(long/(tc.every-goesFirst)) + 1; len(probed) > most || len(probed) < int(long/tc.every)-1 {
					w.Errorf("%d probes in %s", len(probed), long)
				}
				for i := 1; i < len(probed); i++ {
					if probed[i] == probed[i-1] {
						w.Errorf("worker %d made two probes in a row", probed[i])
					}
				}
			})
		})
	}
}

// A worker that is alone goes on probing.
func TestALoneWorkerProbesOnTime(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.goDown(0, silence)
		n := 0
		for w.since() < time.Minute {
			if _, ok := w.probes(0); ok {
				n++
			}
			<-time.After(500 * time.Millisecond)
		}
		if n < 11 || n > 13 {
			w.Errorf("%d probes in a minute", n)
		}
	})
}

// A page that a proxy sends during an outage puts no probe off, and an account that is unreachable again is probed as one.
func TestAPageDuringAnOutagePutsNoProbeOff(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.goDown(0, silence)
		next := func(most time.Duration) {
			w.Helper()
			for began := w.since(); ; <-time.After(100 * time.Millisecond) {
				if ctx, ok := w.probes(0); ok {
					_ = w.workers[0].Pass(ctx)
					return
				}
				if w.since()-began > most {
					w.Fatalf("no probe within %s", most)
				}
			}
		}
		next(probeEvery)
		w.hears(0, noise)
		if tr := w.trouble(); tr.Kind != providers.HealthUnreachable {
			w.Errorf("%+v", tr)
		}
		next(probeEvery)
		w.hears(0, silence) // one page, and silence again
		next(probeEvery)
		w.hears(0, noise)
		next(probeEvery)
		w.hears(0, noise) // two pages in a row are what it answers
		if tr := w.trouble(); tr.Kind != providers.HealthGarbage {
			w.Errorf("%+v", tr)
		}
		next(probeEvery)
		next(probeRarely)
		w.hears(0, silence)
		next(probeEvery)
	})
}

// A probe that finds nobody there makes no second try; one that finds another's page may ask elsewhere.
func TestAProbeIsOneCall(t *testing.T) {
	for _, c := range []providers.Condition{silence, noise} {
		virtual(t, Config{}, func(w *world) {
			w.goDown(0, c)
			ctx, _ := w.probes(0)
			if err := w.workers[0].Pass(ctx); err != nil {
				w.Fatal(err)
			}
			w.workers[0].Answered(ctx, c)
			if err := w.workers[0].Pass(ctx); (err == nil) != (c == noise) {
				w.Errorf("%s: the second call: %v", c.State, err)
			}
		})
	}
}
