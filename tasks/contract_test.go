package tasks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// The packages whose exported API a checkout may use, by folder.
var public = []string{".", "order", "../providers"}

// Whatever a checkout can name, it can also hold: no exported type, function, method, field, constant or
// variable of the public packages is of a type of an internal package, neither directly nor embedded.
func TestNoInternalTypeIsInThePublicContract(t *testing.T) {
	for _, dir := range public {
		exported := 0
		for name, f := range parseFolder(t, dir) {
			found, looked := leaks(f)
			exported += looked
			for _, l := range found {
				t.Errorf("%s: %s", name, l)
			}
		}
		if exported < 10 {
			t.Errorf("%s: only %d exported things were looked at", dir, exported)
		}
	}
}

// leaks lists what of a file shows an internal type, and how many exported things were looked at.
func leaks(f *ast.File) (found []string, looked int) {
	internal := map[string]bool{}
	for _, spec := range f.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if !strings.Contains("/"+path+"/", "/internal/") {
			continue
		}
		local := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == "." {
			found = append(found, "a dot import hides "+path)
		}
		internal[local] = true
	}
	for _, d := range f.Decls {
		for what, part := range exportedParts(d) {
			looked++
			ast.Inspect(part, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && internal[x.Name] {
						found = append(found, what+" shows "+x.Name+"."+sel.Sel.Name)
					}
				}
				return true
			})
		}
	}
	return found, looked
}

func parseFolder(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	set := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	must(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		must(t, err)
		files[name] = f
	}
	if len(files) == 0 {
		t.Fatal(fs.ErrNotExist)
	}
	return files
}

// exportedParts are the types in a declaration that its users see, by name.
func exportedParts(d ast.Decl) map[string]ast.Node {
	parts := map[string]ast.Node{}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || receiverExported(d.Recv)) {
			parts[d.Name.Name] = d.Type
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() || s.Assign.IsValid() {
					addType(parts, s.Name.Name, s.Type)
				}
			case *ast.ValueSpec:
				for i, n := range s.Names {
					if !n.IsExported() {
						continue
					}
					if s.Type != nil {
						parts[n.Name] = s.Type
					} else if i < len(s.Values) { // its type is that of what it is set to
						parts[n.Name] = s.Values[i]
					}
				}
			}
		}
	}
	return parts
}

// addType adds what a type shows: of a struct its exported and embedded fields, of others all.
func addType(parts map[string]ast.Node, name string, typ ast.Expr) {
	st, ok := typ.(*ast.StructType)
	if !ok {
		parts[name] = typ
		return
	}
	for _, f := range st.Fields.List {
		if len(f.Names) == 0 {
			parts[name+" (embedded)"] = f.Type
		}
		for _, n := range f.Names {
			if n.IsExported() {
				parts[name+"."+n.Name] = f.Type
			}
		}
	}
}

func receiverExported(recv *ast.FieldList) bool {
	typ := recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	switch x := typ.(type) {
	case *ast.IndexExpr:
		typ = x.X
	case *ast.IndexListExpr:
		typ = x.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// A leak is found wherever it hides.
func TestAnInternalTypeIsFoundWhereverItHides(t *testing.T) {
	const head = "package p\nimport \"issuance/internal/ledger\"\nimport alias \"issuance/internal/seal\"\n"
	for src, leaky := range map[string]bool{
		"type A struct { X ledger.Record }":               true,
		"type A struct { x ledger.Record }":               false,
		"type A struct { ledger.Record }":                 true,
		"type A struct { X map[string][]*ledger.Record }": true,
		"type A = ledger.Record":                          true,
		"type A interface { M(ledger.Record) }":           true,
		"type A func() alias.Ring":                        true,
		"func F(ledger.Record) {}":                        true,
		"func f(ledger.Record) {}":                        false,
		"func F() (int, *alias.Ring) { return 0, nil }":   true,
		"func (a A) M(chan ledger.Record) {}":             true,
		"func (a *a) M(chan ledger.Record) {}":            false,
		"var E = ledger.ErrNotFound":                      true,
		"func F() { _ = ledger.ErrNotFound }":             false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", head+src, parser.SkipObjectResolution)
		must(t, err)
		if found, _ := leaks(f); (len(found) > 0) != leaky {
			t.Errorf("%s: found %q", src, found)
		}
	}
}
