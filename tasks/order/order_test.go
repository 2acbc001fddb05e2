package order

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"issuance/providers"
)

// constants lists the constants of a type in a file, value and comment by name.
func constants(t *testing.T, file, typ string) (values, comments map[string]string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	values, comments = map[string]string{}, map[string]string{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != typ {
				continue
			}
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values[v.Names[0].Name], comments[v.Names[0].Name] = text, v.Doc.Text()
		}
	}
	return values, comments
}

// Every state is explained where it is declared and listed for orders or refunds; nothing else is listed.
func TestEveryStateIsExplainedAndListed(t *testing.T) {
	values, comments := constants(t, "state.go", "State")
	if len(values) < 9 {
		t.Fatalf("only %d states found in state.go", len(values))
	}
	listed := append(OrderStates(), RefundStates()...)
	var declared []State
	for name, value := range values {
		declared = append(declared, State(value))
		if c := comments[name]; !strings.HasPrefix(c, name+":") || len(strings.Fields(c)) < 5 {
			t.Errorf("%s has no comment of its own: %q", name, c)
		}
		if !slices.Contains(listed, State(value)) {
			t.Errorf("%s is neither a state of orders nor of refunds", name)
		}
		if said := strings.Contains(comments[name], "Final"); said != State(value).Final() {
			t.Errorf("%s: its comment and Final disagree", name)
		}
	}
	for _, s := range listed {
		if !slices.Contains(declared, s) {
			t.Errorf("%s is listed and not declared in state.go", s)
		}
	}
	for _, s := range []State{"", "done", "ISSUED"} {
		if s.Final() || s.Settled() {
			t.Errorf("%q is an end", s)
		}
	}
	if Review.Settled() || !Review.Final() || !Cancelled.Settled() || Accepted.Final() {
		t.Error("review settles, or cancelled does not")
	}
}

// The same for the tickets of a refund.
func TestEveryTicketStateIsExplained(t *testing.T) {
	values, comments := constants(t, "state.go", "TicketState")
	if len(values) < 6 {
		t.Fatalf("only %d ticket states found in state.go", len(values))
	}
	settled := 0
	for name, c := range comments {
		if !strings.HasPrefix(c, name+":") {
			t.Errorf("%s has no comment of its own: %q", name, c)
		}
		if TicketState(values[name]).Settled() {
			settled++
		}
	}
	if settled != 3 || TicketDoubt.Settled() || !TicketElsewhere.Settled() {
		t.Errorf("%d of the states are settled", settled)
	}
}

// Every code is explained, once, and no two codes are the same word.
func TestEveryCodeIsExplained(t *testing.T) {
	values, _ := constants(t, "code.go", "Code")
	if len(values) < 30 {
		t.Fatalf("only %d codes found in code.go", len(values))
	}
	explained := map[Code]string{}
	for _, c := range Codes() {
		if _, twice := explained[c.Code]; twice {
			t.Errorf("%s is explained twice", c.Code)
		}
		if len(strings.Fields(c.Meaning)) < 3 || strings.HasSuffix(c.Meaning, ".") {
			t.Errorf("%s means %q", c.Code, c.Meaning)
		}
		explained[c.Code] = c.Meaning
	}
	seen := map[string]string{}
	for name, value := range values {
		if explained[Code(value)] == "" {
			t.Errorf("%s is not explained", name)
		}
		if other := seen[value]; other != "" {
			t.Errorf("%s and %s are both %q", name, other, value)
		}
		seen[value] = name
		if value == "" || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%s is spelled %q", name, value)
		}
	}
	if len(explained) != len(values) {
		t.Errorf("%d codes are explained, %d declared", len(explained), len(values))
	}
}

// A reference is read back as it was written; what names no order is none.
func TestReferencesAreReadBack(t *testing.T) {
	shop := providers.Account{Provider: "ecticket", Merchant: "2000132"}
	a1 := Ref{Account: shop, OrderID: "A1"}
	for text, r := range map[string]Ref{
		"ecticket:2000132/A1":          a1,
		"ecticket:2000132/A1/R1":       a1.Refund("R1"),
		"pass2u/a-b_c.1":               {Account: providers.Account{Provider: "pass2u"}, OrderID: "a-b_c.1"},
		"unheard-of:m_1/a-b_c.1/R.-_1": {Account: providers.Account{Provider: "unheard-of", Merchant: "m_1"}, OrderID: "a-b_c.1", RefundID: "R.-_1"},
	} {
		if got, ok := ParseRef(text); !ok || got != r || r.String() != text {
			t.Errorf("%q is read as %+v, %t; %+v is written %q", text, got, ok, r, r.String())
		}
	}
	for _, text := range []string{"", "/", "ecticket:2000132", "ecticket:2000132/", "/A1", ":2000132/A1", "ecticket:2000132/A1/", "ecticket:2000132//R1", "ecticket:2000132/A1/R1/x"} {
		if got, ok := ParseRef(text); ok {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
	if r := a1.Refund("R1"); !r.IsRefund() || a1.IsRefund() || r.Order() != a1 || r.Refund("R2").Order() != a1 || a1.Order() != a1 {
		t.Error("a refund's order is another one")
	}
}

// Producers choose between checkout and bulk; the pollers' lane is not theirs.
func TestParseLane(t *testing.T) {
	for s, want := range map[string]Lane{"": Checkout, "checkout": Checkout, "bulk": Bulk} {
		if l, err := ParseLane(s); err != nil || l != want {
			t.Errorf("%q: %s, %v", s, l, err)
		}
	}
	for _, s := range []string{"poll", "Checkout", " bulk", "x"} {
		if l, err := ParseLane(s); err == nil {
			t.Errorf("%q is taken as %s", s, l)
		}
	}
	if !slices.Equal(Lanes(), []Lane{Checkout, Poll, Bulk}) {
		t.Errorf("lanes %v", Lanes())
	}
}

// A state reads well in a sentence.
func TestAStateInWords(t *testing.T) {
	for s, want := range map[State]string{Queued: "queued", Review: "in review", PartiallyRefunded: "partially refunded"} {
		if got := s.Words(); got != want {
			t.Errorf("%s: %q", s, got)
		}
	}
}
