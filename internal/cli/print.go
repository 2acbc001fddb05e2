package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"issuance/internal/cli/table"
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

func (a *app) printTable(t *table.Table) error {
	_, err := t.WriteTo(a.out)
	return written(err)
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
	return a.print("%s\n", strings.TrimRight(table.Clean(fmt.Sprintf("%s  %s  %s  %s", a.time(at), what, event, detail)), " "))
}

// timeFormat is shown in the zone of this machine.
const timeFormat = "2006-01-02 15:04:05"

func (a *app) time(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(a.zone).Format(timeFormat)
}

func (a *app) timeAt(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return a.time(*t)
}

// count is "1 order", "2 orders".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
