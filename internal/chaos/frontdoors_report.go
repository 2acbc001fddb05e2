package chaos

import "fmt"

// problems lists what fails a run by itself; l may be nil.
func (l *FrontDoors) problems() (out []string) {
	if l == nil {
		return nil
	}
	for _, s := range l.readers {
		s.mu.Lock()
		out = append(out, s.wrong...)
		s.mu.Unlock()
	}
	return out
}

// table shows how connections broke, and what receivers answered.
func (l *FrontDoors) table() string {
	return table(func(add func(cells ...string)) {
		for _, d := range l.doors {
			for _, p := range []*proxy{d.requests, d.bulk, d.events} {
				p.mu.Lock()
				named := map[string]int{}
				for b, n := range p.tally {
					named[string(b)] = n
				}
				p.mu.Unlock()
				whole := named[string(Whole)]
				delete(named, string(Whole))
				add("connections of "+p.name, fmt.Sprintf("whole %d; broken: %s", whole, counts(named)))
			}
		}
		for _, rec := range l.receivers {
			rec.mu.Lock()
			add("receiver "+rec.name, fmt.Sprintf("%d events, answers: %s", len(rec.tries), counts(rec.tally)))
			rec.mu.Unlock()
		}
		for i, s := range l.readers {
			s.mu.Lock()
			add(fmt.Sprintf("reader %d", i+1), fmt.Sprintf("%d events over %d connections", len(s.read), s.again))
			s.mu.Unlock()
		}
	})
}

// enoughOrders is from how many orders on a run meets everything.
const enoughOrders = 100

// neverHappened lists what a run with front doors has to have met, and has not.
func (run *Run) neverHappened() (out []string) {
	if run.Rig.Front == nil || len(run.Load.Orders) < enoughOrders {
		return nil
	}
	met := run.Rig.Front.met()
	met["a race of two documents"], met["a document by HTTP"] = run.Producers.rivals, run.Producers.byHTTP
	met["a bulk that broke"] = run.Producers.brokenBulks
	met["a front door that was killed"] = run.Disasters.doors
	if len(run.Load.Orders) >= 10*enoughOrders { // of fewer, a rare one may meet none
		for f, percent := range map[Fault]float64{RejectedAfter: run.Rig.Odds.Rejected, Busy: run.Rig.Odds.Busy, OldAnswer: run.Rig.Odds.Replayed, OldLook: run.Rig.Odds.OldLooks, Throttled: run.Rig.Odds.Throttled} {
			if percent > 0 {
				met["the fault "+string(f)] = run.Rig.Weather.times(f)
			}
		}
	}
	if run.Notices != nil {
		out = run.Notices.neverHappened()
	}
	for what, n := range met {
		if n == 0 {
			out = append(out, what)
		}
	}
	return out
}

// met counts what befell connections, readers and receivers.
func (l *FrontDoors) met() map[string]int {
	n := map[string]int{"a stream that went on": -len(l.readers)}
	for _, b := range []Break{BeforeRequest, InRequest, AfterRequest, BeforeAnswer, InAnswer} {
		n["a connection broken "+string(b)] = 0
	}
	for _, d := range l.doors {
		d.requests.mu.Lock()
		for b, times := range d.requests.tally {
			n["a connection broken "+string(b)] += times
		}
		d.requests.mu.Unlock()
	}
	for _, s := range l.readers {
		s.mu.Lock()
		n["a stream that went on"] += s.again
		s.mu.Unlock()
	}
	for _, answer := range failures {
		n["a webhook answered by "+answer] = 0
		for _, rec := range l.receivers {
			rec.mu.Lock()
			n["a webhook answered by "+answer] += rec.tally[answer]
			rec.mu.Unlock()
		}
	}
	return n
}
