package config

import (
	"reflect"
	"time"

	"issuance/internal/baseurl"
)

// ecticketWindow is how long ECPay accepts a request after its timestamp (ECTicket, Issue).
const ecticketWindow = 10 * time.Minute

// idleProbe is the one duration that may be none. The call budget counts calls in steps of 5 s.
const idleProbe = "WORKER_IDLE_PROBE"

// durations checks every duration by itself.
func (l *loader) durations() {
	for name, v := range l.table {
		// The queue counts whole seconds and takes less than one for "no limit".
		if v.kind == reflect.TypeFor[time.Duration]() && l.usable(name) && name != idleProbe && l.duration(name) < time.Second {
			l.wrong(name, "is %s; write at least 1s", l.duration(name))
		}
	}
}

// times checks the orders among the durations of the process.
func (l *loader) times() {
	const task, stop = "WORKER_TASK_TIMEOUT", "WORKER_SHUTDOWN_TIMEOUT"
	if l.usable(task) && l.duration(task)%time.Second != 0 {
		l.wrong(task, "is %s; write whole seconds", l.duration(task))
	}
	if l.usable(idleProbe) && l.duration(idleProbe) != 0 && l.duration(idleProbe) < 5*time.Second {
		l.wrong(idleProbe, "is %s; write at least 5s, or 0s for never", l.duration(idleProbe))
	}
	l.longer(l.slowest(), task, "otherwise a task ends while its call is under way")
	l.longer(task, stop, "otherwise a stopping worker cuts calls off")
	l.longer("POLL_EXPECTED", "POLL_DEADLINE", "otherwise every order needs review")
	l.notShorter("POLL_SENTINEL", "POLL_INTERVAL")
	l.notShorter("POLL_INTERVAL", "POLL_MAX_INTERVAL")
}

// settle checks after which time an order that ECTicket does not know will not appear there any more.
func (l *loader) settle() {
	const settle = "ECTICKET_SETTLE_AFTER"
	if baseurl.OnThisMachine(l.cfg.ECTicket.BaseURL) { // a simulator's window is its owner's choice
		l.longer("ECTICKET_TIMEOUT", settle, "an order may appear as long as its call is under way")
	} else if l.usable(settle) && l.duration(settle) <= ecticketWindow {
		l.wrong(settle, "is %s; it must be longer than the validity of a request (%s): until then ECPay may still accept a delayed request",
			l.duration(settle), ecticketWindow)
	}
}

// slowest is the variable of the longer of the providers' timeouts.
func (l *loader) slowest() string {
	const e, p = "ECTICKET_TIMEOUT", "PASS2U_TIMEOUT"
	if !l.usable(e) || l.usable(p) && l.duration(p) > l.duration(e) {
		return p
	}
	return e
}

// longer wants b to be longer than a.
func (l *loader) longer(a, b, why string) {
	if l.usable(a, b) && l.duration(b) <= l.duration(a) {
		l.wrong(b, "is %s; it must be longer than %s (%s): %s", l.duration(b), a, l.duration(a), why)
	}
}

// notShorter wants b to be at least as long as a.
func (l *loader) notShorter(a, b string) {
	if l.usable(a, b) && l.duration(b) < l.duration(a) {
		l.wrong(b, "is %s; it must not be shorter than %s (%s)", l.duration(b), a, l.duration(a))
	}
}
