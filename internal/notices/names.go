package notices

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
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
	// Numbered is those of Orders whose fields are called as an order's number is in the provider's documents.
	Numbered []string
	// Codes may be a ticket's redemption code, a bearer secret: the values of fields that are called so, and others of such
	// a form. Those beside which the notice names the order or the ticket by its number are left out.
	Codes []string

	seen map[[2]string]bool
	in   *scope // that is being read
}

// mostNames bounds what is taken from one notice. A body of the front door's limit has fewer tickets.
const mostNames = 5000

// mostNested is how deep texts of JSON inside of texts of JSON are read.
const mostNested = 3

var (
	orderForm   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	orderField  = regexp.MustCompile(`(?i)^(merchant|free)_?trade_?no$`)
	ticketForm  = regexp.MustCompile(`^[A-Za-z0-9]{1,16}$`)
	ticketShape = regexp.MustCompile(`^[A-Za-z0-9]{16}$`)
	ticketField = regexp.MustCompile(`(?i)^ticket_?no`)
	codeForm    = regexp.MustCompile(`^[A-Za-z0-9]{1,18}$`)
	codeShape   = regexp.MustCompile(`^[A-Za-z0-9]{18}$`)
	codeField   = regexp.MustCompile(`(?i)^write_?off_?no`)
)

// Read finds what a notice names: in JSON at any depth, fields that come twice and what stands before a mistake
// included, or in the values of a form. Other text names nothing.
func Read(text []byte) (n Names) {
	n = Names{seen: map[[2]string]bool{}, in: &scope{}}
	defer n.end()
	if n.json(text, 0) {
		return n
	}
	form, _ := url.ParseQuery(string(text)) // what could be read of it
	for _, field := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[field] {
			n.add(field, value, 0)
		}
	}
	return n
}

// json reports whether text begins as JSON does. Its tokens are read one by one, because a decoder into Go's values
// would keep only the last of fields of one name.
func (n *Names) json(text []byte, depth int) (ok bool) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	d.UseNumber()
	type level struct {
		field  string // whose value this is
		object bool
		name   string // of the member whose value comes next, where named
		named  bool
	}
	at := []level{{}}
	outer := n.in
	for {
		token, err := d.Token()
		if err != nil { // the end, or a mistake
			for n.in != outer {
				n.leave()
			}
			return ok
		}
		ok = true
		top := &at[len(at)-1]
		field := top.field
		if s, key := token.(string); key && top.object && !top.named {
			top.name, top.named = s, true
			continue
		}
		if top.named {
			field = top.name
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '}' || v == ']' {
				if v == '}' {
					n.leave()
				}
				at = at[:len(at)-1]
				continue
			}
			top.named = false
			if v == '{' {
				n.in = &scope{outer: n.in}
			}
			at = append(at, level{field: field, object: v == '{'})
			continue
		case string:
			n.add(field, v, depth)
		case json.Number:
			n.add(field, v.String(), depth)
		}
		top.named = false
	}
}

// add takes what the value of a field names: it may be a list, or JSON itself.
func (n *Names) add(field, text string, depth int) {
	text = strings.TrimSpace(text)
	if depth < mostNested && (strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")) {
		n.json([]byte(text), depth+1)
		return
	}
	for value := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(",;|", r) }) {
		n.take(field, strings.TrimSpace(value))
	}
}

func (n *Names) take(field, value string) {
	order, ticket := orderForm.MatchString(value), ticketField.MatchString(field) && ticketForm.MatchString(value)
	numbered := order && orderField.MatchString(field)
	n.in.numbered = n.in.numbered || numbered || ticket
	code := codeField.MatchString(field)
	if code && codeForm.MatchString(value) || codeShape.MatchString(value) && !numbered && !ticket {
		n.in.codes = append(n.in.codes, value)
	}
	n.list(&n.Orders, "order", value, order && !code)
	n.list(&n.Numbered, "numbered", value, numbered)
	n.list(&n.Tickets, "ticket", value, ticket || ticketShape.MatchString(value) && !code)
}

func (n *Names) list(list *[]string, kind, value string, fits bool) {
	if key := [2]string{kind, value}; fits && len(*list) < mostNames && !n.seen[key] {
		n.seen[key] = true
		*list = append(*list, value)
	}
}
