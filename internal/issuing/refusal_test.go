package issuing_test

import (
	"strings"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// blocked is a message that no document of Pass2U's lists.
const blocked = "mailTo Domain Is Blocked."

// refusedFor has Pass2U answer every request to generate with an error for so long. It takes effect all the same from the n-th
// on, for an n above 0.
func refusedFor(t *testing.T, message string, d time.Duration, n int) (*pass2uWorld, *ledger.Record) {
	w := newPass2U(t)
	start := w.Clock.Now()
	return w, w.travels(func(c pass2usim.Call) pass2usim.Fault {
		if c.OrderID != "ORDER1" {
			return pass2usim.None
		}
		if c.Op == pass2usim.Query {
			w.queries++
			return pass2usim.None
		}
		w.generates++
		switch {
		case w.Clock.Now().Sub(start) >= d:
			return pass2usim.None
		case n > 0 && w.generates >= n:
			return pass2usim.SaysAfter(message)
		}
		return pass2usim.SaysBefore(message)
	})
}

// What is refused for ever, for whatever reason, has an end that is true: nothing was issued. A thousand such orders do not
// take an account's calls: each is sent and looked up rarely.
func TestAnOrderThatIsRefusedForEverFails(t *testing.T) {
	for _, message := range []string{blocked, pass2usim.MsgCreateFailed, pass2usim.MsgInvalidQuery, pass2usim.MsgOrderUnknown} {
		w, rec := refusedFor(t, message, 72*time.Hour, 0)
		took := rec.FinalAt.Sub(rec.FirstSentAt)
		if rec.State != order.Failed || rec.Reason.Code != string(order.CodeRefusal) || !strings.Contains(rec.Reason.Message, message) || took < 24*time.Hour || took > 25*time.Hour {
			t.Errorf("%q: %s (%s: %s) after %s", message, rec.State, rec.Reason.Code, rec.Reason.Message, took)
		}
		if w.generates > 30 || w.queries > 60 {
			t.Errorf("%q: sent %d times, asked %d times", message, w.generates, w.queries)
		}
		if rec.AbsentLast.Sub(rec.SentAt) < 15*time.Minute {
			t.Errorf("%q: last asked %s after it was last sent", message, rec.AbsentLast.Sub(rec.SentAt))
		}
	}
}

// Of the first twenty minutes, few requests are refused ones.
func TestAnOrderThatIsRefusedIsSentEverMoreRarely(t *testing.T) {
	w, rec := refusedFor(t, blocked, 20*time.Minute, 0)
	w.judge(rec)
	if took := rec.FinalAt.Sub(rec.FirstSentAt); took > 31*time.Minute {
		t.Errorf("issued after %s", took)
	}
	if w.generates > 17 || w.queries > 34 {
		t.Errorf("sent %d times, asked %d times", w.generates, w.queries)
	}
}

// A request that took effect although it was refused is found soon, however long it had been refused before.
func TestARefusedRequestThatTookEffectIsFoundSoon(t *testing.T) {
	for _, n := range []int{1, 2, 15} {
		w, rec := refusedFor(t, blocked, 72*time.Hour, n)
		w.judge(rec)
		if took := rec.FinalAt.Sub(rec.SentAt); took > 2*time.Minute {
			t.Errorf("the %d. request: found after %s", n, took)
		}
	}
}
