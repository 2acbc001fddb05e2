package frontdoor

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// anything is the pattern of what no other one takes.
const anything = "/"

// unmatched answers what no operation takes: a known path with another method, or an unknown path.
func (s *Server) unmatched(w http.ResponseWriter, r *http.Request) {
	allowed := s.allowed(r)
	if len(allowed) == 0 {
		writeProblem(w, r, problem(http.StatusNotFound, codeNotFound, "there is no such path; /docs lists them"))
		return
	}
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	writeProblem(w, r, problem(http.StatusMethodNotAllowed, codeMethod, "this path takes %s alone; /docs lists what each is for", list))
}

// allowed are the methods that a request's path takes. CONNECT has none.
func (s *Server) allowed(r *http.Request) (list []string) {
	if r.URL.Path == "" {
		return nil
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if _, pattern := s.mux.Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); pattern != anything && pattern != "" {
			list = append(list, method)
		}
	}
	return list
}

// roundabout reports whether a path has empty or dot segments, which http.ServeMux answers with a page that leads
// elsewhere. Pages of mounted handlers are for browsers, which follow it.
func (s *Server) roundabout(r *http.Request) bool {
	asked := r.URL.EscapedPath()
	clean := path.Clean("/" + asked)
	return strings.TrimSuffix(asked, "/") != strings.TrimSuffix(clean, "/") && !s.isMounted(clean+"/")
}

// isMounted reports whether a path is of a mounted handler.
func (s *Server) isMounted(p string) bool {
	return slices.ContainsFunc(s.mounted, func(prefix string) bool { return strings.HasPrefix(p, prefix) })
}

// route is the pattern of a request's path, which holds no value of it; "" for unknown paths. A request that was
// refused before it came to an operation has one, too.
func (s *Server) route(r *http.Request) string {
	pattern := r.Pattern
	if pattern == "" && !s.roundabout(r) {
		_, pattern = s.mux.Handler(r)
	}
	if _, after, ok := strings.Cut(pattern, " "); ok {
		pattern = after
	}
	if pattern == anything {
		return ""
	}
	return pattern
}
