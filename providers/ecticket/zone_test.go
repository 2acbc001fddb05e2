package ecticket_test

import (
	"fmt"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
)

// In which zone ECTicket writes its dates, its documents do not say: an order of ours that was accepted and seen to be
// issued shows it.
func TestTheZoneOfDatesIsSeenByAnOrderOfOurs(t *testing.T) {
	for name, c := range map[string]struct{ dates, clock time.Duration }{
		"Taiwan": {0, 0}, "UTC": {-8 * time.Hour, 0}, "half an hour": {-150 * time.Minute, 0}, "the clock is ahead": {0, 8 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			sim, p, now := start(t, ecticketsim.Config{})
			sim.SetClocks(func(ecticketsim.Call) time.Duration { return c.clock })
			sim.SetTwist(func(call ecticketsim.Call, a map[string]any) {
				const layout = "2006/01/02 15:04:05"
				at, err := time.Parse(layout, fmt.Sprint(a["IssueDate"]))
				if err != nil {
					return
				}
				if call.OrderID == "O1" { // dated by the job, whose clock is ahead as well
					at = at.Add(-c.clock)
				}
				a["IssueDate"] = at.Add(c.dates).Format(layout)
			})
			ours, other := electronic("O1", 1), electronic("O2", 1)
			see := func(o providers.Order) providers.Sight {
				t.Helper()
				s, out := p.Identify(t.Context(), o)
				if out.Kind != providers.Done {
					t.Fatalf("%+v", out)
				}
				return s
			}
			sim.AddStranger(ecticketsim.Stranger{ID: "O2", Items: []ecticketsim.StrangerItem{{ItemNo: "VQT04959"}}, IssuedAt: now.Now().Add(-3 * time.Hour)})
			if s := see(other); !s.Unzoned {
				t.Errorf("no order of ours was seen, and the zone is known: %+v", s)
			}
			if out := p.Issue(t.Context(), ours); out.Kind != providers.Accepted {
				t.Fatalf("%+v", out)
			}
			now.add(5 * time.Minute)
			sim.RunJob()
			now.add(2 * time.Minute)
			p.LookUp(t.Context(), ours)
			s := see(other)
			if want := now.Now().Add(-3*time.Hour - 7*time.Minute); s.Unzoned || !s.CreatedAt.Equal(want) {
				t.Errorf("unzoned %v, created at %s by the provider's clock, want %s", s.Unzoned, s.CreatedAt, want)
			}
		})
	}
}

// An order that was first looked at long after it was sent may have been issued at any time since, and says nothing.
func TestAnOrderThatWasSeenLateShowsNoZone(t *testing.T) {
	sim, p, now := start(t, ecticketsim.Config{})
	o := electronic("O1", 1)
	if out := p.Issue(t.Context(), o); out.Kind != providers.Accepted {
		t.Fatalf("%+v", out)
	}
	sim.RunJob()
	now.add(40 * time.Minute)
	p.LookUp(t.Context(), o)
	if s, _ := p.Identify(t.Context(), o); !s.Unzoned {
		t.Errorf("%+v", s)
	}
}
