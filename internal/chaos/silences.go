package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
)

// A silence is an outage of both providers: no call is answered. Workers notice it within noticed, and then only
// probes leave.
const (
	noticed    = callTimeout + 4*time.Second
	silentFor  = 12 * time.Second
	probeEvery = 4 * time.Second // as seldom as probes are, at least
	// stray is how many calls may arrive besides probes: of a worker that was stalled or killed with the
	// permission to call in its hands.
	stray = 4
)

// silences are the kinds of outage, one for each provider.
var silences = []struct {
	name     string
	ecticket ecticketsim.FaultKind
	pass2u   pass2usim.Fault
}{
	{"HTTP 5xx", ecticketsim.Error5xxBefore, pass2usim.Error5xxBefore},
	{"broken connections", ecticketsim.CutBefore, pass2usim.CutBefore},
	{"no answers", ecticketsim.HangBefore, pass2usim.HangBefore},
	{"garbage", ecticketsim.GarbageBefore, pass2usim.GarbageBefore},
}

// silence has both providers answer nothing for a while, and counts the calls that arrive although every worker
// can know.
func (d *Disasters) silence(ctx context.Context, r *rand.Rand) {
	kind := silences[r.IntN(len(silences))]
	d.rig.Log("both providers are away for %s: %s", silentFor, kind.name)
	d.outage(15*time.Second, func() {
		d.rig.ECTicket.StartOutage(ecticketsim.Fault{Kind: kind.ecticket}, 0)
		d.rig.Pass2U.StartOutage(kind.pass2u, 0)
		pause(ctx, noticed)
		before := d.rig.silentCalls()
		pause(ctx, silentFor-noticed)
		after := map[providers.Name]int{providers.ECTicket: d.rig.ECTicket.EndOutage(), providers.Pass2U: d.rig.Pass2U.EndOutage()}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.silences++
		for p, n := range after {
			d.tooMany(p, before[p], n)
		}
	})
}

// tooMany notes calls that arrived in an outage that the workers knew of; d.mu is held.
func (d *Disasters) tooMany(p providers.Name, noticing, all int) {
	d.unanswered += all
	if late, most := all-noticing, int((silentFor-noticed)/probeEvery)+1+stray; late > most {
		d.failures = append(d.failures, fmt.Sprintf("%s: %d calls arrived in an outage that the workers had noticed, after %d others; at most %d probes and strays may",
			p, late, noticing, most))
	}
}

// silentCalls are the calls that have arrived in the latest outage of each provider.
func (r *Rig) silentCalls() map[providers.Name]int {
	total := map[providers.Name]int{}
	if o := r.ECTicket.Books().Outages; len(o) > 0 {
		for _, n := range o[len(o)-1].Calls {
			total[providers.ECTicket] += n
		}
	}
	if o := r.Pass2U.Books().Outages; len(o) > 0 {
		for _, n := range o[len(o)-1].Calls {
			total[providers.Pass2U] += n
		}
	}
	return total
}
