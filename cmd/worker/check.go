package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"issuance/internal/config"
	"issuance/internal/plain"
	"issuance/internal/queue"
	"issuance/internal/sandbox"
	"issuance/internal/thismachine"
	"issuance/providers"
	"issuance/tasks/order"
)

// lane is one queue to serve.
type lane struct {
	provider providers.Name
	lane     order.Lane
}

func (l lane) queue() string { return queue.Name(l.provider, l.lane) }

// settings are checked flags and environment.
type settings struct {
	flags
	config.Config
	env     map[string]string // what Config was read from
	ignored []string          // variables that a sandbox replaced
	lanes   []lane
	limits  []providers.Account // of --accounts; empty for all
}

// check reads flags and environment and reports every mistake of both, as a *config.Error.
func check(f flags, env map[string]string) (settings, error) {
	s := settings{flags: f, env: maps.Clone(env)}
	if s.env == nil {
		s.env = map[string]string{}
	}
	needs := []config.Need{config.NeedRedis, config.NeedSealKeys, config.NeedProvider}
	if f.sandbox {
		s.env, s.ignored = sandbox.Environment(env)
		needs = nil // it brings its own
	}
	var wrong config.Error
	if f.httpAddr != "" {
		s.env["WORKER_HTTP_ADDR"] = f.httpAddr
	}
	cfg, err := config.Load(s.env, needs...)
	var fromEnv *config.Error
	if errors.As(err, &fromEnv) {
		wrong.Mistakes = fromEnv.Mistakes
	} else if err != nil {
		return s, err
	}
	s.Config = cfg
	mistake := func(name, format string, a ...any) {
		wrong.Mistakes = append(wrong.Mistakes, config.Mistake{Variable: name, Text: fmt.Sprintf(format, a...)})
	}
	s.checkSandbox(mistake)
	s.checkAccounts(fromEnv == nil, mistake)
	s.checkQueues(fromEnv == nil, mistake)
	if addr := s.env["WORKER_HTTP_ADDR"]; f.uiWrite && addr != "" && !loopback(addr) {
		mistake("--ui-write", "needs an address that only this machine reaches, such as 127.0.0.1:8080 (WORKER_HTTP_ADDR is %s): "+
			"the web UI has no login of its own; put a proxy with a login on this machine before it, or reach it by ssh -L", addr)
	}
	if len(wrong.Mistakes) > 0 {
		return s, &wrong
	}
	return s, nil
}

func (s *settings) checkSandbox(mistake func(name, format string, a ...any)) {
	if !s.sandbox {
		for _, name := range s.sandboxOnly {
			mistake(name, "is for a sandbox: use it with --sandbox")
		}
		return
	}
	if s.demo < 0 || s.demo > sandbox.MaxDemo {
		mistake("--demo", "is %d; write a number from 0 to %d", s.demo, sandbox.MaxDemo)
	}
	if s.once && s.demo == 0 {
		mistake("--once", "waits for the demo's orders, and --demo 0 has none; leave one of the two out")
	}
	if s.jobEvery < 100*time.Millisecond || s.jobEvery > time.Hour {
		mistake("--sandbox-job-every", "is %s; write a time from 100ms to 1h", s.jobEvery)
	}
	if s.noticesEvery != 0 && (s.noticesEvery < time.Second || s.noticesEvery > 24*time.Hour) {
		mistake("--sandbox-notices-every", "is %s; write a time from 1s to 24h", s.noticesEvery)
	}
	for _, sim := range []struct{ name, addr string }{{"--sandbox-ecticket-addr", s.ecticketAddr}, {"--sandbox-pass2u-addr", s.pass2uAddr}} {
		if sim.addr != "" && !loopback(sandbox.Reachable(sim.addr)) {
			mistake(sim.name, "is %q; write host:port of this machine, such as 127.0.0.1:9301, or :9301 for every interface", sim.addr)
		}
	}
}

// checkAccounts reads --accounts. Of accounts that are not configured, some may have left the file: the others must not wait
// for that.
func (s *settings) checkAccounts(configured bool, mistake func(name, format string, a ...any)) {
	if s.accountsGiven && len(s.flags.only) == 0 {
		mistake("--accounts", "is empty; write for example ecticket:2000132,pass2u:main")
	}
	var absent []providers.Account
	for _, text := range s.flags.only {
		a, err := providers.ParseAccount(text)
		if err != nil {
			mistake("--accounts", "has %q: %v", text, err)
			continue
		}
		s.limits = append(s.limits, a)
		if configured && !slices.ContainsFunc(s.Callable(), func(c config.Account) bool { return a.Covers(c.Name) }) {
			absent = append(absent, a)
		}
	}
	for _, a := range absent {
		if len(absent) == len(s.limits) {
			mistake("--accounts", "has %s, which is not configured; there are %s", a, accountNames(s.Callable(), a))
			continue
		}
		s.Warnings = append(s.Warnings, fmt.Sprintf("--accounts has %s, which is not configured; there are %s. It is served once it is, the others are now", a, accountNames(s.Callable(), a)))
	}
}

// accountNames lists the accounts of the provider of a name that is none of them, or all where there are none of it.
func accountNames(list []config.Account, not providers.Account) string {
	var all, same []string
	for _, a := range list {
		all = append(all, a.Name.String())
		if a.Name.Provider == not.Provider {
			same = append(same, a.Name.String())
		}
	}
	if len(same) > 0 {
		all = same
	}
	return plain.Choices(all, not.String())
}

// mine are the accounts that this worker serves, of all that are configured.
func (s *settings) mine(all []config.Account) (out []config.Account) {
	for _, a := range all {
		limited := len(s.limits) > 0 && !slices.ContainsFunc(s.limits, func(o providers.Account) bool { return o.Covers(a.Name) })
		if a.Configured() && !limited {
			out = append(out, a)
		}
	}
	return out
}

// mayServe reports whether --queues leaves a lane to this worker.
func (s *settings) mayServe(l lane) bool {
	return len(s.queues) == 0 || slices.Contains(s.queues, l.queue())
}

// checkQueues finds out which queues to serve.
func (s *settings) checkQueues(configured bool, mistake func(name, format string, a ...any)) {
	var known []string
	for _, p := range providers.All() {
		served := slices.ContainsFunc(s.mine(s.Accounts), func(a config.Account) bool { return a.Name.Provider == p })
		for _, l := range order.Lanes() {
			q := lane{p, l}
			known = append(known, q.queue())
			if configured && !served && slices.Contains(s.queues, q.queue()) {
				mistake("--queues", "has %s, but no account of %s is served here: set %s, or name one in ISSUANCE_ACCOUNTS_FILE", q.queue(), p, strings.Join(config.Needs(p), ", "))
			}
			if served && s.mayServe(q) {
				s.lanes = append(s.lanes, q)
			}
		}
	}
	for _, name := range s.queues {
		if !slices.Contains(known, name) {
			mistake("--queues", "has %q, which is no queue; there are %s", name, strings.Join(known, ", "))
		}
	}
	if s.queuesGiven && len(s.queues) == 0 {
		mistake("--queues", "is empty; there are %s", strings.Join(known, ", "))
	}
	if s.sandbox && s.once && s.demo > 0 && len(s.lanes) > 0 && !slices.ContainsFunc(providers.All(), s.demonstrates) {
		mistake("--once", "waits for the demo's orders, and --queues leaves no provider its checkout and its poll queue")
	}
}

// demonstrates reports whether the demo's orders of a provider can end: both their queues are served.
func (s *settings) demonstrates(p providers.Name) bool {
	return s.serves(p, order.Checkout) && s.serves(p, order.Poll)
}

// serves reports whether a lane is among those to serve.
func (s *settings) serves(p providers.Name, l order.Lane) bool {
	return slices.Contains(s.lanes, lane{p, l})
}

// loopback reports whether only this machine reaches an address.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && thismachine.Named(host)
}
