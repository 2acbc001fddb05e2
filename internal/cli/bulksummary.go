package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"issuance/internal/bulk"
	"issuance/internal/plain"
	"issuance/providers"
	"issuance/tasks"
)

// bulkState is how far a run has come.
func bulkState(p *bulk.Progress, size int64, since time.Duration) state {
	n := p.Lines.Load()
	text := fmt.Sprintf("%s, %s/s", lines(n), thousands(int64(float64(n)/max(since.Seconds(), 0.001))))
	if wrong := p.Invalid.Load() + p.Conflicts.Load(); wrong > 0 {
		text += ", " + thousands(wrong) + " wrong"
	}
	return state{done: p.Bytes.Load(), all: size, text: text}
}

// summary is what came of a run.
type summary struct {
	*app
	input    *inputFile
	session  *session
	progress *bulk.Progress
	dryRun   bool
	took     time.Duration
	err      error
}

// estimate is how long the workers will need for what was enqueued, if nothing else is waiting, and what else is.
type estimate struct {
	Provider       providers.Name `json:"provider"`
	Account        tasks.Account  `json:"account"`
	Orders         int64          `json:"orders"`
	Calls          int64          `json:"calls"`
	CallsPerSecond float64        `json:"calls_per_second"`
	SharedWith     int            `json:"shared_with,omitempty"` // how many other accounts of these orders share the calls per second; the seconds count theirs
	Seconds        float64        `json:"seconds"`
	BannedUntil    *time.Time     `json:"banned_until,omitempty"` // the seconds count from now, the ban included
	Paused         string         `json:"paused,omitempty"`       // held without a known end; the seconds count from it
	OthersOpen     int64          `json:"others_open,omitempty"`  // other orders and refunds of the account that have not ended; the seconds do not count them

	pace pace
}

// summaryLine is a summary with --json.
type summaryLine struct {
	DryRun         bool       `json:"dry_run"`
	Complete       bool       `json:"complete"` // the whole file was read
	Lines          int64      `json:"lines"`
	Enqueued       int64      `json:"enqueued"` // in a dry run: fine
	Duplicates     int64      `json:"duplicates"`
	Conflicts      int64      `json:"conflicts"`
	Rejected       int64      `json:"rejected"` // because of rules; conflicts come on top
	Failed         int64      `json:"failed"`
	LastLine       int64      `json:"last_line"` // everything up to here is done
	Seconds        float64    `json:"seconds"`
	LinesPerSecond float64    `json:"lines_per_second"`
	Estimate       []estimate `json:"estimate"`
}

// end prints the summary and returns what the exit code is made of.
func (s summary) end(ctx context.Context, pre *precheck, wrong *rejects) error {
	done := s.progress
	bad := done.Invalid.Load() + done.Conflicts.Load()
	if errors.Is(s.err, bulk.ErrEmpty) || errors.As(s.err, new(*bulk.FileError)) && done.Lines.Load() == 0 {
		return s.input.unusable(s.err)
	}
	if err := s.print(ctx); err != nil {
		return err
	}
	pre.report(s.app)
	const again = "run the same command again: what is enqueued already stays one order"
	switch {
	case s.err != nil:
		p := explain(s.err)
		if ctx.Err() != nil {
			p = explain(coded(codeInterrupt, "interrupted"))
		}
		where := "before the first line"
		if last := done.LastLine.Load(); last > 0 {
			where = "behind line " + thousands(last)
		}
		if beyond := done.Beyond.Load(); beyond > 0 { // batches are sent in parts, which end one by one
			where += ", with " + lines(beyond) + " behind it done"
		}
		p.Message = "stopped " + where + ": " + pre.explain(s.err, p.Message)
		if !s.dryRun {
			p.Message += "; " + again
		}
		s.fail(p)
		return &reportedError{p.exit()}
	case done.Failed.Load() > 0:
		return coded(codeFailed, "%s not enqueued; %s", orders(done.Failed.Load()), again)
	case bad > 0:
		rest := "the others are enqueued"
		if s.dryRun || bad == done.Lines.Load() {
			rest = "nothing was enqueued"
		}
		return badInput("%s of %s wrong; %s", thousands(bad), lines(done.Lines.Load()), rest)
	}
	return nil
}

func lines(n int64) string { return counted(n, "line") }

func (s summary) print(ctx context.Context) error {
	p := s.progress
	seconds := s.took.Seconds()
	rate := float64(p.Lines.Load()) / max(seconds, 0.001)
	estimates := s.estimates(ctx)
	if s.json {
		return s.printJSON(summaryLine{
			DryRun: s.dryRun, Complete: s.err == nil, Lines: p.Lines.Load(), Enqueued: p.Enqueued.Load(), Duplicates: p.Duplicates.Load(),
			Conflicts: p.Conflicts.Load(), Rejected: p.Invalid.Load(), Failed: p.Failed.Load(), LastLine: p.LastLine.Load(),
			Seconds: seconds, LinesPerSecond: rate, Estimate: estimates,
		})
	}
	text := fmt.Sprintf("%s enqueued, %s duplicates, %s conflicts, %s rejected", thousands(p.Enqueued.Load()), thousands(p.Duplicates.Load()),
		thousands(p.Conflicts.Load()), thousands(p.Invalid.Load()))
	if s.dryRun {
		text = fmt.Sprintf("%s fine, %s rejected", thousands(p.Enqueued.Load()), thousands(p.Invalid.Load()))
	}
	if err := s.app.text("%s, in %.1f s (%s lines/s)", text, seconds, thousands(int64(rate))); err != nil {
		return err
	}
	return s.printEstimates(estimates)
}

// mostEstimates is how many accounts' estimates are printed: the slowest are, because the whole takes as long as they do.
const mostEstimates = 5

func (s summary) printEstimates(all []estimate) error {
	slowest := slices.Clone(all)
	if len(all) > mostEstimates {
		slices.SortStableFunc(slowest, func(x, y estimate) int { return cmp.Compare(y.longest(), x.longest()) })
		slowest = slowest[:mostEstimates]
	}
	for _, e := range slowest {
		if err := s.app.text("%s", e.text(s.zone)); err != nil {
			return err
		}
	}
	if more := len(all) - len(slowest); more > 0 {
		return s.app.text("and %s more, none slower; --json lists all", count(more, "account"))
	}
	return nil
}

// longest are an estimate's seconds; of a pause nobody knows the end.
func (e estimate) longest() float64 {
	if e.Paused != "" {
		return math.Inf(1)
	}
	return e.Seconds
}

// text is an estimate for people. Of a pause nobody knows the end.
func (e estimate) text(zone *time.Location) string {
	text, takes := fmt.Sprintf("%s: %s at %s calls/s", e.Account, orders(e.Orders), plain.Number(e.CallsPerSecond)), about(time.Duration(e.Seconds*float64(time.Second)))
	if e.SharedWith > 0 {
		text += " shared with " + count(e.SharedWith, "other")
	}
	if e.Paused != "" {
		return text + "; calls are held without a known end (" + e.Paused + "), and take about " + takes + " from then on"
	}
	if ban := e.pace.banText(zone); ban != "" {
		text += ", " + ban
	}
	text += ": about " + takes
	if e.OthersOpen > 0 {
		text += "; " + thousands(e.OthersOpen) + " more of the account are open and may come first"
	}
	return text
}

func orders(n int64) string { return counted(n, "order") }

func (s summary) estimates(ctx context.Context) []estimate {
	out := []estimate{}
	loads := s.progress.Loads()
	if len(loads) == 0 {
		return out
	}
	paces := s.pacesOf(ctx, s.session)
	whole := map[tasks.Account]bulk.Load{} // documents may name their account or not
	for account, load := range loads {
		sum := whole[paces.account(account)]
		whole[paces.account(account)] = bulk.Load{Orders: sum.Orders + load.Orders, Calls: sum.Calls + load.Calls}
	}
	shared := map[string][]int64{} // by allowance, the calls of each account
	for account, load := range whole {
		p := paces.of(account)
		shared[p.allowance] = append(shared[p.allowance], load.Calls)
	}
	open := s.open(ctx, slices.Collect(maps.Keys(whole)))
	for account, load := range whole {
		p, calls, others := paces.of(account), load.Calls, 0
		if sharing := shared[p.allowance]; p.allowance != "" && len(sharing) > 1 {
			calls, others = inTurns(load.Calls, sharing), len(sharing)-1
		}
		e := estimate{Provider: account.Provider, Account: account, Orders: load.Orders, Calls: load.Calls, CallsPerSecond: p.perSecond,
			SharedWith: others, Seconds: p.duration(calls).Seconds(), Paused: p.paused, pace: p,
			OthersOpen: max(open[account]-load.Orders, 0)}
		if p.wait > 0 {
			e.BannedUntil = stamp(p.until)
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(x, y estimate) int { return cmp.Compare(x.Account.String(), y.Account.String()) })
	return out
}

// open is how many records of accounts have not ended, as far as that is known.
func (s summary) open(ctx context.Context, accounts []tasks.Account) map[tasks.Account]int64 {
	if s.session.ledger == nil || s.dryRun {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), paceWithin)
	defer cancel()
	counts, err := s.session.ledger.OpenCounts(ctx, accounts)
	if err != nil { // an estimate is not worth an error
		return nil
	}
	open := map[tasks.Account]int64{}
	for i, n := range counts {
		open[accounts[i]] = n
	}
	return open
}

// inTurns is how many calls are made until one account's are, where accounts take turns. sharing has its own, too.
func inTurns(own int64, sharing []int64) (n int64) {
	for _, calls := range sharing {
		n += min(calls, own)
	}
	return n
}

// thrifty lets the garbage collector work less often, within bounds: a bulk makes much garbage and
// keeps little. An environment that sets the collector wins.
func thrifty(env map[string]string) (restore func()) {
	if env["GOGC"] != "" || env["GOMEMLIMIT"] != "" {
		return func() {}
	}
	percent, limit := debug.SetGCPercent(400), debug.SetMemoryLimit(40<<20)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}
