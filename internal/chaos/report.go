package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"issuance/tasks/order"
)

// RecoveryLimit is how long a killed worker's order may wait for the next worker, as long as Redis and the
// account are there.
const RecoveryLimit = 20 * time.Second

// Problems lists everything that fails the run, the audit's differences first.
func (run *Run) Problems() []string {
	var out []string
	for _, d := range run.Report.Differences {
		out = append(out, d.String())
	}
	out = append(out, run.Producers.wrong...)
	out = append(out, run.Disasters.failures...)
	for _, w := range run.Rig.processes() {
		out = append(out, w.crashes()...)
	}
	out = append(out, run.Rig.Front.problems()...)
	for _, r := range run.Disasters.recovered {
		if took := run.Disasters.took(r); took > RecoveryLimit {
			out = append(out, fmt.Sprintf("%s: %s passed from the death of its worker at %s until the next took it up (%s with holds)",
				r.what, took.Round(100*time.Millisecond), r.from.UTC().Format(time.TimeOnly), r.to.Sub(r.from).Round(100*time.Millisecond)))
		}
	}
	for _, r := range run.Disasters.returned {
		if took := run.Disasters.took(r); took > RemovalLimit {
			out = append(out, fmt.Sprintf("%s: %s passed until it had a task again", r.what, took.Round(100*time.Millisecond)))
		}
	}
	return out
}

// String prints the run: its seed, what was done to it, and what came of it.
func (run *Run) String() string {
	var b strings.Builder
	d, p := run.Disasters, run.Producers
	fmt.Fprintf(&b, "seed %d: %d orders, %d refunds, %d workers; %s of faults, final %s later\n", run.Seed, len(run.Load.Orders), len(run.Load.Refunds),
		len(run.Rig.Workers), run.Stormy.Round(time.Second), run.Settling.Round(100*time.Millisecond))
	fmt.Fprintf(&b, "workers killed %d, asked to end %d and stalled %d times (ended by themselves %d times); Redis killed %d and frozen %d times\n",
		d.kills, d.stops, d.stalls, d.crashed, d.restarts, d.freezes)
	fmt.Fprintf(&b, "accounts banned %d times and paused %d times (all lanes %d times); %d settled records deleted and their tasks made again\n", d.bans, d.paused, len(d.pauses), len(run.Replays.Records))
	fmt.Fprintf(&b, "both providers away %d times, met by %d calls; held: %s\n", d.silences, d.unanswered, d.holdings())
	fmt.Fprintf(&b, "tasks removed: %s; %d of them of records that somebody had begun\n", counts(d.removed), d.begun)
	fmt.Fprintf(&b, "%d documents acknowledged, %d of them as duplicates, %d attempts repeated after an error; producers died %d times; %d forged documents refused\n",
		p.acked, p.repeated, p.errors, p.deaths, p.forged)
	fmt.Fprintf(&b, "%d documents cancelled in time, %d too late\n", p.done, p.tooLate)
	if run.Rig.Front != nil {
		fmt.Fprintf(&b, "front doors killed %d and stalled %d times; %d documents acknowledged by HTTP, %d refused because another was faster, bulks sent again %d times\n",
			d.doors, d.held, p.byHTTP, p.rivals, p.brokenBulks)
		b.WriteString(run.Rig.Front.table())
	}
	if run.Notices != nil {
		fmt.Fprintln(&b, run.Notices)
	}
	b.WriteString(run.recovery())
	b.WriteString("\nCalls and the faults injected:\n" + run.Rig.Weather.table())
	b.WriteString("\nFinal states of orders:\n" + states(run.Report.OrderStates))
	b.WriteString("\nFinal states of refunds:\n" + states(run.Report.RefundStates))
	fmt.Fprintf(&b, "\nReviews: %s\n", shares(run.Report.Reviews, len(run.Load.Orders)+len(run.Load.Refunds)))
	in := run.Rig.Intents
	in.mu.Lock()
	fmt.Fprintf(&b, "Intents looked for at a call's arrival: %d, not possible for %d (Redis did not answer in time)\n", in.checked, in.unchecked)
	in.mu.Unlock()
	fmt.Fprintf(&b, "Events delivered more than once: %d\n", run.Report.Repeated)
	fmt.Fprintf(&b, "Audit: %s\n", run.Report.summary())
	return b.String()
}

// recovery is how long orders waited whose worker was killed or whose task was removed.
func (run *Run) recovery() string {
	d := run.Disasters
	return fmt.Sprintf("in workers' hands when one was killed or stalled: %s\ntasks that were removed: %s\n", d.longest(d.recovered), d.longest(d.returned))
}

func (d *Disasters) longest(list []recovery) string {
	var longest, with time.Duration
	for _, r := range list {
		longest, with = max(longest, d.took(r)), max(with, r.to.Sub(r.from))
	}
	return fmt.Sprintf("%d, taken up after at most %s (%s with the time for which Redis was away or the account held)",
		len(list), longest.Round(100*time.Millisecond), with.Round(100*time.Millisecond))
}

func (w *Weather) table() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return table(func(add func(cells ...string)) {
		head := []string{"", "calls"}
		for _, f := range allFaults {
			head = append(head, string(f))
		}
		add(head...)
		for _, row := range slices.Sorted(maps.Keys(w.tally)) {
			total := 0
			for _, n := range w.tally[row] {
				total += n
			}
			cells := []string{row, fmt.Sprint(total)}
			for _, f := range allFaults {
				cells = append(cells, fmt.Sprint(w.tally[row][f]))
			}
			add(cells...)
		}
	})
}

func states(t map[string]map[order.State]int) string {
	return table(func(add func(cells ...string)) {
		for _, row := range slices.Sorted(maps.Keys(t)) {
			var cells []string
			for _, s := range slices.Sorted(maps.Keys(t[row])) {
				cells = append(cells, fmt.Sprintf("%s %d", s, t[row][s]))
			}
			add(row, strings.Join(cells, ", "))
		}
	})
}

func counts(m map[string]int) string {
	if len(m) == 0 {
		return "none"
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}

func table(fill func(add func(cells ...string))) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fill(func(cells ...string) { fmt.Fprintln(w, "  "+strings.Join(cells, "\t")) })
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

// shares lists numbers by name, each with its share of all.
func shares(of map[string]int, all int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%s %d (%.1f%%)", name, of[name], 100*float64(of[name])/float64(max(all, 1))))
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}
