package budget

import (
	"strings"
	"testing"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// One call without an answer for as long as a caller waits is enough, unless its worker was answered meanwhile.
func TestOneCallThatHangsForLongIsEnough(t *testing.T) {
	long := silence
	long.Took = 20 * time.Second
	virtual(t, Config{}, func(w *world) {
		<-time.After(time.Minute)
		w.hears(0, fine)
		<-time.After(5 * time.Second)
		w.hears(0, long)
		if tr := w.trouble(); tr != nil {
			w.Errorf("one order's own trouble: %+v", tr)
		}
		<-time.After(20 * time.Second)
		w.hears(0, long)
		if tr := w.trouble(); tr == nil || !tr.Down || !tr.Since.Equal(w.start.Add(65*time.Second)) {
			w.Errorf("%+v", tr)
		}
	})
}

// Calls that were sent before the provider came back, and that are given up after, are old news.
func TestLateTimeoutsAreNoNewOutage(t *testing.T) {
	late := silence
	late.Took = 20 * time.Second
	virtual(t, Config{}, func(w *world) {
		w.goDown(0, silence)
		ctx, _ := w.probes(0)
		<-time.After(10 * time.Second)
		w.workers[0].Answered(ctx, fine)
		for i := range 8 {
			<-time.After(time.Second)
			w.hears(i%2, late)
		}
		if tr := w.trouble(); tr != nil {
			w.Errorf("%+v", tr)
		}
	})
}

// Where something answers the worker, and it is no answer of the provider's, the network is not what to look at.
func TestAWorkerThatIsAnsweredBySomethingElseSaysSo(t *testing.T) {
	log, out := logged()
	virtual(t, Config{Log: log}, func(w *world) {
		w.goDown(0, silence)
		ctx, ok := w.probes(1)
		if !ok {
			w.Fatal("no probe is due")
		}
		w.workers[1].Answered(ctx, fine)
		out.Reset()
		for range 5 {
			<-time.After(time.Second)
			w.hears(0, providers.Condition{State: providers.HealthGarbage, Code: "old_answer"})
		}
		if text := out.String(); strings.Count(text, "look at what answers it") != 1 || strings.Contains(text, "network") {
			w.Errorf("said: %s", text)
		}
	})
}

// A worker whose own network is broken does not stop the others: once one of them is answered, its troubles
// do not count for a minute, and it says what it suspects.
func TestAWorkerWithABrokenNetworkStopsNobodyForLong(t *testing.T) {
	log, out := logged()
	virtual(t, Config{Log: log}, func(w *world) {
		out.Reset()
		w.goDown(0, silence)
		ctx, ok := w.probes(1)
		if !ok {
			w.Fatal("no probe is due")
		}
		w.workers[1].Answered(ctx, fine)
		for range 50 {
			<-time.After(time.Second)
			w.hears(0, silence)
			if err := w.pass(1, order.Checkout); err != nil {
				w.Fatal(err)
			}
		}
		if n := strings.Count(out.String(), "look at its network"); n != 1 {
			w.Errorf("said %d times: %s", n, out)
		}
		<-time.After(time.Minute)
		w.goDown(0, silence) // the other's answer is old by now, so these may be the provider's
		ctx, _ = w.probes(0)
		w.workers[0].Answered(ctx, fine)
		<-time.After(time.Second)
		w.goDown(0, silence) // it was answered itself, so it counts
	})
}
