package ecticketsim

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/providers/ecticket/wire"
)

// failing makes every Issue misbehave.
func failing(f Fault) func(Call) Fault {
	return func(c Call) Fault {
		if c.Op == OpIssue {
			return f
		}
		return Fault{}
	}
}

func TestFaults(t *testing.T) {
	cases := []struct {
		name   string
		fault  Fault
		status int // 0: the connection is cut
		effect bool
	}{
		{"None", Fault{}, 200, true},
		{"CutBefore", Fault{Kind: CutBefore}, 0, false},
		{"LoseAnswer", Fault{Kind: LoseAnswer}, 0, true},
		{"Error5xxBefore", Fault{Kind: Error5xxBefore}, 503, false},
		{"Error5xxAfter", Fault{Kind: Error5xxAfter}, 502, true},
		{"Garbage", Fault{Kind: Garbage}, 200, true},
		{"WrongChecksum", Fault{Kind: WrongChecksum}, 200, true},
		{"Ban403", Fault{Kind: Ban403}, 403, false},
		{"slow before", SlowBefore(time.Millisecond), 200, true},
		{"slow after, then lost", Fault{Kind: LoseAnswer, After: time.Millisecond}, 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, Config{})
			r.sim.SetFault(failing(c.fault))
			body, _ := json.Marshal(r.envelope(order4("N1")))
			status, answer, err := r.send("/api/Ticket/Issue", body)
			if (err != nil) != (c.status == 0) || status != c.status {
				t.Fatalf("HTTP %d, %v; want %d", status, err, c.status)
			}
			var resp wire.Response
			parsed := json.Unmarshal(answer, &resp) == nil
			authentic := false
			if parsed {
				if plain, err := wire.Open(r.keys, resp.Data); err == nil {
					_, authentic = wire.VerifyMAC(r.keys, plain, resp.CheckMacValue)
				}
			}
			if want := c.status == 200 && c.fault.Kind != Garbage; parsed != want {
				t.Errorf("an envelope: %t, want %t: %s", parsed, want, answer)
			}
			if want := c.fault.Kind == None && c.status == 200; authentic != want {
				t.Errorf("authentic: %t, want %t", authentic, want)
			}
			if _, found := r.sim.Books().Order("N1"); found != c.effect {
				t.Errorf("took effect: %t, want %t", found, c.effect)
			}
			r.sim.SetFault(nil)
			want := 1
			if c.effect {
				want = RtnDuplicate
			}
			r.must(want, OpIssue, order4("N1"))
		})
	}
}

func TestHangingEndsWhenTheCallerGoes(t *testing.T) {
	for kind, effect := range map[FaultKind]bool{HangBefore: false, HangAfter: true} {
		r := start(t, Config{})
		reached := make(chan struct{})
		r.sim.SetFault(func(Call) Fault { close(reached); return Fault{Kind: kind} })
		ctx, leave := context.WithCancel(t.Context())
		go func() { <-reached; leave() }()
		body, _ := json.Marshal(r.envelope(order4("N1")))
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/api/Ticket/Issue", strings.NewReader(string(body)))
		req.Header.Set("Content-Type", "application/json")
		if resp, err := r.http.Do(req); err == nil {
			resp.Body.Close()
			t.Errorf("kind %d answered", kind)
		}
		r.http.CloseIdleConnections()
		r.sim.SetFault(nil)
		r.must(1, OpQueryTicketStatus, known) // others are served meanwhile
		if effect {
			r.appears("N1")
			continue
		}
		if _, found := r.sim.Books().Order("N1"); found {
			t.Errorf("kind %d took effect", kind)
		}
	}
}

// held sends an Issue whose effect waits for release, lets its caller go, and returns when the
// simulator has it.
func held(t *testing.T, r *rig, fault Fault) (gone <-chan struct{}) {
	t.Helper()
	reached := make(chan struct{})
	r.sim.SetFault(func(c Call) Fault {
		if c.Op != OpIssue {
			return Fault{}
		}
		close(reached)
		return fault
	})
	body, _ := json.Marshal(r.envelope(order4("N1")))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _, _ = r.send("/api/Ticket/Issue", body)
	}()
	<-reached
	return done
}

// appears asks until an order that is on its way has arrived.
func (r *rig) appears(id string) {
	r.t.Helper()
	for range 10_000 {
		if r.call(OpQueryIssueResult, byOrder(id)).code() == 1 {
			return
		}
	}
	r.t.Fatalf("order %s does not appear", id)
}

func TestALateRequestTakesEffectWithinTheWindowOnly(t *testing.T) {
	for _, c := range []struct {
		late   time.Duration
		effect bool
	}{{10 * time.Minute, true}, {10*time.Minute + time.Second, false}} {
		r := start(t, Config{})
		release := make(chan struct{})
		done := held(t, r, Fault{HoldBefore: release})
		r.must(RtnNotFound, OpQueryIssueResult, byOrder("N1"))
		r.clock.add(c.late)
		close(release)
		<-done
		if _, found := r.sim.Books().Order("N1"); found != c.effect {
			t.Errorf("%s late: took effect %t, want %t", c.late, found, c.effect)
		}
	}
}

func TestAnAnswerCanBeHeldBackAfterTheEffect(t *testing.T) {
	r := start(t, Config{})
	release := make(chan struct{})
	done := held(t, r, Fault{HoldAfter: release, Kind: LoseAnswer})
	r.sim.SetFault(nil)
	r.appears("N1")
	close(release)
	<-done
}

func TestFaultsKnowWhichCallItIs(t *testing.T) {
	r := start(t, Config{})
	no := r.issued("N1")[0]
	code, _ := r.sim.WriteOffNo(no)
	var mu sync.Mutex
	var got []Call
	r.sim.SetFault(func(c Call) Fault {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, c)
		return Fault{}
	})
	r.call(OpQueryIssueResult, byOrder("N1"))
	r.call(OpQueryIssueResult, `{"MerchantID":"2000132","FreeTradeNo":"N9"}`)
	r.call(OpRefund, byTicket(no))
	r.call(OpWriteOff, writeOffOf(code, "1"))
	r.call(OpQueryItemInfo, `{"MerchantID":"2000132","ItemNo":"CHF80957"}`)
	want := []Call{
		{Op: OpQueryIssueResult, MerchantID: "2000132", OrderID: "N1", N: 2},
		{Op: OpQueryIssueResult, MerchantID: "2000132", OrderID: "N9", N: 3},
		{Op: OpRefund, MerchantID: "2000132", OrderID: "N1", TicketNo: no, N: 4},
		{Op: OpWriteOff, MerchantID: "2000132", OrderID: "N1", TicketNo: no, N: 5},
		{Op: OpQueryItemInfo, MerchantID: "2000132", N: 6},
	}
	mu.Lock()
	defer mu.Unlock()
	if len(got) != len(want) {
		t.Fatalf("%d calls, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("call %+v, want %+v", got[i], want[i])
		}
	}
	calls := r.sim.Books().Calls
	if calls[OpIssue] != 1 || calls[OpQueryIssueResult] != 2 || calls[OpRefund] != 1 || calls[OpWriteOff] != 1 || calls[OpQueryItemInfo] != 1 {
		t.Errorf("books count %v", calls)
	}
}
