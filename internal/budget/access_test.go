package budget

import (
	"testing"
	"time"

	"issuance/providers"
)

// claims reports whether a worker that calls with some settings finds a probe due and gets it.
func (w *world) claims(i int, access string) bool {
	w.Helper()
	s, err := w.workers[i].State(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	_, ok, err := w.workers[i].ClaimProbe(WithAccess(w.ctx, access))
	if err != nil {
		w.Fatal(err)
	}
	if ok && !s.ProbeDueWith(access) {
		w.Errorf("a probe of worker %d with %q is claimed and was not due", i, access)
	}
	return ok
}

// Who has other credentials than those that are refused asks at once, once for all workers that have them; those that still have the
// refused ones do not, nor does whoever goes back to them.
func TestChangedCredentialsAreProbedAtOnceAndOnce(t *testing.T) {
	for _, kind := range []providers.Health{providers.HealthRefused, providers.HealthGarbage} {
		virtual(t, Config{}, func(w *world) {
			w.goDown(0, providers.Condition{State: kind, Code: "not_decryptable"})
			<-time.After(2 * time.Second)
			if !w.claims(0, "old") {
				w.Fatal("the first probe is not due")
			}
			<-time.After(2 * time.Second)
			for _, c := range []struct {
				worker int
				access string
				want   bool
			}{{1, "old", false}, {1, "", false}, {1, "new", true}, {0, "new", false}, {0, "old", false}, {0, "newer", true}, {1, "newer", false}, {1, "new", false}} {
				if got := w.claims(c.worker, c.access); got != c.want {
					w.Errorf("%s: worker %d with %q asks: %t", kind, c.worker, c.access, got)
				}
			}
			<-time.After(probeRarely)
			ctx, ok, err := w.workers[1].ClaimProbe(WithAccess(w.ctx, "newer"))
			if err != nil || !ok {
				w.Fatalf("%t, %v: the usual probe does not leave", ok, err)
			}
			w.workers[1].Answered(ctx, fine)
			<-time.After(speaksFor + time.Second)
			w.goDown(0, providers.Condition{State: kind, Code: "not_decryptable"})
			if s, err := w.workers[0].State(w.ctx); err != nil || s.Trouble == nil || len(s.Trouble.tried) != 0 {
				w.Errorf("another trouble knows of the one before: %+v, %v", s.Trouble, err)
			}
		})
	}
}

// Changed credentials neither lift a ban nor end a Retry-After, and an account that nobody answers is asked every five seconds anyway.
func TestChangedCredentialsTouchNothingElse(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.goDown(0, silence)
		<-time.After(2 * time.Second)
		if !w.claims(0, "old") || w.claims(1, "new") {
			w.Error("an account that nobody answers is asked out of turn")
		}
	})
	virtual(t, Config{}, func(w *world) {
		w.goDown(0, noise)
		<-time.After(2 * time.Second)
		if !w.claims(0, "old") {
			w.Fatal("the first probe is not due")
		}
		w.workers[0].Banned(w.ctx, "too fast")
		if s, err := w.workers[1].State(w.ctx); err != nil || s.ProbeDueWith("new") || s.Ban == nil {
			w.Errorf("during a ban: %+v, %v", s, err)
		}
	})
	virtual(t, Config{}, func(w *world) {
		w.goDown(0, noise)
		<-time.After(2 * time.Second)
		if !w.claims(0, "old") {
			w.Fatal("the first probe is not due")
		}
		w.hears(0, providers.Condition{State: providers.HealthRefused, Code: "http_403", RetryAfter: time.Minute})
		if s, err := w.workers[1].State(w.ctx); err != nil || s.ProbeDueWith("new") || w.claims(1, "new") {
			w.Errorf("before the time that the provider asked for: %+v, %v", s.Trouble, err)
		}
	})
}

// A probe that the call budget did not let leave is due again soon, with the same credentials, too.
func TestAProbeThatCouldNotLeaveIsDueAgain(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		w.goDown(0, noise)
		<-time.After(2 * time.Second)
		if !w.claims(0, "old") {
			w.Fatal("the first probe is not due")
		}
		for range 3 {
			ctx, ok, err := w.workers[1].ClaimProbe(WithAccess(w.ctx, "new"))
			if err != nil || !ok {
				w.Fatalf("%t, %v", ok, err)
			}
			if err := w.workers[1].EndProbe(ctx); err != nil {
				w.Fatal(err)
			}
		}
		ctx, ok, err := w.workers[1].ClaimProbe(WithAccess(w.ctx, "new"))
		if err != nil || !ok {
			w.Fatalf("%t, %v", ok, err)
		}
		if err := w.workers[1].Pass(ctx); err != nil {
			w.Fatal(err)
		}
		if err := w.workers[1].EndProbe(ctx); err != nil || w.claims(1, "new") {
			w.Errorf("a probe that has left is due again, %v", err)
		}
	})
}
