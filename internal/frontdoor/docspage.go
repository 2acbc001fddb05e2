package frontdoor

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsText string

//go:embed docs.css
var docsStyle string

var docsPage = template.Must(template.New("docs").Funcs(template.FuncMap{"fields": fieldsOf, "refers": refers, "limits": limitsOf}).Parse(docsText))

// docs serves the OpenAPI description as one page without scripts, which needs nothing of another machine, and leads to it.
func (s *Server) docs(mux *http.ServeMux) {
	var page bytes.Buffer
	if err := docsPage.Execute(&page, describedBy(s.OpenAPI())); err != nil {
		panic(err) // the description is the program's own, and a test renders it
	}
	sum := sha256.Sum256([]byte(docsStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	mux.Handle("GET /{$}", http.RedirectHandler("/docs", http.StatusFound))
	mux.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(page.Bytes()) // a caller that is gone needs no page
	})
}

// What the page shows, in its order.
type (
	docsData struct {
		Title, Version  string
		Style           template.CSS
		About, Security []string // paragraphs
		Tags            []docsTag
		Schemas         []docsField
	}
	docsTag struct {
		*huma.Tag
		Operations []docsOperation
	}
	docsOperation struct {
		*huma.Operation
		Bodies  []docsBody
		Answers []docsAnswer
	}
	docsAnswer struct {
		Status, Description, Headers string
		Bodies                       []docsBody
	}
	docsBody struct {
		Media    string
		Schema   *huma.Schema
		Examples []docsExample
	}
	docsExample struct{ Name, Text string }
	docsField   struct {
		Name     string
		Required bool
		Schema   *huma.Schema
	}
)

func describedBy(api *huma.OpenAPI) docsData {
	d := docsData{Title: api.Info.Title, Version: api.Info.Version, Style: template.CSS(docsStyle), About: strings.Split(api.Info.Description, "\n\n")}
	for _, name := range slices.Sorted(maps.Keys(api.Components.SecuritySchemes)) {
		scheme := api.Components.SecuritySchemes[name]
		d.Security = append(d.Security, fmt.Sprintf("Authorization: %s %s. %s", scheme.Scheme, name, scheme.Description))
	}
	for _, tag := range api.Tags {
		d.Tags = append(d.Tags, docsTag{tag, operationsOf(api, tag.Name)})
	}
	for name, schema := range sorted(api.Components.Schemas.Map()) {
		d.Schemas = append(d.Schemas, docsField{Name: name, Schema: schema})
	}
	return d
}

// operationsOf are a tag's, by path and method.
func operationsOf(api *huma.OpenAPI, tag string) (list []docsOperation) {
	for _, item := range sorted(api.Paths) {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if op == nil || !slices.Contains(op.Tags, tag) {
				continue
			}
			o := docsOperation{Operation: op}
			if op.RequestBody != nil {
				o.Bodies = bodiesOf(op.RequestBody.Content)
			}
			for status, answer := range sorted(op.Responses) {
				headers := strings.Join(slices.Sorted(maps.Keys(answer.Headers)), ", ")
				o.Answers = append(o.Answers, docsAnswer{status, answer.Description, headers, bodiesOf(answer.Content)})
			}
			list = append(list, o)
		}
	}
	return list
}

func bodiesOf(content map[string]*huma.MediaType) (list []docsBody) {
	for media, of := range sorted(content) {
		b := docsBody{Media: media, Schema: of.Schema}
		for name, example := range sorted(of.Examples) {
			b.Examples = append(b.Examples, docsExample{name, indented(example.Value)})
		}
		list = append(list, b)
	}
	return list
}

// indented is an example as text.
func indented(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(value) // of the description, which is JSON
	return b.String()
}

// fieldsOf are an object's, those that are always there first.
func fieldsOf(s *huma.Schema) (list []docsField) {
	for name, schema := range sorted(s.Properties) {
		list = append(list, docsField{name, slices.Contains(s.Required, name), schema})
	}
	slices.SortStableFunc(list, func(a, b docsField) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}

func rank(f docsField) int {
	if f.Required {
		return 0
	}
	return 1
}

// refers is the name of the schema that one refers to, or "".
func refers(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
}

// limitsOf are the rules of a value in words.
func limitsOf(s *huma.Schema) string {
	var list []string
	add := func(format string, v any) { list = append(list, fmt.Sprintf(format, v)) }
	for _, v := range s.Enum {
		add("%v", v)
	}
	if len(list) > 0 {
		list = []string{"one of " + strings.Join(list, " ")}
	}
	if s.Minimum != nil {
		add("at least %v", *s.Minimum)
	}
	if s.Maximum != nil {
		add("at most %v", *s.Maximum)
	}
	if s.MaxLength != nil {
		add("at most %d characters", *s.MaxLength)
	}
	if s.Default != nil {
		add("default %v", s.Default)
	}
	return strings.Join(list, ", ")
}

// sorted are a map's entries by key.
func sorted[V any](m map[string]V) func(yield func(string, V) bool) {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
