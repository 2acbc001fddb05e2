package chaos

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/ledger"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks"
	"issuance/tasks/order"
)

// audit compares the events since the notices, and what front doors answer about the orders, with the simulator's books.
func (k *Notices) audit(ctx context.Context) error {
	var events []ledger.Event
	for after := k.from; ; {
		list, err := k.run.Rig.Ledger.Events(ctx, after, 1000, 0)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		events, after = append(events, list...), list[len(list)-1].StreamID
	}
	k.events(events)
	books := TakeBooks(k.run.Rig)
	seen := map[order.Ref]bool{}
	for i, u := range k.used {
		if seen[u.ref] {
			continue
		}
		seen[u.ref] = true
		doors := k.run.Rig.Front.doors
		at := doors[(i+1)%len(doors)].address()
		for at == "" && pause(ctx, 50*time.Millisecond) { // it is being started again
			at = doors[(i+1)%len(doors)].address()
		}
		st, _, err := k.run.Rig.Front.status(ctx, "http://"+at+orderPath(u.ref))
		if err != nil {
			return fmt.Errorf("chaos: the status of %s: %w", u.ref, err)
		}
		k.shown(u.ref, st, books.ecticket[u.ref.OrderID])
	}
	return nil
}

// events checks that there is one event of every ticket that was used up, and none of anything else.
func (k *Notices) events(list []ledger.Event) {
	type kind struct {
		ref   order.Ref
		state order.State
	}
	want, got := map[kind]int{}, map[kind]int{}
	places, own := map[string]string{}, map[order.Ref]int{} // own: tickets that our refunds have refunded, without those whose events have come
	for _, u := range k.used {
		want[kind{u.ref, u.state}]++
		if u.ours {
			own[u.ref]++
		}
	}
	for _, e := range list {
		of := kind{e.Ref, e.State}
		got[of]++
		place := fmt.Sprintf("%s ticket %d", e.Ref, e.Ticket)
		switch before, again := places[place]; {
		case want[of] == 0 || e.Ticket == 0:
			k.differ(Unfounded, e.Ref, "%s reports what no notice was about", e.ID)
		case again:
			k.differ(WrongEvent, e.Ref, "ticket %d was used up once, and is in the events %s and %s", e.Ticket, before, e.ID)
		}
		places[place] = e.ID
		elsewhere := e.State == order.Refunded
		if elsewhere && e.Code == "" && own[e.Ref] > 0 {
			own[e.Ref]--
			elsewhere = false
		}
		if (e.Code == string(order.CodeRefundedElsewhere)) != elsewhere {
			k.differ(WrongEvent, e.Ref, "%s has the code %q", e.ID, e.Code)
		}
	}
	for ref, n := range own {
		if of := (kind{ref, order.Refunded}); n > 0 && got[of] >= want[of] {
			k.differ(WrongEvent, ref, "%d tickets that refunds of it have refunded are marked as refunded elsewhere", n)
		}
	}
	for of, n := range want {
		if got[of] < n {
			k.differ(EventMissing, of.ref, "%d tickets were %s, and %d events report it", n, of.state, got[of])
		}
	}
}

// shown compares a status with the books.
func (k *Notices) shown(ref order.Ref, st tasks.Status, book ecticketsim.OrderBook) {
	count := func(status int) (n int) {
		for _, t := range book.Tickets {
			if t.UseStatus == status {
				n++
			}
		}
		return n
	}
	elsewhere := 0
	for _, u := range k.used {
		if u.ref == ref && u.state == order.Refunded && !u.ours {
			elsewhere++
		}
	}
	switch l := st.Looked; {
	case l == nil:
		k.differ(WrongStatus, ref, "notices were sent, and its status shows no look at its tickets")
	case l.Unused != count(ecticketsim.Unused), l.Redeemed != count(ecticketsim.Redeemed), l.Refunded != count(ecticketsim.Refunded), l.Elsewhere != elsewhere:
		k.differ(WrongStatus, ref, "its status shows %+v; at ECTicket %d are unused, %d redeemed and %d refunded, %d of these by others", *l,
			count(ecticketsim.Unused), count(ecticketsim.Redeemed), count(ecticketsim.Refunded), elsewhere)
	}
}

func (k *Notices) differ(kind Trouble, what fmt.Stringer, format string, args ...any) {
	k.Differences = append(k.Differences, Difference{kind, what.String(), fmt.Sprintf(format, args...)})
}

// neverHappened lists what a run was to prove and did not come to.
func (k *Notices) neverHappened() (out []string) {
	redeemed, refunded := (k.Used+1)/2, k.Used/2 // in turn
	for what, n := range map[string]int{"tickets redeemed": redeemed, "tickets refunded in the back office": refunded, "notices repeated": k.Repeated,
		"front doors killed between notices": k.Killed, "notices with a wrong checksum": k.Refused, "notices of strangers' tickets": k.Strangers} {
		if n == 0 {
			out = append(out, "no "+what)
		}
	}
	return out
}

func (k *Notices) String() string {
	return fmt.Sprintf("%d tickets used up elsewhere; %d notices acknowledged, %d of strangers' tickets, %d again, %d refused; front doors killed meanwhile: %d",
		k.Used, k.Sent, k.Strangers, k.Repeated, k.Refused, k.Killed)
}
