package ledger

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// parse reads a source file of this package.
func parse(t *testing.T, name string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	must(t, err)
	return f
}

// constants lists the constants of a type in a file: value by name, and those with a comment.
func constants(t *testing.T, file, typ string) (values map[string]string, commented map[string]string) {
	t.Helper()
	values, commented = map[string]string{}, map[string]string{}
	for _, d := range parse(t, file).Decls {
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
			must(t, err)
			values[v.Names[0].Name] = text
			commented[v.Names[0].Name] = v.Doc.Text()
		}
	}
	return values, commented
}

// Every state is explained where it is declared, listed for orders or refunds, and drawn in the
// package's graph: a new one cannot be forgotten.
func TestEveryStateIsExplainedListedAndDrawn(t *testing.T) {
	values, comments := constants(t, "state.go", "State")
	if len(values) < 8 {
		t.Fatalf("only %d states found in state.go", len(values))
	}
	doc := parse(t, "doc.go").Doc.Text()
	_, graphs, ok := strings.Cut(doc, "An order:")
	orders, refunds, ok2 := strings.Cut(graphs, "A refund:")
	if !ok || !ok2 {
		t.Fatal("doc.go draws no graphs")
	}
	drawn := func(graph string, s State) bool {
		return regexp.MustCompile(`(^|[^a-z_])` + string(s) + `($|[^a-z_])`).MatchString(graph)
	}
	listed := append(OrderStates(), RefundStates()...)
	for name, value := range values {
		if c := comments[name]; !strings.HasPrefix(c, name+":") || len(strings.Fields(c)) < 5 {
			t.Errorf("%s has no comment of its own: %q", name, c)
		}
		if !slices.Contains(listed, State(value)) {
			t.Errorf("%s is neither a state of orders nor of refunds", name)
		}
	}
	for _, s := range OrderStates() {
		if !drawn(orders, s) {
			t.Errorf("the graph of an order does not show %s", s)
		}
	}
	for _, s := range RefundStates() {
		if !drawn(refunds, s) {
			t.Errorf("the graph of a refund does not show %s", s)
		}
	}
	for _, s := range listed {
		if !slices.Contains(slices.Collect(func(yield func(string) bool) {
			for _, v := range values {
				if !yield(v) {
					return
				}
			}
		}), string(s)) {
			t.Errorf("%s is listed and not declared in state.go", s)
		}
	}
}

// Go and the scripts agree on what is final.
func TestGoAndLuaAgreeOnWhatIsFinal(t *testing.T) {
	prelude, err := scriptFiles.ReadFile("scripts/prelude.lua")
	must(t, err)
	m := regexp.MustCompile(`local final = \{(.*)\}`).FindSubmatch(prelude)
	if m == nil {
		t.Fatal("prelude.lua names no final states")
	}
	for _, s := range append(OrderStates(), RefundStates()...) {
		if lua := strings.Contains(" "+string(m[1]), " "+string(s)+" = true"); lua != s.Final() {
			t.Errorf("%s: final in Go %t, in Lua %t", s, s.Final(), lua)
		}
	}
}

// The same for the tickets of a refund.
func TestEveryTicketStateIsExplained(t *testing.T) {
	_, comments := constants(t, "refund.go", "TicketState")
	if len(comments) < 6 {
		t.Fatalf("only %d ticket states found in refund.go", len(comments))
	}
	for name, c := range comments {
		if !strings.HasPrefix(c, name+":") {
			t.Errorf("%s has no comment of its own: %q", name, c)
		}
	}
}

// Every script says what it does, which keys and arguments it takes, and what it answers; it runs
// on the keys of one record, and every name is one that Go calls.
func TestEveryScriptHasAHeader(t *testing.T) {
	var called strings.Builder
	for _, name := range []string{"claim.go", "order.go", "refund.go", "events.go", "review.go", "ledger.go", "open.go"} {
		ast.Inspect(parse(t, name), func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				called.WriteString(l.Value + " ")
			}
			return true
		})
	}
	files, err := scriptFiles.ReadDir("scripts")
	must(t, err)
	for _, f := range files {
		b, err := scriptFiles.ReadFile("scripts/" + f.Name())
		must(t, err)
		name := strings.TrimSuffix(f.Name(), ".lua")
		if name == "prelude" {
			continue
		}
		header := ""
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, "--") {
				break
			}
			header += line
		}
		for _, want := range []string{"-- " + name + ": ", "KEYS[1] ", "ARGV: now", "-- Answers {"} {
			if !strings.Contains(header, want) {
				t.Errorf("the header of %s lacks %q", f.Name(), want)
			}
		}
		for _, used := range regexp.MustCompile(`KEYS\[\d\]`).FindAllString(string(b), -1) {
			if !strings.Contains(header, used) {
				t.Errorf("the header of %s does not explain %s", f.Name(), used)
			}
		}
		if !strings.Contains(called.String(), strconv.Quote(name)) {
			t.Errorf("nobody calls %s", f.Name())
		}
		if scripts[name] == nil {
			t.Errorf("%s is not loaded", f.Name())
		}
	}
}
