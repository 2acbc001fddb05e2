package faults

import (
	"fmt"
	"net/http"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// The account's probes: of a provider that is away, and of one that answers nothing of use.
const (
	probing     = 5 * time.Second
	slowProbing = 30 * time.Second
)

const afterOutage = 15 * time.Second // the target

// outages are times in which the provider is away.
func outages() (list []fault) {
	for _, p := range both {
		for _, lasts := range []time.Duration{time.Minute, 4 * time.Minute} {
			for name, how := range map[string]how{"HTTP 503": unavailable, "no answer": hangs} {
				list = append(list, outage(name, p, lasts, func(s *site) { s.house.outage(how, "") }))
			}
			list = append(list, outage("connections refused", p, lasts, func(s *site) { s.network.Refuse(true) }))
		}
		list = append(list, outage("HTTP 503, Retry-After: 20", p, time.Minute, func(s *site) { s.house.outage(unavailable, "20") }),
			outage("HTTP 503, Retry-After: a date", p, time.Minute, func(s *site) {
				s.house.outage(unavailable, time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
			}))
	}
	return list
}

// outage is one whose calls are few, and whose end is noticed by a probe.
func outage(name string, p providers.Name, lasts time.Duration, begin func(s *site)) fault {
	return fault{name: fmt.Sprintf("%s for %s", name, lasts), provider: p, from: fromOver, most: afterOutage,
		least: probing, why: "a probe every 5 s",
		run: func(s *site) {
			begin(s)
			r := s.enqueue("A", 1)
			s.wait(lasts)
			if calls, most := s.house.endOutage(), 6+int(lasts/probing); calls > most {
				s.failf("%d calls during the outage, more than %d", calls, most)
			}
			s.network.Refuse(false)
			s.expect(time.Now(), "issued", r)
			if n := s.log.count(); n != 1 {
				s.failf("%d alarms", n)
			}
		}}
}

// accounts are answers that are of no use for any order.
func accounts() (list []fault) {
	for _, kind := range []struct {
		name string
		how  how
		at   []providers.Name
	}{
		{"HTML with HTTP 200 to every call", garbage, both},
		{"TransCode other than 1 to every call", refuses, both[:1]},
	} {
		for _, p := range kind.at {
			list = append(list, fault{name: kind.name + " for 10 min", provider: p, from: fromOver, most: slowProbing + seconds,
				least: slowProbing, why: "a probe every 30 s", run: func(s *site) {
					s.house.outage(kind.how, "")
					var refs []order.Ref
					for i := range 5 {
						refs = append(refs, s.enqueue(fmt.Sprintf("A%d", i), 1))
					}
					s.wait(10 * time.Minute)
					if calls := s.house.endOutage(); calls > 8+20 {
						s.failf("%d calls in ten minutes", calls)
					}
					s.expect(time.Now(), "issued", refs...)
					if n := s.log.count(); n != 1 {
						s.failf("%d alarms", n)
					}
				}})
		}
	}
	return list
}
