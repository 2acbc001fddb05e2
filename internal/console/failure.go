package console

import "net/http"

// failure is an answer that says why something was not done. Its texts are keys of words.
type failure struct {
	status int
	key    string
	args   []any
}

func (f *failure) Error() string { return "console: " + f.key }

func fail(status int, key string, args ...any) *failure { return &failure{status, key, args} }

var (
	notFound    = fail(http.StatusNotFound, "fail.not_found")
	notAllowed  = fail(http.StatusForbidden, "fail.not_allowed")
	crossOrigin = fail(http.StatusForbidden, "fail.csrf")
	notLocal    = fail(http.StatusForbidden, "fail.not_local")
	badFilter   = fail(http.StatusBadRequest, "fail.filter")
	noReason    = fail(http.StatusUnprocessableEntity, "fail.reason")
)
