package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"

	"issuance/internal/redisconn"
)

// refusedBy is an answer of Redis that refuses a command.
type refusedBy string

func (e refusedBy) Error() string { return string(e) }
func (refusedBy) RedisError()     {}

// A page that cannot be shown because of Redis says so, and no other one does.
func TestAFailureBecauseOfRedisIsNamed(t *testing.T) {
	for err, want := range map[error]bool{
		redisconn.ErrNoPatience:  true,
		context.DeadlineExceeded: true,
		redis.ErrPoolTimeout:     true,
		fmt.Errorf("ledger: %w", &net.OpError{Op: "dial", Err: errors.New("connection refused")}): true,
		refusedBy("OOM command not allowed when used memory > 'maxmemory'."):                      true,
		refusedBy("LOADING Redis is loading the dataset in memory"):                               true,
		refusedBy("ERR wrong number of arguments"):                                                false,
		errors.New("template: no such field"):                                                     false,
	} {
		if withoutRedis(err) != want {
			t.Errorf("%v: %t", err, !want)
		}
	}
}
