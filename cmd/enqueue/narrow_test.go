package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/rogpeppe/go-internal/testscript"
)

// narrowest is how many cells the narrowest terminal has that output is made for.
const narrowest = 60

// onlyReads reports whether a command prints for people, changes nothing and calls no provider, so that it can be given twice.
func onlyReads(args []string) bool {
	readers := []string{"accounts", "budget", "history", "list", "review", "status", "tickets", "webhooks list", "webhooks deliveries"}
	command := strings.Join(args[:min(len(args), 2)], " ")
	reads := slices.ContainsFunc(readers, func(r string) bool { return command == r || strings.HasPrefix(command, r+" ") })
	return reads && !slices.ContainsFunc(args, func(a string) bool { return slices.Contains([]string{"-", "--json", "--refresh", "--help"}, a) })
}

// narrow args… runs `enqueue args…` and wants its output to fit a narrow terminal, whatever the exit code is.
func (w *world) narrow(ts *testscript.TestScript, _ bool, args []string) {
	fitsNarrowTerminal(ts, args)
}

// fitsNarrowTerminal gives a command on a narrow terminal. Only what is copied (a command, a URL) and single words are longer.
func fitsNarrowTerminal(ts *testscript.TestScript, args []string) {
	before := ts.Getenv("COLUMNS")
	ts.Setenv("COLUMNS", strconv.Itoa(narrowest))
	defer ts.Setenv("COLUMNS", before)
	_ = ts.Exec("enqueue", args...) // the script says how it has to end
	for _, output := range []string{"stdout", "stderr"} {
		for line := range strings.Lines(ts.ReadFile(output)) {
			line = strings.TrimRight(line, "\n")
			words := strings.Fields(line)
			copied := len(words) == 1 || len(words) > 1 && words[0] == "then" && words[1] == "enqueue" || strings.Contains(line, "https://")
			if n := runewidth.StringWidth(line); n > narrowest && !copied {
				ts.Fatalf("%v at %d columns: a line of %d cells: %s", args, narrowest, n, line)
			}
		}
	}
}
