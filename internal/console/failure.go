package console

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/redis/go-redis/v9"

	"issuance/internal/redisconn"
)

// failure is an answer that says why something was not done. Its texts are keys of words.
type failure struct {
	status int
	key    string
	args   []any
}

func (f *failure) Error() string { return "console: " + f.key }

func fail(status int, key string, args ...any) *failure { return &failure{status, key, args} }

// withoutRedis reports whether an error says that Redis does not answer, or takes no writes.
func withoutRedis(err error) bool {
	var network *net.OpError
	for _, is := range []error{redisconn.ErrNoPatience, context.DeadlineExceeded, io.EOF, redis.ErrPoolTimeout, redis.ErrClosed} {
		if errors.Is(err, is) {
			return true
		}
	}
	return errors.As(err, &network) || redisconn.NoWrites(err) != "" || redis.HasErrorPrefix(err, "LOADING")
}

var (
	notFound    = fail(http.StatusNotFound, "fail.not_found")
	notAllowed  = fail(http.StatusForbidden, "fail.not_allowed")
	crossOrigin = fail(http.StatusForbidden, "fail.csrf")
	notLocal    = fail(http.StatusForbidden, "fail.not_local")
	badFilter   = fail(http.StatusBadRequest, "fail.filter")
	noReason    = fail(http.StatusUnprocessableEntity, "fail.reason")
)
