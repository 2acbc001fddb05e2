package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

const root = ".."

// documents are the repository's, by path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.ToSlash(name)] = read(t, f)
		}
	}
	if len(out) < 10 {
		t.Fatalf("only %d documents were found", len(out))
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is the part of a document under a heading, up to the next one of the same or a higher level.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n"+heading+"\n")
	if !found {
		t.Fatalf("no heading %q", heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	for n := len(level); n > 1; n-- {
		rest, _, _ = strings.Cut(rest, "\n"+strings.Repeat("#", n)+" ")
	}
	return rest
}

var firstCell = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// rows are the code in the first cell of each row of a section's tables.
func rows(text string) (cells []string) {
	for _, m := range firstCell.FindAllStringSubmatch(text, -1) {
		cells = append(cells, m[1])
	}
	return cells
}

// same compares what a document lists with what there is, each once.
func same(t *testing.T, what string, listed, there []string) {
	t.Helper()
	listed, there = slices.Sorted(slices.Values(listed)), slices.Sorted(slices.Values(there))
	for _, name := range there {
		if n := count(listed, name); n != 1 {
			t.Errorf("%s: %s is listed %d times", what, name, n)
		}
	}
	for _, name := range listed {
		if !slices.Contains(there, name) {
			t.Errorf("%s: %s is listed and does not exist", what, name)
		}
	}
}

func count(list []string, name string) (n int) {
	for _, s := range list {
		if s == name {
			n++
		}
	}
	return n
}

// The README fits on a page or two.
func TestTheReadmeIsShort(t *testing.T) {
	if n := len(read(t, "../README.md")); n > 8192 {
		t.Errorf("README.md has %d bytes, more than 8192", n)
	}
}

// The runbook explains every code of the product, once, and no other.
func TestTheRunbookHasEveryCode(t *testing.T) {
	var codes []string
	for _, c := range order.Codes() {
		codes = append(codes, string(c.Code))
	}
	if len(codes) < 30 {
		t.Fatalf("only %d codes", len(codes))
	}
	same(t, "runbook", rows(section(t, read(t, "runbook.md"), "## Codes")), codes)
}

var (
	diagram    = regexp.MustCompile("(?s)```mermaid\nstateDiagram-v2\n(.*?)```")
	transition = regexp.MustCompile(`(?m)^ +(\S+) --> (\w+)(?:: (\w+))?`)
)

// drawn are the states of a diagram, each once.
func drawn(text string) (states []string) {
	for _, m := range transition.FindAllStringSubmatch(text, -1) {
		for _, s := range m[1:3] {
			if s != "[*]" && !slices.Contains(states, s) {
				states = append(states, s)
			}
		}
	}
	return states
}

// ends are the states that a script draws arrows to from a state.
func ends(text, from, script string) (to []string) {
	for _, m := range transition.FindAllStringSubmatch(text, -1) {
		if m[1] == from && m[3] == script {
			to = append(to, m[2])
		}
	}
	return to
}

// checkEnds compares the ends that a diagram draws with those that the ledger takes.
func checkEnds(t *testing.T, what, text string, r order.Ref, states []order.State) {
	t.Helper()
	var finished, resolved []string
	for _, s := range states {
		if !ledger.CanEnd(r, s) || s == order.Cancelled {
			continue
		}
		finished = append(finished, string(s))
		if s.Settled() {
			resolved = append(resolved, string(s))
		}
	}
	same(t, what+": finish", ends(text, "submitting", "finish"), finished)
	same(t, what+": resolve", ends(text, "review", "resolve"), resolved)
}

func names(states []order.State) (out []string) {
	for _, s := range states {
		out = append(out, string(s))
	}
	return out
}

// The diagrams draw every state, and the table explains it.
func TestTheDiagramsHaveEveryState(t *testing.T) {
	states := section(t, read(t, "architecture.md"), "## States")
	diagrams := diagram.FindAllStringSubmatch(states, -1)
	if len(diagrams) != 2 {
		t.Fatalf("%d diagrams", len(diagrams))
	}
	same(t, "diagram of orders", drawn(diagrams[0][1]), names(order.OrderStates()))
	same(t, "diagram of refunds", drawn(diagrams[1][1]), names(order.RefundStates()))
	o := order.Ref{OrderID: "ORDER"}
	checkEnds(t, "diagram of orders", diagrams[0][1], o, order.OrderStates())
	checkEnds(t, "diagram of refunds", diagrams[1][1], o.Refund("REFUND"), order.RefundStates())
	all := names(order.OrderStates())
	for _, s := range names(order.RefundStates()) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	same(t, "table of states", rows(states), all)

	short := diagram.FindStringSubmatch(read(t, "../README.md"))
	if short == nil {
		t.Fatal("the README has no diagram")
	}
	same(t, "diagram of the README", drawn(short[1]), names(order.OrderStates()))
}

// Each script of the ledger is in the table.
func TestTheScriptsAreListed(t *testing.T) {
	files, err := filepath.Glob("../internal/ledger/scripts/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	var scripts []string
	for _, f := range files {
		scripts = append(scripts, strings.TrimSuffix(filepath.Base(f), ".lua"))
	}
	same(t, "table of scripts", rows(section(t, read(t, "architecture.md"), "## Scripts")), scripts)
}
