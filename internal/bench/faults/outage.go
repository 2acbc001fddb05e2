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
			list = append(list, outage("HTTP 503", p, lasts, func(s *site) { s.house.outage(unavailable, "") }),
				outage("connections refused", p, lasts, func(s *site) { s.network.Refuse(true) }),
				outage("no answers", p, lasts, func(s *site) { s.house.outage(hangs, "") }))
		}
		asked := outage("HTTP 503 with Retry-After: 20", p, time.Minute, func(s *site) { s.house.outage(unavailable, "20") })
		asked.least, asked.why, asked.most = 20*time.Second, "up to 20 s, as it asks", 20*time.Second+probing
		list = append(list, asked,
			outage("HTTP 503 with Retry-After: a date", p, time.Minute, func(s *site) {
				s.house.outage(unavailable, time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
			}))
	}
	return list
}

// outage is one whose calls are few, and whose end is noticed by a probe.
func outage(name string, p providers.Name, lasts time.Duration, begin func(s *site)) fault {
	return fault{name: fmt.Sprintf("%s for %.0f min", name, lasts.Minutes()), provider: p, from: fromOver, most: afterOutage, long: lasts > time.Minute && !(p == providers.ECTicket && name == "HTTP 503"),
		least: probing, why: "up to 5 s between probes", run: func(s *site) {
			for i := range phases {
				s.away(begin, lasts+probing*time.Duration(i)/phases, 1, 6+int(lasts/probing), fmt.Sprintf("A%d", i))
			}
		}}
}

// phases are how many outages end at different moments between two probes; the slowest of them counts.
const phases = 3

// away has orders enqueued during an outage, and expects few calls, one alarm, and that they are issued afterwards.
func (s *site) away(begin func(s *site), lasts time.Duration, orders, calls int, name string) {
	begin(s)
	var refs []order.Ref
	for i := range orders {
		refs = append(refs, s.enqueue(fmt.Sprintf("%sx%d", name, i), 1))
	}
	s.wait(lasts)
	if n := s.house.endOutage(); n > calls {
		s.failf("%d calls during the outage, more than %d", n, calls)
	}
	s.network.Refuse(false)
	s.expect(time.Now(), "issued", refs...)
	if n := s.log.count(); n != 1 {
		s.failf("%d alarms about the account", n)
	}
	s.wait(time.Minute)
}

// accounts are answers that are of no use for any order.
func accounts() (list []fault) {
	useless := func(name string, how how, p providers.Name) {
		list = append(list, fault{name: name + " to every call for 10 min", provider: p, from: fromOver, most: slowProbing + seconds,
			least: slowProbing, why: "up to 30 s between probes", run: func(s *site) {
				for i := range phases {
					s.away(func(s *site) { s.house.outage(how, "") }, 10*time.Minute+slowProbing*time.Duration(i)/phases, 5, 8+20, fmt.Sprintf("A%d", i))
				}
			}})
	}
	useless("HTML with HTTP 200", garbage, providers.ECTicket)
	useless("HTML with HTTP 200", garbage, providers.Pass2U)
	useless("TransCode other than 1", refuses, providers.ECTicket)
	return list
}
