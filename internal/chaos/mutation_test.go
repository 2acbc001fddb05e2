package chaos

import (
	"flag"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/tasks"
)

// scene is a load and a weather in which a planted bug does its harm soon.
type scene struct {
	load   func() *Load
	script func(r *Rig) func(Call) (Fault, bool)
	expect Trouble // what the auditor must find; "" when it is the search for hidden data that must
	// removal, when set, strikes once: see Disasters.removals.
	removal string
}

// sold makes n plain orders of a kind; with refunds refunds each.
func sold(kind string, n, refunds int, refund func(f *Refund)) func() *Load {
	return func() *Load {
		l := NewLoad(3, Mix{Orders: n, Only: []string{kind}, Plain: true})
		for _, o := range l.Orders {
			o.Lanes = []tasks.Lane{tasks.Checkout}
			for i := range refunds {
				f := &Refund{Order: o, ID: "R" + string(rune('1'+i)), Early: true, Wish: ByQuantity, Quantity: 1, Lanes: []tasks.Lane{tasks.Checkout}}
				if refund != nil {
					refund(f)
				}
				o.Refunds, l.Refunds = append(o.Refunds, f), append(l.Refunds, f)
			}
		}
		return l
	}
}

// failing are orders that the provider refuses or fails to issue.
func failing() *Load {
	l := NewLoad(4, Mix{Orders: 100})
	l.Orders = slices.DeleteFunc(l.Orders, func(o *Order) bool { return o.Fate != Refused && o.Fate != Fails })
	return l
}

// first misbehaves at the first call of a kind about each order, and at nothing else.
func first(f Fault, which func(Call) bool) func(*Rig) func(Call) (Fault, bool) {
	return func(*Rig) func(Call) (Fault, bool) {
		return func(c Call) (Fault, bool) {
			if which(c) && c.N == 1 {
				return f, true
			}
			return NoFault, true
		}
	}
}

// killAtRefund kills the worker while its first call to refund is under way.
func killAtRefund(r *Rig) func(Call) (Fault, bool) {
	var once sync.Once
	return func(c Call) (Fault, bool) {
		if !c.Refunds() {
			return NoFault, true
		}
		struck := false
		once.Do(func() {
			struck = true
			go func() {
				pause(r.t.Context(), 300*time.Millisecond)
				r.Workers[0].kill()
			}()
		})
		if struck {
			return SlowAfter, true // it has taken effect, and its answer is on the way
		}
		return NoFault, true
	}
}

// oldUntilSettled loses the answer to the first refund of each order, and has its look-ups answered with what they were
// answered before, until right after the request cannot arrive any more.
func oldUntilSettled(*Rig) func(Call) (Fault, bool) {
	var mu sync.Mutex
	sent := map[string]time.Time{}
	return func(c Call) (Fault, bool) {
		mu.Lock()
		defer mu.Unlock()
		at, ok := sent[c.OrderID]
		switch {
		case c.Refunds() && !ok:
			sent[c.OrderID] = time.Now()
			return Lost, true
		case ok && !c.Changes() && time.Since(at) < settleAfter+3*time.Second:
			return OldLook, true
		}
		return NoFault, true
	}
}

var scenes = map[string]scene{
	"old-answer-believed": {
		load: sold(kindVoucher, 3, 1, func(f *Refund) { f.Quantity = max(1, f.Order.Tickets/2) }), script: oldUntilSettled, expect: RefundedTwice},
	"refund-resent-blindly": {
		load:   sold(kindVoucher, 8, 1, func(f *Refund) { f.Quantity = max(1, f.Order.Tickets/2) }),
		script: first(Lost, Call.Refunds), expect: RefundedTwice},
	"event-forgotten": {
		load: failing, script: first(NoFault, Call.Issues), expect: EventMissing},
	"rejection-not-looked-up": {
		load: sold(kindElectronic, 3, 0, nil), script: first(Overtaken, Call.Issues), expect: WrongStatus},
	"abandoned-ticket-not-asked": {
		load: sold(kindPaper, 2, 1, nil), script: killAtRefund, expect: RefundedTwice},
	"turn-not-respected": {
		load: sold(kindVoucher, 8, 2, nil), script: first(Before5xx, Call.Refunds), expect: NeedlessReview},
	"removed-task-not-brought-back": {
		load: sold(kindElectronic, 20, 0, nil), script: first(NoFault, Call.Issues), removal: "all pending deleted", expect: LostTrack},
	"document-in-the-log": {
		load: sold(kindElectronic, 2, 0, nil), script: first(NoFault, Call.Issues)},
}

var planted = flag.String("chaos.planted", "", `"all" plants every bug, and plays the same scenes without; default: those that are found soon`)

// quick are the planted bugs of every test, all in one worker to save the time of building it.
var quick = []string{"refund-resent-blindly", "event-forgotten", "document-in-the-log", "removed-task-not-brought-back"}

// The auditor, and the search for what must stay hidden, do find what they are for.
func TestPlantedBugsAreFound(t *testing.T) {
	t.Parallel()
	dir, overlay := t.TempDir(), plant(t, quick...)
	together := sync.OnceValues(func() (string, error) { return build(dir, "worker", overlay) })
	for _, name := range Mutations(t) {
		if _, ok := doorBugs[name]; ok || noticeBugs[name] != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overlay := plant(t, name) // it must apply, whether it is played or not
			s, ok := scenes[name]
			switch {
			case !ok:
				t.Fatal("no scene shows that this bug is found")
			case *planted == "all":
				s.mustBeFound(t, must(t, func() (string, error) { return build(t.TempDir(), "worker", overlay) }))
				run := s.play(t, theWorker(t))
				if problems := run.Problems(); s.found(t, run) || len(problems) > 0 {
					t.Errorf("no bug was planted; found: %q", problems)
				}
			case slices.Contains(quick, name):
				s.mustBeFound(t, must(t, together))
			}
		})
	}
}

func (s scene) mustBeFound(t *testing.T, bin string) {
	t.Helper()
	if run := s.play(t, bin); !s.found(t, run) {
		t.Errorf("the bug was planted, and it is not among what was found: %q", run.Problems())
	}
}

// found reports whether the auditor, or the search, finds what the bug does.
func (s scene) found(t *testing.T, run *Run) bool {
	t.Helper()
	if s.expect != "" {
		return run.Report.Has(s.expect)
	}
	found, _, err := Exposed(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(strings.Join(found, "\n"), "CustomerEmail of "+run.Load.Orders[0].ID)
}

func (s scene) play(t *testing.T, bin string) *Run {
	t.Helper()
	var script func(Call) (Fault, bool)
	rig := NewRig(t, RigConfig{Seed: 5, Workers: 1, Binary: bin, Log: t.Logf, Script: func(c Call) (Fault, bool) { return script(c) }})
	script = s.script(rig)
	plan := Plan{Seed: 5, Load: s.load(), Spread: time.Second, Patience: time.Minute, Endless: true}
	if s.removal != "" {
		plan.Disasters = DisasterPlan{Removals: 1, OnlyRemoval: s.removal}
		plan.Patience = RemovalLimit + 10*time.Second // it is used up when nobody brings the tasks back
	}
	run, err := Execute(t.Context(), rig, plan)
	if err != nil {
		t.Fatal(err)
	}
	return run
}
