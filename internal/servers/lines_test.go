package servers_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/servers"
	"issuance/providers"
	"issuance/tasks/order"
)

// A change of accounts' health is a line of its own; what queues do in consequence is for debugging. A lane that an operator
// pauses changes no account's health: its queue has a line, and one when it goes on.
func TestQueuesRepeatNoChangeOfHealth(t *testing.T) {
	down := &budget.Trouble{Kind: providers.HealthUnreachable, Code: "timeout", Down: true, Since: time.Now()}
	for name, tc := range map[string]struct {
		ban     *budget.Ban
		trouble *budget.Trouble
		paused  []budget.Hold
		queues  int
		lines   int
	}{
		"an outage":         {trouble: down, queues: 3},
		"a ban":             {ban: someBan, queues: 3},
		"a paused account":  {paused: hold(""), queues: 3},
		"a paused lane":     {paused: hold(order.Bulk), queues: 1, lines: 2},
		"a lane and a ban":  {ban: someBan, paused: hold(order.Bulk), queues: 3},
		"a lane, an outage": {trouble: down, paused: hold(order.Bulk), queues: 3, lines: 2},
	} {
		t.Run(name, func(t *testing.T) {
			eachHold(t, func(t *testing.T, s *holdScene) {
				var out, all bytes.Buffer
				holder := func(log *slog.Logger) *servers.QueueHolder {
					return servers.NewQueueHolder(s.srv.Client(), providers.ECTicket, servers.Always(s.account), log)
				}
				for buffer, level := range map[*bytes.Buffer]slog.Level{&out: slog.LevelInfo, &all: slog.LevelDebug} {
					h := holder(slog.New(slog.NewTextHandler(buffer, &slog.HandlerOptions{Level: level})))
					s.ban, s.trouble, s.paused = tc.ban, tc.trouble, tc.paused
					s.step(h)
					s.ban, s.trouble, s.paused = nil, nil, nil
					s.step(h)
					s.expect()
				}
				if n := strings.Count(out.String(), "\n"); n != tc.lines {
					t.Errorf("%d lines:\n%s", n, &out)
				}
				if n := strings.Count(all.String(), "queue paused"); n != tc.queues {
					t.Errorf("%d queues were paused:\n%s", n, &all)
				}
			})
		})
	}
}
