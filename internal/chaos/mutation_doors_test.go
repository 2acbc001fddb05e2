package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/tasks"
)

// doorBugs are the planted bugs of front doors, and what the auditor must find.
var doorBugs = map[string]Trouble{
	"events-of-an-order-side-by-side": OutOfOrder,
	"throttled-taken-for-delivered":   Undelivered,
	"conflict-answered-by-a-receipt":  OtherDocument,
	"number-not-of-the-key-alone":     KeySplit,
	"answer-before-the-record":        ReceiptTwice,
	"last-event-id-not-read":          StreamBroken,
}

// quickDoorBugs are those of every test, all in one front door; none hides another.
var quickDoorBugs = []string{"events-of-an-order-side-by-side", "throttled-taken-for-delivered", "conflict-answered-by-a-receipt", "number-not-of-the-key-alone"}

// atTheDoor are orders with refunds, each with another document under its number, and orders under a key.
func atTheDoor() *Load {
	l := sold(kindElectronic, 10, 1, nil)()
	for i, o := range l.Orders {
		o.Lanes = []tasks.Lane{tasks.Checkout, tasks.Bulk, tasks.Checkout}
		if i >= 4 {
			o.compete(6)
			o.Forged, o.Rival = o.Rival, nil
			continue
		}
		o.Refunds = nil
		o.under(fmt.Sprintf("key-%d", i))
	}
	l.Refunds = slices.DeleteFunc(l.Refunds, func(f *Refund) bool { return len(f.Order.Refunds) == 0 })
	return l
}

// late has orders' events accepted at the fifth try, and refunds' at the second, after a 429: those come meanwhile.
func late(id string, try int) string {
	refund := !strings.Contains(id, "/issued/")
	switch {
	case refund && try == 1:
		return throttled
	case !refund && try < 5:
		return unavailable
	}
	return taken
}

func playAtTheDoor(t *testing.T, bin string) *Run {
	t.Helper()
	rig := NewRig(t, RigConfig{Seed: 5, Workers: 1, Binary: theWorker(t), Doors: 2, DoorBinary: bin, Log: t.Logf, Answers: late,
		Script: func(Call) (Fault, bool) { return NoFault, true }})
	run, err := Execute(t.Context(), rig, Plan{Seed: 5, Load: atTheDoor(), Spread: time.Second, Patience: 25 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// The auditor finds what a front door does wrong, and nothing where it does not.
func TestPlantedBugsOfFrontDoorsAreFound(t *testing.T) {
	t.Parallel()
	mustFind := func(t *testing.T, names ...string) {
		t.Helper()
		overlay := plant(t, append([]string{shortWebhooks}, names...)...)
		run := playAtTheDoor(t, must(t, func() (string, error) { return build(t.TempDir(), "enqueue", overlay) }))
		for _, name := range names {
			if !run.Report.Has(doorBugs[name]) {
				t.Errorf("%s was planted, and %q is not among what was found: %q", name, doorBugs[name], run.Problems())
			}
		}
	}
	t.Run("together", func(t *testing.T) {
		t.Parallel()
		mustFind(t, quickDoorBugs...)
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		if problems := playAtTheDoor(t, theDoor(t)).Problems(); len(problems) > 0 {
			t.Errorf("no bug was planted; found: %q", problems)
		}
	})
	for name := range doorBugs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plant(t, name) // it must apply, whether it is played or not
			if *planted == "all" {
				mustFind(t, name)
			}
		})
	}
}
