package ecticketsim

import (
	"testing"
	"time"
)

func refundOf(no, action string) string {
	return `{"MerchantID":"2000132","TicketNo":"` + no + `","Action":"` + action + `","CancelReason":"mistake","StoreID":"TP1001","Operator":"Amy"}`
}

func writeOffOf(code, action string) string {
	return `{"MerchantID":"2000132","WriteOffNo":"` + code + `","Action":"` + action + `","CancelReason":"mistake","StoreID":"KH2001","Operator":"Amy"}`
}

func (r *rig) book(id string, ticket int) TicketBook {
	o, _ := r.sim.Books().Order(id)
	return o.Tickets[ticket]
}

func TestRefundAndItsCancellation(t *testing.T) {
	r := start(t, Config{})
	no := r.issued("N1")[0]
	r.clock.add(26 * time.Hour)
	r.must(1, OpRefund, refundOf(no, "1"))
	got := r.must(1, OpQueryTicketStatus, byTicket(no))
	if got["UseStatus"] != 3.0 || got["RefundDate"] != "20240101 11:30" || got["RefundMID"] != "2000132" || got["RefundStoreID"] != "TP1001" || got["RedeemMID"] != "" {
		t.Errorf("after the refund: %v", got)
	}
	r.must(RtnUseStatus, OpRefund, refundOf(no, "1"))
	if b := r.book("N1", 0); b.Refunds != 1 || b.UseStatus != Refunded || !b.RefundedAt.Equal(r.clock.now()) {
		t.Errorf("books: %+v", b)
	}
	r.must(1, OpRefund, refundOf(no, "2"))
	r.must(RtnUseStatus, OpRefund, refundOf(no, "2"))
	got = r.must(1, OpQueryTicketStatus, byTicket(no))
	if got["UseStatus"] != 1.0 || got["RefundDate"] != "" || got["RefundMID"] != "" || got["RefundStoreID"] != "" {
		t.Errorf("after the cancellation: %v", got)
	}
	r.must(1, OpRefund, refundOf(no, "1"))
	if b := r.book("N1", 0); b.Refunds != 2 || b.RefundCancels != 1 {
		t.Errorf("books: %+v", b)
	}
	if b := r.book("N1", 1); b.Refunds != 0 || b.UseStatus != Unused {
		t.Errorf("another ticket of the order changed: %+v", b)
	}
}

func TestRefundIsLenientAboutFieldsThatAreNotDocumented(t *testing.T) {
	r := start(t, Config{})
	tickets := r.issued("N1")
	code, _ := r.sim.WriteOffNo(tickets[1])
	r.must(1, OpRefund, byTicket(tickets[0]))
	r.must(1, OpRefund, `{"MerchantID":"2000132","WriteOffNo":"`+code+`","RefundFee":10,"Note":"x"}`)
	for _, bad := range []string{
		`{"MerchantID":"2000132"}`,
		`{"MerchantID":"2000132","TicketNo":7}`,
		refundOf(tickets[2], "3"),
		`{"MerchantID":"2000132","TicketNo":"` + tickets[2] + `","Operator":"ElevenChars"}`,
		`{"MerchantID":"2000132","TicketNo":"` + tickets[2] + `","Operator":"a-b"}`,
		`{"MerchantID":"2000132","TicketNo":"` + tickets[2] + `","Action":"2","CancelReason":"012345678901234567890123456789012345678901234567890"}`,
	} {
		r.must(RtnField, OpRefund, bad)
	}
	r.must(RtnStore, OpRefund, `{"MerchantID":"2000132","TicketNo":"`+tickets[2]+`","StoreID":"NOWHERE"}`)
	r.must(RtnNotFound, OpRefund, byTicket("AAAAA20231231000"))
	if b := r.book("N1", 2); b.Refunds != 0 {
		t.Errorf("a refused refund took effect: %+v", b)
	}
}

func TestRedemptionAndItsCancellation(t *testing.T) {
	r := start(t, Config{})
	no := r.issued("N1")[0]
	code, _ := r.sim.WriteOffNo(no)
	r.must(1, OpWriteOff, writeOffOf(code, "1"))
	got := r.must(1, OpQueryTicketStatus, byTicket(no))
	if got["UseStatus"] != 2.0 || got["WriteOffDate"] != "20231231 09:30" || got["RedeemMID"] != "2000132" || got["RedeemStoreID"] != "KH2001" {
		t.Errorf("after the redemption: %v", got)
	}
	r.must(RtnUseStatus, OpWriteOff, writeOffOf(code, "1"))
	r.must(RtnUseStatus, OpRefund, refundOf(no, "1"))
	r.must(1, OpWriteOff, writeOffOf(code, "2"))
	r.must(RtnUseStatus, OpWriteOff, writeOffOf(code, "2"))
	r.must(1, OpRefund, refundOf(no, "1"))
	r.must(RtnUseStatus, OpWriteOff, writeOffOf(code, "1"))
	r.must(RtnUseStatus, OpWriteOff, writeOffOf(code, "2"))
	if b := r.book("N1", 0); b.Redemptions != 1 || b.Refunds != 1 {
		t.Errorf("books: %+v", b)
	}
}

func TestWriteOffRules(t *testing.T) {
	r := start(t, Config{})
	no := r.issued("N1")[0]
	code, _ := r.sim.WriteOffNo(no)
	for _, bad := range []string{
		`{"MerchantID":"2000132","TicketNo":"` + no + `","Action":"1","Operator":"Amy"}`,
		`{"MerchantID":"2000132","WriteOffNo":"` + code + `","Operator":"Amy"}`,
		`{"MerchantID":"2000132","WriteOffNo":"` + code + `","Action":"1"}`,
		`{"MerchantID":"2000132","WriteOffNo":"` + code + `","Action":"2","Operator":"Amy"}`,
		`{"MerchantID":"2000132","WriteOffNo":"` + code + `","Action":1,"Operator":"Amy"}`,
	} {
		r.must(RtnField, OpWriteOff, bad)
	}
	r.must(RtnNotFound, OpWriteOff, writeOffOf("LEU4loiSZ9TDTWAtxL", "1"))

	r.must(1, OpIssue, issueExamples["3"]) // starts tomorrow
	r.sim.RunJob()
	presale, _ := r.sim.WriteOffNo(r.book("CBX20220302153064851", 0).TicketNo)
	r.must(RtnUseStatus, OpWriteOff, writeOffOf(presale, "1"))
	r.clock.add(15 * time.Hour)
	r.must(1, OpWriteOff, writeOffOf(presale, "1"))
}

func TestTheOfficeActsBehindTheClientsBack(t *testing.T) {
	r := start(t, Config{})
	tickets := r.issued("N1")
	if err := r.sim.RefundInOffice(tickets[0]); err != nil {
		t.Fatal(err)
	}
	if err := r.sim.Redeem(tickets[1], "TP1002"); err != nil {
		t.Fatal(err)
	}
	got := r.must(1, OpQueryTicketStatus, byTicket(tickets[0]))
	if got["UseStatus"] != 3.0 || got["RefundMID"] != "2000132" || got["RefundStoreID"] != "" {
		t.Errorf("refunded in the office: %v", got)
	}
	if got := r.must(1, OpQueryTicketStatus, byTicket(tickets[1])); got["RedeemStoreID"] != "TP1002" || got["UseStatus"] != 2.0 {
		t.Errorf("redeemed at a shop: %v", got)
	}
	if b := r.book("N1", 0); b.Refunds != 0 || b.UseStatus != Refunded {
		t.Errorf("the office's refund counts as the API's: %+v", b)
	}
	if r.sim.RefundInOffice(tickets[1]) == nil || r.sim.Redeem(tickets[0], "") == nil || r.sim.Redeem("nothing", "") == nil {
		t.Error("a used or unknown ticket was used again")
	}
	if _, ok := r.sim.WriteOffNo("nothing"); ok {
		t.Error("an unknown ticket has a code")
	}
}
