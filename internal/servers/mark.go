package servers

import (
	"context"
	_ "embed"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/keys"
)

// mark is what the hash keys.QueuesHeld says of a queue that a QueueHolder has paused: a state, a random id,
// and the accounts that were held when it was made, as "STATE ID ACCOUNT ACCOUNT…". The id distinguishes
// the marks of two holds, and begins with laneID where operators have paused the lane. The zero mark is none.
type mark struct {
	state    string
	id       string
	accounts []string
}

const (
	markPausing = "pausing" // about to be paused
	markPaused  = "paused"  // paused, and resumed when the hold is over
	markResumed = "resumed" // resumed during the hold, and left alone until it is over

	laneID = "lane-"
)

func newMark(states []budget.State, ofLane bool) mark {
	m := mark{state: markPausing, id: strconv.FormatUint(rand.Uint64(), 36)}
	if ofLane {
		m.id = laneID + m.id
	}
	for _, s := range states {
		m.accounts = append(m.accounts, s.Account.String())
	}
	return m
}

func parseMark(text string) mark {
	f := strings.Split(text, " ")
	if len(f) < 2 {
		return mark{state: text}
	}
	return mark{state: f[0], id: f[1], accounts: f[2:]}
}

func (m mark) String() string {
	if m.id == "" {
		return m.state
	}
	return strings.Join(append([]string{m.state, m.id}, m.accounts...), " ")
}

// level is that of a line about the queue: the hold's own, or debug where a line about an account's health says the same.
func (m mark) level(own slog.Level) slog.Level {
	if strings.HasPrefix(m.id, laneID) {
		return own
	}
	return slog.LevelDebug
}

// as is the same mark in another state.
func (m mark) as(state string) mark { m.state = state; return m }

// of picks the states of the mark's accounts; all is false when one is missing, or the mark names none.
func (m mark) of(states []budget.State) (found []budget.State, all bool) {
	named := make(map[string]bool, len(m.accounts))
	for _, name := range m.accounts {
		named[name] = true
	}
	for _, s := range states {
		if named[s.Account.String()] {
			found = append(found, s)
		}
	}
	return found, len(found) == len(m.accounts) && len(found) > 0
}

var (
	//go:embed swap.lua
	swapSource string
	swapScript = redis.NewScript(swapSource)
)

// swap replaces a queue's mark, or deletes it when to is none, unless another worker has changed it.
func (h *QueueHolder) swap(ctx context.Context, queue string, from, to mark) (done bool, err error) {
	return swapScript.Run(ctx, h.rdb, []string{keys.QueuesHeld(h.provider)}, queue, from.String(), to.String()).Bool()
}
