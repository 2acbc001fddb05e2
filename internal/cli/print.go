package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"issuance/internal/cli/table"
	"issuance/providers"
	"issuance/tasks"
)

// printJSON prints v as one line.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return written(enc.Encode(v))
}

// print prints lines to standard output.
func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format, args...)
	return written(err)
}

// line prints cells beside one another, or below one another where the terminal is too narrow.
func (a *app) line(cell ...string) error { return a.print("%s\n", table.Line(a.width, cell...)) }

// text prints a line that goes on below itself where the terminal is too narrow.
func (a *app) text(format string, args ...any) error {
	return a.print("%s\n", strings.Join(table.Fold(fmt.Sprintf(format, args...), a.width), "\n"))
}

// printTable prints a table that fits the terminal.
func (a *app) printTable(t *table.Table) error {
	t.Width = a.width
	_, err := t.WriteTo(a.out)
	return written(err)
}

// printEntry prints a heading and what is to be said below it. gap keeps it apart from what was printed before.
func (a *app) printEntry(gap bool, heading string, f *fields) error {
	if gap {
		if err := a.print("\n"); err != nil {
			return err
		}
	}
	if err := a.text("%s", heading); err != nil {
		return err
	}
	return a.printTable(&f.Table)
}

// errOutput says that the output cannot be written.
var errOutput = errors.New("the output cannot be written")

func written(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return nil
}

// printStep prints one thing that happened to an order or a refund.
func (a *app) printStep(at time.Time, what, event, detail string) error {
	return a.line(a.time(at), what, event, detail)
}

// Times are shown in the zone of this machine, with its offset. JSON holds RFC 3339 in UTC.
const (
	timeFormat  = "2006-01-02 15:04:05-07:00"
	clockFormat = "15:04:05-07:00"
)

func (a *app) time(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(a.zone).Format(timeFormat)
}

// timeAt is "" for what has not happened.
func (a *app) timeAt(t *time.Time) string {
	if t == nil {
		return ""
	}
	return a.time(*t)
}

// refLine names an order or a refund in JSON.
type refLine struct {
	Provider providers.Name `json:"provider"`
	Account  tasks.Account  `json:"account"`
	OrderID  string         `json:"order_id"`
	RefundID string         `json:"refund_id,omitempty"`
}

func lineOf(r tasks.Ref) refLine {
	return refLine{Provider: r.Account.Provider, Account: r.Account, OrderID: r.OrderID, RefundID: r.RefundID}
}

// stamp is a time in JSON; nil for what has not happened.
func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// count is "1 order", "2 orders".
func count(n int, noun string) string { return counted(int64(n), noun) }

func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// fields is a table of names and values in which empty values are left out.
type fields struct{ table.Table }

func (f *fields) row(name, value string) {
	if value != "" {
		f.Row(name, value)
	}
}
