package pass2usim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/providers/pass2u/pass2usim"
)

func TestFaultsHappenOnTheSideOfTheEffectTheyName(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fault  pass2usim.Fault
		status int
		effect bool
	}{
		{"none", pass2usim.None, 200, true},
		{"lost answer", pass2usim.LoseAnswer, 0, true},
		{"5xx before", pass2usim.Error5xxBefore, 502, false},
		{"5xx after", pass2usim.Error5xxAfter, 502, true},
		{"oops before", pass2usim.OopsBefore, 400, false},
		{"oops after", pass2usim.OopsAfter, 400, true},
		{"garbage", pass2usim.Garbage, 200, true},
		{"ban", pass2usim.Ban403, 403, false},
		{"slow before", pass2usim.SlowBefore(time.Microsecond), 200, true},
		{"slow after", pass2usim.SlowAfter(time.Microsecond), 200, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := open(t, pass2usim.Config{})
			var seen []pass2usim.Call
			h.SetFault(func(c pass2usim.Call) pass2usim.Fault { seen = append(seen, c); return tc.fault })
			status, _ := h.call("/generate", order("A", 1, "voucher"))
			if _, effect := h.Order("A"); status != tc.status || effect != tc.effect {
				t.Errorf("status %d, effect %t", status, effect)
			}
			if d := cmp.Diff([]pass2usim.Call{{Op: pass2usim.Generate, OrderID: "A", N: 1}}, seen); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestACallHeldBackTakesEffectAfterItsCallerHasLeft(t *testing.T) {
	h := open(t, pass2usim.Config{})
	release, reached := make(chan struct{}), make(chan struct{})
	h.SetFault(func(c pass2usim.Call) pass2usim.Fault {
		if c.Op == pass2usim.Query {
			return pass2usim.None
		}
		close(reached)
		return pass2usim.HoldBefore(release)
	})
	impatient := &http.Client{Timeout: 50 * time.Millisecond, Transport: h.srv.Client().Transport}
	b, _ := json.Marshal(order("A", 1, "voucher"))
	req, _ := http.NewRequest("POST", h.srv.URL+"/generate", strings.NewReader(string(b)))
	req.Header = http.Header{"Authorization": {pass2usim.DefaultAPIKey}, "Content-Type": {"application/json"}}
	if res, err := impatient.Do(req); err == nil {
		t.Fatal(res.Status)
	}
	<-reached
	if _, there := h.Order("A"); there {
		t.Fatal("took effect before its time")
	}
	close(release)
	ask := map[string]any{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": "A", "pickupType": "voucher"}
	for deadline := time.Now().Add(5 * time.Second); ; {
		if _, a := h.call("/query", ask); a["pass2uOrderId"] != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("never took effect")
		}
	}
}

func TestAHangingAnswerEndsWhenTheSimulatorIsClosed(t *testing.T) {
	h := open(t, pass2usim.Config{})
	reached := make(chan struct{})
	h.SetFault(func(pass2usim.Call) pass2usim.Fault { close(reached); return pass2usim.HangUntilClose })
	go func() { <-reached; h.Close() }()
	if status, _ := h.call("/generate", order("A", 1, "voucher")); status != 0 {
		t.Error(status)
	}
	if _, effect := h.Order("A"); !effect {
		t.Error("no effect")
	}
}

// A rejection that hides an effect is no answer to a call that has none.
func TestACallWithoutAnEffectIsAnsweredByItsOwnRejection(t *testing.T) {
	h := open(t, pass2usim.Config{})
	h.FailOrder("A", pass2usim.MsgStock)
	h.SetFault(func(pass2usim.Call) pass2usim.Fault { return pass2usim.RejectAfter })
	for id, want := range map[string]string{"A": pass2usim.MsgStock, "B": pass2usim.MsgRepeated} {
		if _, body := h.call("/generate", order(id, 1, "voucher")); !strings.Contains(fmt.Sprint(body), want) {
			t.Errorf("%s: %v, want %q", id, body, want)
		}
		if _, effect := h.Order(id); effect != (id == "B") {
			t.Errorf("%s: effect %t", id, effect)
		}
	}
}

// Any earlier answer of a call comes again, with its own date, and nothing happens.
func TestAnEarlierAnswerIsSentAgain(t *testing.T) {
	h := open(t, pass2usim.Config{KeepAnswers: true})
	query := func() string {
		_, body := h.call("/query", map[string]any{"channelOrderId": "A", "productSaleId": pass2usim.DefaultCampaign, "pickupType": "voucher"})
		return fmt.Sprint(body)
	}
	first := query()
	h.call("/generate", order("A", 1, "voucher"))
	second := query()
	for which, want := range map[int]string{0: first, 1: second, -1: second} {
		h.SetFault(func(pass2usim.Call) pass2usim.Fault { return pass2usim.ReplayOwn(which) })
		if got := query(); got != want {
			t.Errorf("answer %d is %s, want %s", which, got, want)
		}
	}
	if first == second {
		t.Error("the two answers are the same")
	}
}
