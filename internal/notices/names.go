package notices

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Names is what the text of a notice names, as far as can be guessed: the fields of notices are not documented.
type Names struct {
	// Orders may be an order's number, or the provider's own id of one: every short word or number anywhere in it.
	Orders []string
	// Tickets may be a ticket's number: the values of fields that are called so, and others of such a form.
	Tickets []string
}

// mostNames bounds what is taken from one notice.
const mostNames = 500

var (
	orderForm   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	ticketForm  = regexp.MustCompile(`^[A-Za-z0-9]{1,16}$`)
	ticketShape = regexp.MustCompile(`^[A-Za-z0-9]{16}$`)
	ticketField = regexp.MustCompile(`(?i)^ticket_?no`)
)

// Read finds what a notice names, at any depth. Text that is no JSON names nothing.
func Read(text []byte) Names {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return Names{}
	}
	var n Names
	n.walk("", v)
	return n
}

func (n *Names) walk(field string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			n.walk(name, v[name])
		}
	case []any:
		for _, value := range v {
			n.walk(field, value)
		}
	case string:
		n.add(field, strings.TrimSpace(v))
	case json.Number:
		n.add(field, v.String())
	}
}

func (n *Names) add(field, value string) {
	add(&n.Orders, value, orderForm.MatchString(value))
	add(&n.Tickets, value, ticketShape.MatchString(value) || ticketField.MatchString(field) && ticketForm.MatchString(value))
}

func add(list *[]string, value string, fits bool) {
	if fits && len(*list) < mostNames && !slices.Contains(*list, value) {
		*list = append(*list, value)
	}
}
