package frontdoor

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"issuance/internal/doccheck"
)

// shape has violations of parameters say what is there instead, where they do not.
func (r request) shape(p *Problem) {
	for i, v := range p.Violations {
		in, name, named := strings.Cut(v.Where, " ")
		if v.Shape != "" || !named || in == inBody || r.value == nil {
			continue
		}
		if text := r.value(in, name); text != "" {
			p.Violations[i].Shape = doccheck.ShapeOf(text)
		}
	}
}

// nothingDone is what an operation's problem adds: that nothing was enqueued, or done.
func nothingDone(op *huma.Operation) string {
	switch {
	case op.Method == http.MethodGet:
		return ""
	case op.RequestBody != nil:
		return "; nothing was enqueued"
	}
	return "; nothing was done"
}

// valueOf finds the value of a request's parameter.
func valueOf(c huma.Context) func(in, name string) string {
	return func(in, name string) string {
		switch in {
		case "query":
			return c.Query(name)
		case "path":
			return c.Param(name)
		case "header":
			return c.Header(name)
		}
		return ""
	}
}
