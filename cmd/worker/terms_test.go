package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/testredis"
	"issuance/providers"
)

// Two workers whose files name different allowances for an account call it under one of them: that of the file which was changed last.
// When the other file follows, all is as both say.
func TestWorkersWhoseFilesDifferGoByOneAllowance(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	h.accounts(houseA, houseB)
	rename := func(file, allowance string) {
		text := "accounts:\n"
		for i, m := range []string{houseA, houseB} {
			key := map[string]string{houseA: "key", houseB: "key_b"}[m]
			text += "- provider: ecticket\n  account: \"" + m + "\"\n  base_url: " + h.urls[m] + "\n  allowance: " + allowance +
				"\n  calls_per_second: 100\n  hash_key_file: " + filepath.Join(h.dir, key) + "\n  hash_iv_file: " + filepath.Join(h.dir, "iv") + "\n"
			if i == 0 {
				text += "  default: true\n"
			}
		}
		h.write(file, text)
	}
	rename("accounts.yaml", "before")
	rename("second.yaml", "before")
	first := start(t, h.env)
	first.sees(first.err, `"serving"`)
	env := map[string]string{}
	for name, value := range h.env {
		env[name] = value
	}
	env["ISSUANCE_ACCOUNTS_FILE"] = filepath.Join(h.dir, "second.yaml")
	second := start(t, env)
	second.sees(second.err, `"serving"`)
	inForce := func() string {
		list, err := budget.Announced(t.Context(), h.redis.Client())
		if err != nil || len(list) != 2 || list[0].Allowance != list[1].Allowance {
			t.Fatal(list, err)
		}
		return list[0].Allowance
	}

	rename("second.yaml", "after")
	second.sees(second.err, `account changed[^\n]+`+houseB)
	first.sees(first.err, `another worker has announced other terms[^\n]+`+houseB+`[^\n]+"allowance":"after"`)
	first.sees(first.err, `account changed[^\n]+`+houseB)
	c := h.client()
	h.enqueue(c, h.order(houseB, "T1"))
	h.issued(c, houseB, "T1")
	if a := inForce(); a != "after" {
		t.Errorf("in force is %q", a)
	}
	rename("accounts.yaml", "third")
	second.sees(second.err, `another worker has announced other terms[^\n]+`+houseB+`[^\n]+"allowance":"third"`)
	if a := inForce(); a != "third" {
		t.Errorf("in force is %q", a)
	}
}

// Files that differ are an alarm once the time is over that a change takes to reach all workers; a file that is changed again is in force
// itself.
func TestFilesThatGoOnDifferingAreAnAlarm(t *testing.T) {
	s := testredis.Start(t)
	var log bytes.Buffer
	name := accountAt(houseA)
	terms := terms{rdb: s.Client(), log: slog.New(slog.NewTextHandler(&log, nil)), other: map[providers.Account]*otherTerms{},
		backers: func(context.Context) (map[providers.Account]backing, error) {
			return map[providers.Account]backing{name: backed}, nil
		}}
	own := config.Account{Name: name, Allowance: "own", CallsPerSecond: 4}
	served := func(c config.Account) *accounts {
		b, err := budget.New(s.Client(), budget.Config{Account: name, Allowance: c.Allowance, PerSecond: c.CallsPerSecond})
		if err != nil {
			t.Fatal(err)
		}
		return accountsOf([]*account{{Account: c, budget: b}})
	}
	announce := func(c config.Account) {
		if err := served(c).all[0].budget.Announce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	look := func(now *accounts, file config.Account) config.Account {
		terms.read(t.Context(), now, []config.Account{file})
		terms.report(t.Context())
		return terms.apply([]config.Account{file})[0]
	}
	announce(own)
	if got := look(served(own), own); got.Allowance != "own" {
		t.Fatalf("%+v", got)
	}
	announce(config.Account{Name: name, Allowance: "other", CallsPerSecond: 2})
	got := look(served(own), own)
	if got.Allowance != "other" || got.CallsPerSecond != 2 || strings.Contains(log.String(), "alarm") {
		t.Fatalf("%+v, %s", got, &log)
	}
	terms.other[name].since = time.Now().Add(-2 * spread)
	for range 2 {
		if got = look(served(got), own); got.Allowance != "other" {
			t.Fatalf("%+v", got)
		}
	}
	if n := strings.Count(log.String(), "alarm: another worker was given other allowances"); n != 1 {
		t.Errorf("%d alarms: %s", n, &log)
	}
	changed := config.Account{Name: name, Allowance: "own", CallsPerSecond: 8}
	if got = look(served(got), changed); got.Allowance != "own" || got.CallsPerSecond != 8 {
		t.Errorf("the file was changed: %+v", got)
	}
	// The other file follows: there is nothing to report.
	announce(own)
	announce(changed)
	terms.again()
	if look(served(changed), changed); len(terms.other) != 0 {
		t.Errorf("%+v", terms.other)
	}
}
