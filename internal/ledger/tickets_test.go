package ledger

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

func sights(statuses ...providers.UseStatus) (out []TicketSight) {
	for _, s := range statuses {
		out = append(out, TicketSight{Status: s})
	}
	return out
}

// see records a look, compared with what is recorded.
func (b *bench) see(t *testing.T, r order.Ref, s ...TicketSight) Answer {
	t.Helper()
	before, err := b.TicketList(b.ctx, r)
	must(t, err)
	a, err := b.SeeTickets(b.ctx, r, before, s, "s1.k.numbers")
	must(t, err)
	return a
}

// ticketEvents are the events of tickets.
func (b *bench) ticketEvents(t *testing.T) (out []string) {
	t.Helper()
	list, err := b.Events(b.ctx, "0", 1000, 0)
	must(t, err)
	for _, e := range list {
		if e.Ticket > 0 {
			out = append(out, strings.TrimSpace(strings.Join([]string{e.ID, string(e.State), e.Code}, " ")))
		}
	}
	return out
}

// issuedOrder is an order that takes looks.
func issuedOrder(t *testing.T, b *bench) order.Ref {
	r := order.Ref{Account: shop, OrderID: "A1"}
	finalOrder(t, b, r, "ref", false)
	return r
}

// A ticket that comes to be redeemed or refunded is an event, once for each time, and no other change is.
func TestEveryChangeOfATicketIsPublishedOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := issuedOrder(t, b)
		b.see(t, r, sights(providers.Unused, providers.Unused, providers.Unused)...)
		elsewhere := TicketSight{Status: providers.Refunded, Elsewhere: true}
		for range 3 {
			b.see(t, r, TicketSight{Status: providers.Redeemed}, elsewhere, TicketSight{Status: "9"})
		}
		b.see(t, r, TicketSight{Status: providers.Unused}, elsewhere, TicketSight{Status: providers.Invalid})
		b.see(t, r, TicketSight{Status: providers.Redeemed}, elsewhere, TicketSight{Status: providers.Invalid}, TicketSight{Status: providers.Refunded})
		want := []string{"ecticket:2000132/A1/ticket/1/redeemed/1 redeemed", "ecticket:2000132/A1/ticket/2/refunded/1 refunded refunded_elsewhere",
			"ecticket:2000132/A1/ticket/1/redeemed/2 redeemed", "ecticket:2000132/A1/ticket/4/refunded/1 refunded"}
		if got := b.ticketEvents(t); !slices.Equal(got, want) {
			t.Errorf("events\n%v, want\n%v", got, want)
		}
		list, err := b.TicketList(b.ctx, r)
		must(t, err)
		if len(list.Tickets) != 4 || list.Numbers != "s1.k.numbers" || !list.At.Equal(b.clock.Now()) || list.due != "" {
			t.Errorf("%+v", list)
		}
		ends, err := b.Ends(b.ctx, []order.Ref{r})
		must(t, err)
		var ids []string
		for _, e := range ends {
			ids = append(ids, e.ID)
		}
		slices.Sort(ids)
		if !slices.Equal(ids, []string{"ecticket:2000132/A1/issued/1", "ecticket:2000132/A1/ticket/1/redeemed/2", "ecticket:2000132/A1/ticket/2/refunded/1", "ecticket:2000132/A1/ticket/4/refunded/1"}) {
			t.Errorf("a replay has %v", ids)
		}
	})
}

// Of two looks that compare with the same, one is recorded; an order that is not issued, or erased, takes none.
func TestALookThatCameTooLateIsRefused(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := issuedOrder(t, b)
		before, err := b.TicketList(b.ctx, r)
		must(t, err)
		b.see(t, r, sights(providers.Redeemed)...)
		if a, err := b.SeeTickets(b.ctx, r, before, sights(providers.Redeemed), "s1.k.numbers"); a.Applied || err != nil {
			t.Errorf("a look that lost the race is recorded: %+v, %v", a, err)
		}
		e, err := b.Erase(b.ctx, r, "ann")
		must(t, err)
		if !slices.Contains(e.Removed, "tickets") || b.rdb.Exists(b.ctx, keys.Tickets(r)).Val() != 0 {
			t.Errorf("erased %v", e.Removed)
		}
		queued := b.order()
		_, err = b.Record(b.ctx, document(queued))
		must(t, err)
		for _, ref := range []order.Ref{r, queued} {
			if a := b.see(t, ref, sights(providers.Redeemed)...); a.Applied {
				t.Errorf("%s takes a look", ref)
			}
		}
		if n := len(b.ticketEvents(t)); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

// What is known of tickets is kept as long as the record, which it makes no larger.
func TestTicketsAreKeptAsLongAsTheirRecord(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := issuedOrder(t, b)
		fields := b.rdb.HLen(b.ctx, keys.Record(r)).Val()
		b.see(t, r, sights(providers.Redeemed)...)
		ttl, record := b.rdb.PTTL(b.ctx, keys.Tickets(r)).Val(), b.rdb.PTTL(b.ctx, keys.Record(r)).Val()
		if (ttl-record).Abs() > time.Minute || ttl <= 0 {
			t.Errorf("kept for %s, the record for %s", ttl, record)
		}
		if n := b.rdb.HLen(b.ctx, keys.Record(r)).Val(); n != fields {
			t.Errorf("the record has %d fields instead of %d", n, fields)
		}
	})
}

// A change that could not be recorded or published is published by the next look, whichever write was refused.
func TestAChangeThatCouldNotBePublishedIsNotLost(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := issuedOrder(t, b)
		broken := func(key string) {
			t.Helper()
			kept := b.rdb.Rename(b.ctx, key, key+"aside").Err() == nil
			must(t, b.rdb.Set(b.ctx, key, "of another type", 0).Err())
			if _, err := b.SeeTickets(b.ctx, r, &TicketList{}, sights(providers.Redeemed), "s1.k.numbers"); err == nil {
				t.Errorf("%s cannot be written, and nothing is reported", key)
			}
			must(t, b.rdb.Del(b.ctx, key).Err())
			if kept {
				must(t, b.rdb.Rename(b.ctx, key+"aside", key).Err())
			}
		}
		broken(keys.Tickets(r))
		broken(keys.Events)
		for range 2 {
			b.see(t, r, sights(providers.Redeemed)...)
		}
		if got := b.ticketEvents(t); !slices.Equal(got, []string{"ecticket:2000132/A1/ticket/1/redeemed/1 redeemed"}) {
			t.Errorf("events %v", got)
		}
	})
}

// A connection that fails is an error, and the repetition of a look whose answer was lost publishes nothing again.
func TestALookWhoseAnswerWasLostIsRepeated(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := issuedOrder(t, b)
		before, err := b.TicketList(b.ctx, r)
		must(t, err)
		away := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
		defer away.Close()
		if _, err := New(away, b.opt).SeeTickets(b.ctx, r, before, sights(providers.Redeemed), ""); err == nil {
			t.Error("a failed write is no error")
		}
		b.see(t, r, sights(providers.Redeemed)...) // and its answer is lost
		if a, err := b.SeeTickets(b.ctx, r, before, sights(providers.Redeemed), ""); a.Applied || err != nil {
			t.Errorf("%+v, %v", a, err)
		}
		b.see(t, r, sights(providers.Redeemed)...)
		if n := len(b.ticketEvents(t)); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}
