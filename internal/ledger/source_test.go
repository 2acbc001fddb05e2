package ledger

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"issuance/tasks/order"
)

// Every state is drawn in the package's graph: a new one cannot be forgotten.
func TestEveryStateIsDrawn(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	must(t, err)
	_, graphs, ok := strings.Cut(f.Doc.Text(), "An order:")
	orders, refunds, ok2 := strings.Cut(graphs, "A refund:")
	if !ok || !ok2 {
		t.Fatal("doc.go draws no graphs")
	}
	refunds, _, _ = strings.Cut(refunds, "A record exists")
	drawn := func(graph string, s order.State) bool {
		return regexp.MustCompile(`(^|[^a-z_])` + string(s) + `($|[^a-z_])`).MatchString(graph)
	}
	for _, s := range order.OrderStates() {
		if !drawn(orders, s) {
			t.Errorf("the graph of an order does not show %s", s)
		}
	}
	for _, s := range order.RefundStates() {
		if !drawn(refunds, s) {
			t.Errorf("the graph of a refund does not show %s", s)
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
	for _, s := range append(order.OrderStates(), order.RefundStates()...) {
		if lua := strings.Contains(" "+string(m[1]), " "+string(s)+" = true"); lua != s.Final() {
			t.Errorf("%s: final in Go %t, in Lua %t", s, s.Final(), lua)
		}
	}
}

// Every script says what it does, which keys and arguments it takes, and what it answers; it runs
// on the keys of one record, and every name is one that Go calls.
func TestEveryScriptHasAHeader(t *testing.T) {
	var called strings.Builder
	sources, err := filepath.Glob("*.go")
	must(t, err)
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") || name == "observe.go" { // that one lists names
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		must(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
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

// A script stands behind what it uses of the prelude, and nothing else: Redis makes all functions anew each time it runs.
func TestAScriptGetsWhatItUsesOfThePrelude(t *testing.T) {
	if got := complete("return 1"); got != "return 1" {
		t.Errorf("a script that uses nothing is\n%s", got)
	}
	used := map[string]bool{}
	for name := range scripts {
		text := complete(source(name))
		for defined, p := range prelude.defines {
			uses := strings.Contains(text, p.text)
			used[defined] = used[defined] || uses
			for _, other := range p.uses {
				if q := prelude.defines[other]; uses && q != nil && !strings.Contains(text, q.text) {
					t.Errorf("%s gets %s without %s", name, defined, other)
				}
			}
		}
		if strings.Contains(text, "--") {
			t.Errorf("%s has a comment", name)
		}
	}
	for defined := range prelude.defines {
		if !used[defined] && defined != "point" && defined != "wake" { // which come with an end, and with an intake
			t.Errorf("no script uses %s", defined)
		}
	}
}
