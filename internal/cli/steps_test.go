package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/budget"
	"issuance/internal/ledger"
	"issuance/internal/operate"
	"issuance/providers"
	"issuance/tasks"
)

func TestOnlyWhatIsNewIsPrinted(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	a, b, c := ledger.Step{At: at(1), Event: "a"}, ledger.Step{At: at(2), Event: "b"}, ledger.Step{At: at(3), Event: "c"}
	gap := ledger.Step{Event: "…"}
	for name, c := range map[string]struct {
		history []ledger.Step
		last    ledger.Step
		want    []ledger.Step
	}{
		"all at first":                     {[]ledger.Step{a, b}, ledger.Step{}, []ledger.Step{a, b}},
		"nothing":                          {nil, ledger.Step{}, nil},
		"the rest":                         {[]ledger.Step{a, b, c}, a, []ledger.Step{b, c}},
		"nothing new":                      {[]ledger.Step{a, b}, b, []ledger.Step{}},
		"the last of equal ones":           {[]ledger.Step{a, b, b, c}, b, []ledger.Step{c}},
		"the last one printed is gone":     {[]ledger.Step{a, gap, c}, b, []ledger.Step{c}},
		"everything since is gone as well": {[]ledger.Step{a, gap}, b, nil},
	} {
		if diff := cmp.Diff(c.want, newSteps(c.history, c.last)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// refs of both providers, orders and refunds.
func refsOfAll() []tasks.Ref {
	var out []tasks.Ref
	for _, p := range providers.All() {
		r := tasks.Ref{Account: tasks.Account{Provider: p, Merchant: "m1"}, OrderID: "O1"}
		out = append(out, r, r.Refund("R1"))
	}
	return out
}

func TestEveryReviewSaysWhatToCheckAndHowToEndIt(t *testing.T) {
	for _, r := range refsOfAll() {
		for _, planned := range []int{0, 3} {
			rec := &ledger.Record{Ref: r, Attempts: 2, Unsent: 1, Count: planned, Baseline: planned - 1}
			text := whatToCheck(rec, nil)
			for _, part := range append(names(operate.Ends(r)), "O1") {
				if !strings.Contains(text, part) {
					t.Errorf("%s: %q is not in: %s", r, part, text)
				}
			}
			if !strings.Contains(text, late+" after it was last sent") {
				t.Errorf("%s: a request may still be under way: %s", r, text)
			}
			rec.Attempts = 1
			if text := whatToCheck(rec, nil); !strings.Contains(text, "nothing of it was ever sent") || !strings.Contains(text, "failed") {
				t.Errorf("never sent: %s", text)
			}
		}
	}
	// A number that another order has: that an order is there says nothing.
	r := refsOfAll()[0]
	unrecorded := whatToCheck(&ledger.Record{Ref: r.Refund("R1"), Reason: ledger.Reason{Code: "unrecorded_refunds"}}, nil)
	if !strings.Contains(unrecorded, ": refunded") || !strings.Contains(unrecorded, "enqueue retry") || strings.Contains(unrecorded, "ever sent") {
		t.Errorf("of refunds that no record explains: %q", unrecorded)
	}
	for code, want := range map[string]string{"unrecorded_refunds": "enqueue retry ecticket:m1 O1 --refund R1 --reason 'who refunded them'", "in_doubt": "", "number_taken": ""} {
		rec := &ledger.Record{Ref: r.Refund("R1"), Attempts: 1, Reason: ledger.Reason{Code: code}}
		if got := howToRetry(rec); got != want {
			t.Errorf("%s: got  %s\nwant %s", code, got, want)
		}
	}
	taken := whatToCheck(&ledger.Record{Ref: r, Attempts: 1, Reason: ledger.Reason{Code: "number_taken"}}, nil)
	if !strings.Contains(taken, "find out whose order O1") || strings.Contains(taken, "It is there, with") {
		t.Error(taken)
	}
	if got, want := howToResolve(r.Refund("R1")),
		"enqueue resolve ecticket:m1 O1 --refund R1 --as 'refunded|partially_refunded|failed' --reason 'what you found'"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every error has its code and its exit code, however it is wrapped.
func TestEveryErrorHasItsCode(t *testing.T) {
	r := refsOfAll()[0]
	for _, c := range []struct {
		err  error
		code string
		exit int
	}{
		{usagef("x"), "usage", Wrong},
		{badInput("x"), "invalid", Wrong},
		{&providers.InvalidError{Violations: []providers.Violation{{Path: "request"}}}, "invalid", Wrong},
		{&tasks.UnknownAccountError{Account: r.Account}, "unknown_account", Wrong},
		{budget.ErrNotAnnounced, "unknown_account", Wrong},
		{&tasks.ConflictError{Ref: r, State: tasks.Queued}, "conflict", Conflict},
		{tasks.ErrUnknownOrder, "unknown", Unknown},
		{ledger.ErrNotFound, "unknown", Unknown},
		{&unreachableError{io.EOF}, "unreachable", Unreachable},
		{tasks.ErrWrongKeys, "wrong_keys", CouldNot},
		{&tasks.NotCancellableError{Ref: r, State: tasks.Submitting}, "not_cancellable", CouldNot},
		{&tasks.NotErasableError{Ref: r, State: tasks.Review}, "not_erasable", CouldNot},
		{notInReview(r, tasks.Issued, "resolved"), "not_in_review", CouldNot},
		{notInReview(r, "", "resolved"), "unknown", Unknown},
		{coded("timeout", "x"), "timeout", CouldNot},
		{io.EOF, "unreachable", Unreachable},
		{errors.New("x"), "failed", CouldNot},
		{&fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}, "failed", CouldNot},
	} {
		for _, err := range []error{c.err, fmt.Errorf("tasks: %w", c.err)} {
			if p := explain(err); p.Code != c.code || p.exit() != c.exit {
				t.Errorf("%v: %s, exit code %d; want %s, %d", err, p.Code, p.exit(), c.code, c.exit)
			}
			if !strings.Contains(exitHelp(), c.code) {
				t.Errorf("--help does not name code %s", c.code)
			}
		}
	}
}

// Of many failures, Redis being away is what counts; otherwise a common reason, or none.
func TestTheExitCodeOfManyFailures(t *testing.T) {
	for _, c := range []struct {
		exits []int
		want  int
	}{{[]int{3, 3}, 3}, {[]int{3, 4}, 1}, {[]int{4, 3, 4}, 1}, {[]int{3, 5}, 5}, {[]int{5, 3}, 5}, {[]int{1}, 1}} {
		var f failures
		for _, exit := range c.exits {
			f.count(exit)
		}
		var reported *reportedError
		if !errors.As(f.err(), &reported) || reported.exit != c.want {
			t.Errorf("%v: %v, want %d", c.exits, f.err(), c.want)
		}
	}
	if err := new(failures).err(); err != nil {
		t.Error(err)
	}
}

// What is done side by side is shown in its order, and nothing is begun after the end.
func TestThingsDoneSideBySideAreShownInOrder(t *testing.T) {
	var shown []int
	done, err := inOrder(200, func(i int) int { return 2 * i }, func(i, r int) error {
		if r != 2*i {
			t.Errorf("%d: %d", i, r)
		}
		shown = append(shown, i)
		return nil
	}, func() bool { return len(shown) < 2*chunk })
	if err != nil || done != 2*chunk || len(shown) != done || !slices.IsSorted(shown) {
		t.Errorf("%d done, %d shown, %v", done, len(shown), err)
	}
}

// A list that is short is sorted, the newest first, and each record is in it once; of a long one with
// a limit the newest are kept; a long one without a limit is printed as it comes.
func TestListsAreSortedWhileTheyAreShort(t *testing.T) {
	at := func(i int) ledger.Found {
		return ledger.Found{Ref: tasks.Ref{Account: tasks.Account{Provider: "p", Merchant: "m"}, OrderID: fmt.Sprintf("O%05d", i)}, State: tasks.Queued, CreatedAt: time.UnixMilli(int64(i)).UTC()}
	}
	for _, c := range []struct{ n, limit, lines int }{{900, 0, 900}, {5000, 10, 10}, {5000, 0, 5000}} {
		var out bytes.Buffer
		l := lister{app: &app{out: &out, err: io.Discard, zone: time.UTC}, limit: c.limit, seen: map[tasks.Ref]bool{}}
		for i := range c.n {
			if err := l.add([]ledger.Found{at(i * 7919 % c.n)}); err != nil {
				t.Fatal(err)
			}
		}
		if l.stream != (c.limit == 0 && c.n > sortedList) {
			t.Fatalf("%+v: streams %t", c, l.stream)
		}
		if held := len(l.found); held > max(sortedList, 2*c.limit) {
			t.Errorf("%+v: holds %d records", c, held)
		}
		if l.stream {
			if n := strings.Count(out.String(), "\n"); n != c.lines {
				t.Errorf("%+v: %d lines", c, n)
			}
			continue
		}
		if err := l.add([]ledger.Found{at(c.n - 1)}); err != nil { // once more, as SCAN may show it
			t.Fatal(err)
		}
		l.newest()
		if len(l.found) != c.lines || l.found[0].OrderID != at(c.n-1).OrderID || l.more != c.n-c.lines {
			t.Errorf("%+v: %d found, the first is %s, %d left out", c, len(l.found), l.found[0].OrderID, l.more)
		}
		if !slices.IsSortedFunc(l.found, func(x, y ledger.Found) int { return y.CreatedAt.Compare(x.CreatedAt) }) {
			t.Errorf("%+v: not sorted", c)
		}
	}
}

// The groups of states by which the console lists are those of the command line, too.
func TestListsAreAskedForByGroupsOfStates(t *testing.T) {
	for text, want := range map[string][]tasks.State{
		"open":          {tasks.Queued, tasks.Submitting, tasks.Accepted},
		"ended":         {tasks.Issued, tasks.Failed, tasks.Cancelled, tasks.Refunded, tasks.PartiallyRefunded},
		"open,review":   {tasks.Queued, tasks.Submitting, tasks.Accepted, tasks.Review},
		"queued,issued": {tasks.Queued, tasks.Issued},
	} {
		q, err := (&app{zone: time.UTC}).query(listFlags{states: strings.Split(text, ",")})
		slices.Sort(want)
		slices.Sort(q.States)
		if err != nil || !slices.Equal(q.States, want) {
			t.Errorf("%s: %v, %v", text, q.States, err)
		}
	}
}
