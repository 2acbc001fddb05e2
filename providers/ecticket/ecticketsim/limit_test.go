package ecticketsim

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// get makes one call and returns its HTTP status.
func (r *rig) get() int {
	r.t.Helper()
	body, _ := json.Marshal(r.envelope(strings.Replace(known, "2000132", r.merchant, 1)))
	status, _, err := r.send("/api/Ticket/QueryTicketStatus", body)
	if err != nil {
		r.t.Fatal(err)
	}
	return status
}

func TestTooFastIsBannedFor30Minutes(t *testing.T) {
	r := start(t, Config{CallsPerSecond: 5, Burst: 2})
	for range 20 { // at the allowed pace nothing happens
		if got := r.get(); got != http.StatusOK {
			t.Fatalf("HTTP %d at the allowed pace", got)
		}
		r.clock.add(200 * time.Millisecond)
	}
	for i, want := range []int{200, 200, 403, 403} {
		if got := r.get(); got != want {
			t.Errorf("call %d at once: HTTP %d, want %d", i+1, got, want)
		}
	}
	banned := r.clock.now()
	r.clock.add(30*time.Minute - time.Second)
	if got := r.get(); got != http.StatusForbidden {
		t.Errorf("HTTP %d within the ban", got)
	}
	r.merchant = "3085676"
	if got := r.get(); got != http.StatusOK {
		t.Errorf("HTTP %d for another merchant", got)
	}
	r.merchant = exampleMerchant
	r.clock.add(time.Second)
	if got := r.get(); got != http.StatusOK {
		t.Errorf("HTTP %d after the ban", got)
	}
	bans := r.sim.Books().Bans
	if len(bans) != 1 || bans[0].MerchantID != exampleMerchant || bans[0].Calls != 3 || !bans[0].From.Equal(banned) || !bans[0].Until.Equal(banned.Add(30*time.Minute)) {
		t.Errorf("bans %+v", bans)
	}
}

func TestBannedCallsHaveNoEffect(t *testing.T) {
	r := start(t, Config{BanFor: time.Minute})
	r.sim.Ban(exampleMerchant)
	body, _ := json.Marshal(r.envelope(order4("N1")))
	status, answer, err := r.send("/api/Ticket/Issue", body)
	if err != nil || status != http.StatusForbidden || !bytes.Contains(answer, []byte("<html>")) {
		t.Errorf("HTTP %d, %v: %s", status, err, answer)
	}
	if _, found := r.sim.Books().Order("N1"); found {
		t.Error("a banned call took effect")
	}
	r.clock.add(time.Minute)
	r.must(1, OpIssue, order4("N1"))
}

func TestWithoutALimitNobodyIsBanned(t *testing.T) {
	r := start(t, Config{})
	for range 50 {
		if got := r.get(); got != http.StatusOK {
			t.Fatalf("HTTP %d", got)
		}
	}
	if bans := r.sim.Books().Bans; len(bans) != 0 {
		t.Errorf("bans %+v", bans)
	}
}

func TestLogHoldsNoCustomersDataAndNoSecrets(t *testing.T) {
	var out bytes.Buffer
	r := start(t, Config{Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	r.must(1, OpIssue, issueExamples["3"])
	r.must(1, OpIssue, order4("N4"))
	r.sim.RunJob()
	code, _ := r.sim.WriteOffNo(r.book("N4", 0).TicketNo)
	r.must(1, OpWriteOff, writeOffOf(code, "1"))
	r.sim.Ban(exampleMerchant)
	r.get()
	log := out.String()
	for _, secret := range []string{"王珊珊", "0912345678", "abc@gmail.com", code, r.keys.HashKey, r.keys.HashIV} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(log, "CBX20220302153064851") || !strings.Contains(log, "banned") {
		t.Errorf("the log says nothing:\n%s", log)
	}
}
