package frontdoor

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// headersOf are a request's values of a header, each time that it was sent.
func headersOf(c huma.Context, name string) (values []string) {
	c.EachHeader(func(sent, value string) {
		if strings.EqualFold(sent, name) {
			values = append(values, value)
		}
	})
	return values
}

// sentOften is said of a header that was sent n times and says one thing. Whichever of them counted, it would be a guess.
func sentOften(name string, n int) ProblemViolation {
	return ProblemViolation{Where: "header " + name, Rule: "must be sent once", Shape: fmt.Sprintf("%d headers", n)}
}

// joinLists makes one header of those that are lists, and that may be sent in several ones.
func joinLists(c huma.Context) {
	r, _ := humago.Unwrap(c)
	for _, name := range []string{"Prefer", "If-None-Match", "Content-Encoding"} {
		if values := r.Header[name]; len(values) > 1 {
			r.Header.Set(name, strings.Join(values, ", "))
		}
	}
}

// refuseLarge answers a body that is said to be longer than the operation takes, before anybody waits for it.
func (s *Server) refuseLarge(c huma.Context) bool {
	r, _ := humago.Unwrap(c)
	most := c.Operation().MaxBodyBytes
	if r.Method == http.MethodGet || r.Method == http.MethodHead || most <= 0 || r.ContentLength <= most {
		return false
	}
	_ = huma.WriteErr(s.api, c, http.StatusRequestEntityTooLarge, "") // a caller that is gone needs no answer
	return true
}
