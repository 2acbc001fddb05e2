package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/providers"
	"issuance/tasks/order"
)

func (x *examination) settings(context.Context) error {
	for _, m := range x.Mistakes {
		x.add(Wrong, m.Variable, m.Text, "correct it where the workers and producers get their settings")
	}
	for _, w := range x.Settings.Warnings {
		x.add(Note, "", w, "")
	}
	if len(x.Mistakes)+len(x.Settings.Warnings) == 0 {
		x.add(OK, "", "this environment has no mistakes", "")
	}
	return nil
}

func (x *examination) sealKeys(ctx context.Context) error {
	switch {
	case x.KeysUnread:
		x.add(Note, "", "ISSUANCE_SEAL_KEYS cannot be read here (see settings), so it cannot be compared with the workers'", "")
		return nil
	case len(x.SealKeys) == 0:
		x.add(Note, "", "ISSUANCE_SEAL_KEYS is not set here, so it cannot be compared with the workers'", "")
		return nil
	}
	held, anybody, err := announce.SealKeyAnnounced(ctx, x.RDB, x.SealKeys[0])
	switch {
	case err != nil:
		return err
	case !anybody:
		x.add(Note, "", "no worker has announced a seal key yet", "start a worker")
	case !held:
		x.add(Wrong, x.SealKeys[0], "no worker holds the first key of this environment", "give workers and producers the same ISSUANCE_SEAL_KEYS")
	default:
		x.add(OK, x.SealKeys[0], "workers hold the first key of this environment", "")
	}
	return nil
}

// remedies are what to do about an account's health, and how much it matters.
var remedies = map[providers.Health]struct {
	level Level
	do    string
}{
	providers.HealthNoWorker:    {Wrong, "start a worker with this account, or look why it does not run"},
	providers.HealthPaused:      {Note, "enqueue resume, when its reason is gone"},
	providers.HealthBanned:      {Wrong, "look for another program that uses the account; workers go on by themselves"},
	providers.HealthUnreachable: {Wrong, "is the provider away? else look at DNS, proxy and firewall"},
	providers.HealthRefused:     {Wrong, "correct the account's settings; ask the provider to list our address"},
	providers.HealthGarbage:     {Wrong, "look at the base URL and the proxy; the provider may be in maintenance"},
	providers.HealthKeyMissing:  {Wrong, "add the old key at the end of ISSUANCE_SEAL_KEYS of every worker"},
}

func (x *examination) accounts(ctx context.Context) error {
	states, err := budget.States(ctx, x.RDB)
	if err != nil {
		return err
	}
	for _, s := range states {
		x.account(s)
	}
	known := map[providers.Account]budget.State{}
	for _, s := range states {
		known[s.Account] = s
	}
	if len(x.Mistakes) > 0 {
		x.add(Note, "", "none was called from here, because settings of this environment are wrong (see settings)", "")
	}
	findings := x.callAll(ctx)
	for i, c := range x.Clients {
		state, served := known[c.Account()]
		if !served {
			x.overdue(c.Account().String(), "start a worker with this account", "configured here, and no worker has served it")
		}
		x.called(c, findings[i], state)
	}
	if len(states)+len(x.Clients) == 0 {
		x.overdue("", "start a worker; is it the right Redis?", "no worker has served an account on this Redis")
	}
	return nil
}

// account judges what Redis knows of an account.
func (x *examination) account(s budget.State) {
	name := s.Account.String()
	health, since, why := s.Health()
	r, trouble := remedies[health]
	switch {
	case health == providers.HealthNoWorker:
		x.overdue(name, r.do, "%s: %s", health, why)
	case trouble:
		text := string(health)
		if !since.IsZero() {
			text += " since " + x.at(since)
		}
		x.add(r.level, name, text+": "+why, r.do)
	default:
		x.add(OK, name, string(health), "")
	}
	for _, h := range s.Paused {
		if h.Lane != "" {
			x.add(Note, name, string(h.Lane)+" is "+h.String(), "enqueue resume, when its reason is gone")
		}
	}
}

// callLimit bounds one harmless call, with its wait for the budget.
const callLimit = 30 * time.Second

// callsAtOnce is how many accounts are called at the same time.
const callsAtOnce = 16

// callAll looks up an order that does not exist at each account.
func (x *examination) callAll(ctx context.Context) []providers.Finding {
	found := make([]providers.Finding, len(x.Clients))
	free := make(chan struct{}, callsAtOnce)
	var wg sync.WaitGroup
	for i, c := range x.Clients {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			ctx, cancel := context.WithTimeout(budget.WithLane(ctx, order.Poll), callLimit)
			defer cancel()
			codec, _ := providers.CodecOf(c.Account().Provider)
			found[i] = c.LookUp(ctx, codec.Probe())
		})
	}
	wg.Wait()
	return found
}

// troubles are what a provider is or does in an outage of an account, as the end of a sentence.
var troubles = map[providers.Health]string{
	providers.HealthUnreachable: "is unreachable",
	providers.HealthRefused:     "refuses the account",
	providers.HealthGarbage:     "answers with garbage",
}

// held says why an account was not called, by what Redis knew of it before and by what its call was held with.
func (x *examination) held(s budget.State, said string) string {
	halt, is := s.Held(order.Poll)
	switch t := s.Trouble; {
	case !is && (said == "" || budget.IsHold(said) || budget.IsBan(said)): // since a moment ago
		return "was not called, because its calls are held"
	case !is:
		return "was not called: " + said
	case s.Ban != nil:
		return fmt.Sprintf("was not called, because the provider bans it until %s", x.at(halt.Until))
	case budget.IsPause(halt.Reason):
		return fmt.Sprintf("was not called, because it is %s, since %s", halt.Reason, x.at(halt.Since))
	default:
		return fmt.Sprintf("was not called, because the provider %s (%s) since %s", cmp.Or(troubles[t.Kind], "is in trouble"), t.Code, x.at(halt.Since))
	}
}

// called judges an account by what became of a call; s is what Redis knew of it before.
func (x *examination) called(c Client, f providers.Finding, s budget.State) {
	name := c.Account().String()
	said := strings.TrimSpace(f.Outcome.Code + " " + f.Outcome.Message)
	switch {
	case f.State != providers.Unclear, !f.Outcome.Alarm && (f.Outcome.Kind == providers.Rejected || c.Gate.authentic()): // a rejection is an authentic answer
		x.add(OK, name, "answers our call from here", "")
	case f.Outcome.Banned:
		x.add(Wrong, name, "answers our call from here with a ban: "+said, remedies[providers.HealthBanned].do)
	case f.Outcome.Kind == providers.Held && !f.Outcome.Alarm:
		x.add(Note, name, x.held(s, f.Outcome.Message), "")
	case c.Gate.notPermitted():
		x.add(Note, name, "was not called: the user of REDIS_URL may not ask its call budget", "run doctor as the user operator or worker of deploy/users.acl to have it called")
	case withoutBudget(f.Outcome):
		x.add(Wrong, name, "was not called: "+f.Outcome.Message, lookAtRedis)
	case f.Outcome.Alarm:
		x.add(Wrong, name, "refuses our call from here: "+said, remedies[providers.HealthRefused].do)
	default:
		x.add(Wrong, name, "gives our call from here no usable answer: "+said, remedies[providers.HealthUnreachable].do)
	}
}

// withoutBudget reports whether a call did not leave because the call budget could not be asked.
func withoutBudget(out providers.Outcome) bool {
	return out.Kind == providers.NotSent && (out.Code == "no_budget" || out.Code == "call_budget_unknown")
}

// Skews of a provider's clock. ECTicket refuses requests whose time differs by more than ten minutes.
const (
	noteSkew  = 30 * time.Second
	wrongSkew = 5 * time.Minute
)

// clock says what an account's answer has shown of the provider's clock.
func (x *examination) clock(p providers.Provider) {
	t, ok := p.(providers.ClockTeller)
	if !ok {
		return
	}
	skew, name := t.Skew(), p.Account().String()
	if skew.Answers == 0 {
		return
	}
	level, do := OK, ""
	if skew.Ahead.Abs() > noteSkew {
		level, do = Note, "run NTP here; the provider's clock cannot be helped"
	}
	if skew.Ahead.Abs() > wrongSkew {
		level = Wrong
	}
	if level == OK {
		x.add(OK, name, "the provider's clock and ours agree", "")
		return
	}
	x.addf(level, name, do, "the provider's clock is %s %s this machine's", skew.Ahead.Abs(), aheadOrBehind(skew.Ahead))
}

func aheadOrBehind(skew time.Duration) string {
	if skew < 0 {
		return "behind"
	}
	return "ahead of"
}
