package ecticketsim

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestChosenOrdersFailWithTheirRemark(t *testing.T) {
	r := start(t, Config{})
	r.sim.FailOrder("N1", "商品已售完")
	r.must(1, OpIssue, order4("N1")) // received all the same
	if got := r.status("N1"); got != Processing {
		t.Errorf("Status %d before the job", got)
	}
	r.sim.RunJob()
	got := r.must(1, OpQueryIssueResult, byOrder("N1"))
	if got["Status"] != 2.0 || got["Remark"] != "商品已售完" {
		t.Errorf("got %v", got)
	}
	r.sim.RunJob()
	if o, _ := r.sim.Books().Order("N1"); o.TimesIssued != 0 || len(o.Tickets) != 0 || !o.IssuedAt.IsZero() {
		t.Errorf("a failed order has tickets: %+v", o)
	}
	paper := strings.ReplaceAll(issueExamples["2"], "CBX20220302153064851", "N2")
	r.sim.FailOrder("N2", "printer")
	r.must(1, OpIssue, paper)
	if got := r.status("N2"); got != Failed {
		t.Errorf("paper: Status %d, want %d at once", got, Failed)
	}
}

func TestStuckOrdersStayInProcessUntilFreed(t *testing.T) {
	r := start(t, Config{})
	r.sim.StickOrder("N1")
	r.sim.StickOrder("N2")
	r.must(1, OpIssue, order4("N1"))
	r.must(1, OpIssue, strings.ReplaceAll(issueExamples["2"], "CBX20220302153064851", "N2"))
	r.must(1, OpIssue, order4("N3"))
	for range 3 {
		r.sim.RunJob()
	}
	if a, b, c := r.status("N1"), r.status("N2"), r.status("N3"); a != Processing || b != Processing || c != Issued {
		t.Errorf("Status %d, %d, %d", a, b, c)
	}
	r.sim.Unstick("N1")
	r.sim.Unstick("N2")
	r.sim.RunJob()
	r.sim.RunJob()
	for _, id := range []string{"N1", "N2"} {
		if o, _ := r.sim.Books().Order(id); o.Status != Issued || o.TimesIssued != 1 {
			t.Errorf("%s after it was freed: %+v", id, o)
		}
	}
}

func TestStartRunsTheJobOnTimeAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{JobEvery: time.Minute})
		runs := func() int {
			synctest.Wait()
			o, _ := s.Books().Order("N1")
			return o.TimesIssued
		}
		s.mu.Lock()
		o := &order{key: orderKey{exampleMerchant, "N1"}, status: Processing, lines: []line{{count: 1}}}
		s.orders[o.key], s.received, s.pending = o, append(s.received, o), append(s.pending, o)
		s.mu.Unlock()
		ctx, stop := context.WithCancel(t.Context())
		stopped := s.Start(ctx)
		time.Sleep(59 * time.Second) // of the bubble's clock
		if n := runs(); n != 0 {
			t.Errorf("issued %d times before the job was due", n)
		}
		time.Sleep(time.Second)
		if n := runs(); n != 1 {
			t.Errorf("issued %d times after the job", n)
		}
		stop()
		<-stopped
	})
	select {
	case <-New(Config{}).Start(context.Background()):
	default:
		t.Error("without JobEvery there is nothing to stop")
	}
}
