package console

import (
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"

	"issuance/internal/ledger"
	"issuance/internal/operate"
	"issuance/tasks/order"
)

// timeFormat shows a time with its zone.
const timeFormat = "2006-01-02 15:04:05 -07:00"

// When is a time with its zone and how long ago it was; console.js keeps the latter true.
func (v *view) When(t any) template.HTML {
	var at time.Time
	switch t := t.(type) {
	case time.Time:
		at = t
	case *time.Time:
		if t != nil {
			at = *t
		}
	}
	if at.IsZero() {
		return template.HTML(`<span class="none">` + template.HTMLEscapeString(v.T("none")) + `</span>`)
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s <span class="ago">%s</span></time>`,
		at.UTC().Format(time.RFC3339), at.In(v.visit.Zone).Format(timeFormat), template.HTMLEscapeString(v.visit.lang.relative(at.Sub(v.visit.Now())))))
}

// EndedAt is when a record came to its end, or since when it needs review.
func (v *view) EndedAt(r ledger.Found) template.HTML {
	if since := reviewAt(r); !since.IsZero() {
		return template.HTML(`<span class="sub">`+template.HTMLEscapeString(v.T("review.since"))+`</span> `) + v.When(since)
	}
	return v.When(r.FinalAt)
}

// relative is a distance of time in words, as Intl.RelativeTimeFormat has it.
func (l Lang) relative(d time.Duration) string {
	units := []struct {
		of   time.Duration
		name [2]string
	}{{24 * time.Hour, [2]string{"天", "day"}}, {time.Hour, [2]string{"小時", "hour"}}, {time.Minute, [2]string{"分鐘", "minute"}}, {time.Second, [2]string{"秒", "second"}}}
	away := d.Abs()
	u := units[len(units)-1]
	for _, unit := range units {
		if away >= unit.of {
			u = unit
			break
		}
	}
	n := int(away / u.of)
	switch {
	case l == Chinese && d < 0:
		return fmt.Sprintf("%d %s前", n, u.name[l])
	case l == Chinese:
		return fmt.Sprintf("%d %s後", n, u.name[l])
	}
	name := u.name[l]
	if n != 1 {
		name += "s"
	}
	if d < 0 {
		return fmt.Sprintf("%d %s ago", n, name)
	}
	return fmt.Sprintf("in %d %s", n, name)
}

// State is a state as a badge.
func (v *view) State(s any) template.HTML {
	name := fmt.Sprint(s)
	return template.HTML(fmt.Sprintf(`<span class="badge %s">%s</span>`, badge(name), template.HTMLEscapeString(v.visit.lang.or("state.", name))))
}

// badge is the class of a state's badge.
func badge(state string) string {
	switch order.State(state) {
	case order.Issued, order.Refunded:
		return "good"
	case order.Failed:
		return "bad"
	case order.Review, order.PartiallyRefunded:
		return "warn"
	case order.Cancelled:
		return "off"
	}
	return "busy"
}

// Number is a number with its thousands.
func (v *view) Number(n any) string { return thousands(fmt.Sprint(n)) }

func thousands(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Or is a text of words with a prefix, or the text itself where there is none.
func (v *view) Or(prefix string, name any) string { return v.visit.lang.or(prefix, fmt.Sprint(name)) }

// Shape puts the public description of a document into one line.
func (v *view) Shape(raw json.RawMessage) string { return operate.Shape(raw) }

// printable leaves out of a text what is not printed in one line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, text)
}

// Why says why a job skipped records.
func (v *view) Why(why string) string {
	if strings.HasPrefix(why, "job.note.") {
		return v.T(why)
	}
	return v.T("job.note.state", v.visit.lang.or("state.", why))
}

// Note says why a job skipped a record, and who was faster.
func (v *view) Note(n note) string {
	if n.Who == "" {
		return v.Why(n.Why)
	}
	return v.T("job.note.by", v.Why(n.Why), n.Who, v.visit.lang.decided(n.What), v.visit.clock(n.At))
}

// Record is the record that a note is about, zero where it cannot be read.
func (n note) Record() order.Ref {
	r, _ := order.ParseRef(n.Ref)
	return r
}
