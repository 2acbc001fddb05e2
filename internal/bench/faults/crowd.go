package faults

import (
	"fmt"
	"slices"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks"
	"issuance/tasks/order"
)

// workers are faults on our side.
func workers() []fault {
	return []fault{
		{name: "workers are killed 9 times, 30 orders under way", provider: providers.ECTicket, from: "the last kill", most: soon,
			least: 14 * time.Second, why: "up to 14 s of silence are no death", run: killed},
		{name: "the deadline passed while workers were away, HTTP 503 for 5 s afterwards", provider: providers.ECTicket, from: fromOver, most: soon,
			least: trip, why: "a look", run: away},
		{name: "the document does not keep the rules any more, nothing was sent", provider: providers.ECTicket, from: fromBack, most: seconds,
			least: 0, why: "nothing", run: tooLate},
	}
}

func killed(s *site) {
	var refs []order.Ref
	for i := range 30 {
		refs = append(refs, s.enqueue(fmt.Sprintf("A%d", i), 1))
	}
	var last time.Time
	for i := range 9 {
		s.wait(time.Second + time.Duration(i)*70*time.Millisecond) // in other phases of a call
		last = time.Now()
		s.kill()
		s.start()
	}
	s.expect(last, "issued", refs...)
}

// away is an order that is issued while nobody asks for it, until after its deadline.
func away(s *site) {
	sim := s.house.(*atECTicket)
	sim.StickOrder("A")
	r := s.enqueue("A", 1)
	s.until(r, order.Accepted)
	s.stop()
	sim.Unstick("A")
	sim.RunJob()
	s.wait(25 * time.Hour)
	s.house.misbehave(toLook, "", 0, unavailable)
	s.start()
	s.wait(5 * time.Second)
	s.house.behave()
	s.expect(time.Now(), "issued", r)
}

// tooLate is an order whose date passes while nobody works.
func tooLate(s *site) {
	s.stop()
	receipt, err := s.client.Enqueue(s.ctx, []byte(`{"provider":"ecticket","request":{"FreeTradeNo":"A","IssueType":"2","PrintType":"2","Operator":"Shop1","CustomerName":"Ann",
		"TicketInfo":[{"ItemNo":"GFT00001","TicketAmount":1,"ExpireDate":"`+time.Now().AddDate(0, 0, 1).Format("20060102")+`"}]}}`))
	must(err)
	s.wait(72 * time.Hour)
	s.start()
	s.expect(time.Now(), "failed (invalid_document)", receipt.Ref())
	if n := s.house.(*atECTicket).Books().Calls[ecticketsim.OpIssue]; n != 1 {
		s.failf("%d calls to issue", n)
	}
}

// crowds are many at once.
func crowds() []fault {
	const many = 60
	return []fault{
		{name: fmt.Sprintf("%d one-ticket refunds of one order, 20 calls a second", many), provider: providers.ECTicket, from: fromEnqueued, most: 10 * time.Second,
			least: 2 * many * time.Second / 20, why: "60 looks, 60 calls", rate: 20, run: sixty(many)},
		{name: fmt.Sprintf("%d one-ticket refunds of one order", many), provider: providers.ECTicket, from: fromEnqueued, most: 2*many*time.Second/4 + 10*time.Second,
			least: 2 * many * time.Second / 4, why: "60 looks, 60 calls", run: sixty(many)},
		{name: "2,000 refunds wait for their bulk orders: the longest wait of 60 checkouts for their call", provider: providers.ECTicket, from: fromEnqueued, most: time.Second, long: true,
			least: time.Second / perSecond, why: "up to a call of the bulk before it", run: behindRefunds},
	}
}

// sixty refunds the tickets of one order one by one.
func sixty(n int) func(s *site) {
	return func(s *site) {
		s.issue("A", n)
		s.took = 0
		began := time.Now()
		var refs []order.Ref
		for i := range n {
			refs = append(refs, s.refund("A", fmt.Sprintf("R%d", i), 1))
		}
		s.expect(began, "refunded", refs...)
		s.refunded("A", n)
		if lists := s.house.(*atECTicket).Books().Calls[ecticketsim.OpQueryOrderInfo]; lists > n/2 {
			s.failf("%d lists for %d refunds", lists, n)
		}
	}
}

// behindRefunds are checkouts beside refunds that wait for orders of a bulk.
func behindRefunds(s *site) {
	const waiting, checkouts = 2000, 60
	s.stop()
	for i := range waiting {
		id := fmt.Sprintf("B%d", i)
		s.enqueue(id, 1, tasks.InLane(order.Bulk))
		s.refund(id, "R1", 0)
	}
	s.start()
	s.wait(10 * time.Second) // every refund looks for its order once
	var took []time.Duration
	for i := range checkouts {
		began, r := time.Now(), s.enqueue(fmt.Sprintf("A%d", i), 1)
		s.expect(began, "issued", r)
		took = append(took, s.ended(r).FirstSentAt.Sub(began))
		s.wait(1300 * time.Millisecond)
	}
	s.took = slices.Max(took)
}
