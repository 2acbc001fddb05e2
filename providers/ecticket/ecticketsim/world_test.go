package ecticketsim

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/providers/ecticket/wire"
)

// ask posts one call and returns the HTTP answer, read.
func (r *rig) ask(op, data string) (*http.Response, string) {
	r.t.Helper()
	body, err := json.Marshal(r.envelope(data))
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, r.url+"/api/Ticket/"+op, strings.NewReader(string(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}

func TestQuestionsLagBehindIssuing(t *testing.T) {
	r := start(t, Config{})
	r.sim.SetLag(Lag{IssueResult: 10 * time.Second, OrderInfo: 20 * time.Second, TicketStatus: 5 * time.Second})
	r.must(1, OpIssue, order4("N1"))
	r.must(RtnNotFound, OpQueryIssueResult, byOrder("N1"))
	r.must(RtnDuplicate, OpIssue, order4("N1")) // who takes orders does not lag
	r.clock.add(10 * time.Second)
	if got := r.status("N1"); got != Processing {
		t.Errorf("Status %d after the lag", got)
	}
	r.must(RtnNotFound, OpQueryOrderInfo, byOrder("N1"))
	r.sim.RunJob()
	b, _ := r.sim.Books().Order("N1")
	r.must(RtnNotFound, OpQueryTicketStatus, byTicket(b.Tickets[0].TicketNo))
	if got := r.status("N1"); got != Processing {
		t.Errorf("Status %d right after the job", got)
	}
	r.clock.add(10 * time.Second)
	if got := r.status("N1"); got != Issued {
		t.Errorf("Status %d, 10 s after the job", got)
	}
	r.must(1, OpQueryTicketStatus, byTicket(b.Tickets[0].TicketNo))
	if info := r.must(1, OpQueryOrderInfo, byOrder("N1")); info["Status"] != 3.0 || len(info["TicketList"].([]any)) != 0 {
		t.Errorf("QueryOrderInfo, 10 s after the job: %v", info)
	}
	r.clock.add(10 * time.Second)
	if info := r.must(1, OpQueryOrderInfo, byOrder("N1")); info["Status"] != 1.0 || len(info["TicketList"].([]any)) != 4 {
		t.Errorf("QueryOrderInfo, 20 s after the job: %v", info)
	}
}

func TestAListShowsFewerTicketsThanThereAre(t *testing.T) {
	for _, shows := range []int{0, 1} {
		r := start(t, Config{})
		r.sim.SetLagOf("N1", Lag{List: time.Minute, ListShows: shows})
		r.issued("N1")
		r.issued("N2")
		count := func(id string) (total, listed int) {
			info := r.must(1, OpQueryOrderInfo, byOrder(id))
			return int(info["TotalCount"].(float64)), len(info["TicketList"].([]any))
		}
		if total, listed := count("N1"); total != shows || listed != shows {
			t.Errorf("%d of %d tickets are shown, want %d", listed, total, shows)
		}
		if total, listed := count("N2"); total != 4 || listed != 4 {
			t.Errorf("another order: %d of %d", listed, total)
		}
		r.clock.add(time.Minute)
		if total, listed := count("N1"); total != 4 || listed != 4 {
			t.Errorf("after the lag: %d of %d", listed, total)
		}
	}
}

func TestQuestionsLagBehindRefunds(t *testing.T) {
	r := start(t, Config{})
	no := r.issued("N1")[0]
	r.sim.SetLag(Lag{OrderInfo: 20 * time.Second, TicketStatus: 5 * time.Second})
	r.clock.add(time.Hour)
	r.must(1, OpRefund, byTicket(no))
	r.must(RtnUseStatus, OpRefund, byTicket(no)) // who refunds does not lag
	inList := func() float64 {
		return r.must(1, OpQueryOrderInfo, byOrder("N1"))["TicketList"].([]any)[0].(map[string]any)["UseStatus"].(float64)
	}
	atTicket := func() fields { return r.must(1, OpQueryTicketStatus, byTicket(no)) }
	if got := atTicket(); inList() != Unused || got["UseStatus"] != 1.0 || got["RefundDate"] != "" || got["RefundMID"] != "" {
		t.Errorf("right after the refund: %v", got)
	}
	r.clock.add(5 * time.Second)
	if got := atTicket(); inList() != Unused || got["UseStatus"] != 3.0 || got["RefundDate"] == "" {
		t.Errorf("5 s after the refund: %v", got)
	}
	r.clock.add(15 * time.Second)
	if inList() != Refunded {
		t.Error("20 s after the refund the list shows nothing of it")
	}
}

func TestAStrangersOrderHasTheNumber(t *testing.T) {
	r := start(t, Config{})
	at := time.Date(2022, 5, 1, 10, 0, 0, 0, taiwan)
	r.sim.AddStranger(Stranger{ID: "N1", IssuedAt: at, Items: []StrangerItem{{ItemNo: "VNS21400", Count: 2}, {ItemName: "自有商品券", Price: 70}}})
	r.must(RtnDuplicate, OpIssue, order4("N1"))
	if got := r.status("N1"); got != Issued {
		t.Errorf("Status %d", got)
	}
	info := r.must(1, OpQueryOrderInfo, byOrder("N1"))
	if info["IssueDate"] != "2022/05/01 10:00:00" || info["TotalCount"] != 3.0 || info["IssueType"] != "3" {
		t.Errorf("%v", info)
	}
	r.sim.AddStranger(Stranger{ID: "N2"})
	b := r.sim.Books()
	one, _ := b.Order("N1")
	two, _ := b.Order("N2")
	if !one.Stranger || one.IssueCalls != 1 || len(one.Tickets) != 3 || !two.Stranger || len(two.Tickets) != 1 || !two.IssuedAt.Before(r.clock.now().AddDate(0, -11, 0)) {
		t.Errorf("%+v, %+v", one, two)
	}
	r.issued("N3")
	if three, _ := r.sim.Books().Order("N3"); three.Stranger {
		t.Error("our own order is a stranger's")
	}
}

// on makes every call of one operation misbehave.
func on(op string, f Fault) func(Call) Fault {
	return func(c Call) Fault {
		if c.Op == op {
			return f
		}
		return Fault{}
	}
}

func TestWhatTookEffectIsAnsweredByAnAuthenticRejection(t *testing.T) {
	r := start(t, Config{})
	r.sim.SetFault(on(OpIssue, Fault{Kind: RejectAfter}))
	r.must(RtnDuplicate, OpIssue, order4("N1"))
	r.sim.RunJob()
	b, ok := r.sim.Books().Order("N1")
	if !ok || b.TimesIssued != 1 {
		t.Fatalf("%+v", b)
	}
	r.sim.SetFault(on(OpRefund, Fault{Kind: RejectAfter}))
	r.must(RtnUseStatus, OpRefund, byTicket(b.Tickets[0].TicketNo))
	if b, _ = r.sim.Books().Order("N1"); b.Tickets[0].Refunds != 1 || b.Tickets[0].UseStatus != Refunded {
		t.Errorf("%+v", b.Tickets[0])
	}
}

func TestAnOldConfirmationIsSentAgainAndNothingHappens(t *testing.T) {
	r := start(t, Config{})
	tickets := r.issued("N1")
	refund := func(no string) string {
		_, body := r.ask(OpRefund, byTicket(no))
		return body
	}
	first := refund(tickets[0])
	r.clock.add(time.Hour)
	r.sim.SetFault(on(OpRefund, Fault{Kind: Replay}))
	if again := refund(tickets[1]); again != first {
		t.Errorf("%s is not the old %s", again, first)
	}
	r.must(1, OpRefund, byTicket(tickets[2])) // authentic
	b, _ := r.sim.Books().Order("N1")
	if b.Tickets[1].UseStatus != Unused || b.Tickets[2].UseStatus != Unused {
		t.Errorf("%+v", b.Tickets)
	}
	r.sim.SetFault(on(OpIssue, Fault{Kind: Replay}))
	if got := r.must(1, OpIssue, order4("N2")); got["MerchantTradeNo"] != "N2" || got["TicketTradeNo"] == "" {
		t.Errorf("%v", got)
	}
	if _, found := r.sim.Books().Order("N2"); found {
		t.Error("a replayed answer issued something")
	}
	fresh := start(t, Config{})
	fresh.sim.SetFault(on(OpRefund, Fault{Kind: Replay}))
	fresh.must(1, OpRefund, byTicket("CB2SY20220302153"))
}

func TestAnyEarlierAnswerOfACallIsSentAgain(t *testing.T) {
	r := start(t, Config{KeepAnswers: true})
	look := func(no string) string {
		_, body := r.ask(OpQueryIssueResult, byOrder(no))
		return body
	}
	first := look("N1")
	r.issued("N1")
	r.clock.add(time.Minute)
	second := look("N1")
	for which, want := range map[int]string{0: first, 1: second, -1: second, -2: first} {
		r.sim.SetFault(on(OpQueryIssueResult, Fault{Kind: ReplayOwn, Answer: which}))
		if got := look("N1"); got != want {
			t.Errorf("answer %d is %s, want %s", which, got, want)
		}
	}
	r.must(RtnNotFound, OpQueryIssueResult, byOrder("N2")) // it has no earlier one, and behaves
	r.sim.SetFault(on(OpIssue, Fault{Kind: ReplayOwn}))
	r.must(1, OpIssue, order4("N3"))
	if _, found := r.sim.Books().Order("N3"); !found {
		t.Error("an order without an earlier answer was not taken")
	}
}

func TestABusySystemSaysNothingAboutTheOrder(t *testing.T) {
	r := start(t, Config{})
	r.issued("N1")
	r.sim.SetFault(on(OpQueryIssueResult, Fault{Kind: Busy}))
	for range 3 {
		r.must(RtnBusy, OpQueryIssueResult, byOrder("N1"))
		r.must(RtnBusy, OpQueryIssueResult, byOrder("NOSUCH"))
		r.clock.add(time.Minute)
	}
	r.must(1, OpQueryOrderInfo, byOrder("N1"))
	r.sim.SetFault(on(OpIssue, Fault{Kind: Busy}))
	r.must(RtnBusy, OpIssue, order4("N2"))
	if _, found := r.sim.Books().Order("N2"); found {
		t.Error("a busy system took an order")
	}
}

func TestAnOutageMeetsEveryCallAndCountsThem(t *testing.T) {
	for _, c := range []struct {
		fault  Fault
		status int // 0: no answer
		empty  bool
	}{
		{Fault{Kind: CutBefore}, 0, true}, {Fault{Kind: Error5xxBefore, RetryAfter: "120"}, 503, false}, {Fault{Kind: TooMany429, RetryAfter: "Sun, 31 Dec 2023 01:32:00 GMT"}, 429, false},
		{Fault{Kind: GarbageBefore}, 200, false}, {Fault{Kind: EmptyBefore}, 200, true}, {Fault{Kind: Ban403}, 403, false},
	} {
		r := start(t, Config{CallsPerSecond: 1000, Burst: 1})
		r.sim.StartOutage(c.fault, time.Minute)
		for _, op := range []string{OpIssue, OpQueryIssueResult, OpQueryIssueResult} {
			resp, body := r.ask(op, order4("N1"))
			switch {
			case c.status == 0 && resp != nil, c.status != 0 && (resp == nil || resp.StatusCode != c.status), c.status != 0 && (body == "") != c.empty:
				t.Errorf("%+v: %v %q", c.fault, resp, body)
			case resp != nil && (resp.Header.Get("Retry-After") != c.fault.RetryAfter || resp.Header.Get("Date") != "Sun, 31 Dec 2023 01:30:00 GMT"):
				t.Errorf("%+v: %v", c.fault, resp.Header)
			}
		}
		if _, found := r.sim.Books().Order("N1"); found {
			t.Errorf("%+v took effect", c.fault)
		}
		r.clock.add(time.Minute) // the end
		r.must(1, OpIssue, order4("N1"))
		b := r.sim.Books()
		if len(b.Outages) != 1 || b.Outages[0].Calls[OpIssue] != 1 || b.Outages[0].Calls[OpQueryIssueResult] != 2 || r.sim.EndOutage() != 3 {
			t.Errorf("%+v", b.Outages)
		}
		if len(b.Bans) != 0 {
			t.Error("an outage counts against the call limit")
		}
	}
}

func TestAnOutageWithoutAnEndIsEnded(t *testing.T) {
	r := start(t, Config{})
	if r.sim.EndOutage() != 0 {
		t.Error("an outage that never was had calls")
	}
	r.sim.StartOutage(Fault{Kind: TransRefused}, 0)
	r.clock.add(time.Hour)
	resp := r.exchange("/api/Ticket/QueryTicketStatus", r.envelope(known))
	if resp.TransCode != TransOther || resp.Data != "" || resp.TransMsg == "" {
		t.Errorf("%+v", resp)
	}
	if n := r.sim.EndOutage(); n != 1 {
		t.Errorf("%d calls", n)
	}
	r.must(1, OpQueryTicketStatus, known)
	if o := r.sim.Books().Outages[0]; o.Fault.Kind != TransRefused || o.Until.Sub(o.From) != time.Hour {
		t.Errorf("%+v", o)
	}
}

func TestOneOrderIsForbiddenAndNoOther(t *testing.T) {
	r := start(t, Config{})
	r.sim.ForbidOrder("N1")
	for range 3 {
		if resp, _ := r.ask(OpIssue, order4("N1")); resp == nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("%+v", resp)
		}
		r.must(RtnNotFound, OpQueryIssueResult, byOrder("N1"))
	}
	r.must(1, OpIssue, order4("N2"))
	r.sim.AllowOrder("N1")
	r.must(1, OpIssue, order4("N1"))
	if b := r.sim.Books(); len(b.Bans) != 0 {
		t.Errorf("%+v", b.Bans)
	}
}

func TestTheClockMayBeMinutesOff(t *testing.T) {
	for _, off := range []time.Duration{5 * time.Minute, -3 * time.Minute} {
		r := start(t, Config{})
		r.sim.SetClockOff(off)
		theirs := r.clock.now().Add(off)
		resp, body := r.ask(OpQueryTicketStatus, known)
		var env wire.Response
		if err := json.Unmarshal([]byte(body), &env); err != nil || env.RpHeader.Timestamp != wire.Int64(theirs.Unix()) || resp.Header.Get("Date") != theirs.UTC().Format(http.TimeFormat) {
			t.Errorf("%s, %v, %v", body, resp.Header, err)
		}
		no := r.issued("N1")[0]
		r.must(1, OpRefund, byTicket(no))
		if got := r.must(1, OpQueryTicketStatus, byTicket(no)); got["RefundDate"] != theirs.In(taiwan).Format(minuteFormat) {
			t.Errorf("%v", got["RefundDate"])
		}
	}
	r := start(t, Config{})
	r.sim.SetClockOff(11 * time.Minute)
	if resp := r.exchange("/api/Ticket/QueryTicketStatus", r.envelope(known)); resp.TransCode != TransTimestamp {
		t.Errorf("%+v", resp)
	}
}

// Whatever a client takes for URL encoding, it can verify the answers; the documented encodings are
// there to be chosen, for all answers or for one.
func TestAnswersVerifyUnderEveryEncodingByDefault(t *testing.T) {
	macs := func(r *rig) (all []string) {
		resp := r.exchange("/api/Ticket/QueryTicketStatus", r.envelope(known)) // its WriteOffDate has a space
		plain, err := wire.Open(r.keys, resp.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range wire.Variants() {
			if _, mac := wire.SealAs(r.keys, plain, v); mac == resp.CheckMacValue {
				all = append(all, v.String())
			}
		}
		return all
	}
	r := start(t, Config{})
	if got := macs(r); len(got) != len(wire.Variants()) {
		t.Errorf("only %v verify", got)
	}
	php := wire.Variant{}
	r.sim.SetFault(func(Call) Fault { return Fault{Encoding: &php} })
	if got := macs(r); slices.Contains(got, "space=%20 tilde=~ marks=%XX") || !slices.Contains(got, php.String()) {
		t.Errorf("%v verify", got)
	}
	if got := macs(start(t, Config{Encoding: &wire.Variant{PercentSpace: true, LiteralTilde: true}})); slices.Contains(got, php.String()) {
		t.Errorf("%v verify", got)
	}
}

// The same seed and the same calls make the same world.
func TestTheSimulatorIsRepeatable(t *testing.T) {
	run := func() (seen []string) {
		r := start(t, Config{Seed: 7})
		r.sim.AddStranger(Stranger{ID: "S1"})
		r.sim.SetLag(Lag{List: time.Minute, ListShows: 1})
		r.issued("N1")
		for _, q := range []string{byOrder("N1"), byOrder("S1")} {
			seen = append(seen, r.plain("/api/Ticket/QueryOrderInfo", q))
		}
		return seen
	}
	if a, b := run(), run(); !slices.Equal(a, b) {
		t.Errorf("%v\n%v", a, b)
	}
}
