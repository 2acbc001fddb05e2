package frontdoor_test

import (
	"context"
	"net/http"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"issuance/internal/frontdoor"
	"issuance/internal/testredis"
)

// Who reads the answer to a first request finds in it what the answer to a repetition says, and asks nothing more.
func TestAFirstAnswerHasWhatARepetitionHas(t *testing.T) {
	h := open(t, "")
	announced(t, h, shop)
	for number, query := range map[string]string{"A1": "", "A2": "?lane=bulk", "A3": "?wait=0"} {
		var first, second map[string]any
		h.want(http.StatusCreated, &first, http.MethodPut, at+number+query, body)
		h.want(http.StatusOK, &second, http.MethodPut, at+number+query, body)
		waits := second["waits"].(map[string]any)
		if waits["for"] != "a free worker" || waits["no_worker"] != true {
			t.Errorf("waits %v", waits)
		}
		delete(waits, "no_worker") // which the first answer leaves to the next question
		if second["duplicate"] != true || second["lane"] == nil || second["created_at"] == nil || second["shape"] == nil {
			t.Errorf("%v", second)
		}
		if delete(second, "duplicate"); !reflect.DeepEqual(first, second) {
			t.Errorf("%s%s: first\n%v, again\n%v", number, query, first, second)
		}
	}
	var first, second frontdoor.Status
	h.want(http.StatusCreated, &first, http.MethodPut, at+"A1/refunds/R1", `{"all":true}`)
	h.want(http.StatusOK, &second, http.MethodPut, at+"A1/refunds/R1", `{"all":true}`)
	if second.Duplicate = false; !reflect.DeepEqual(first, second) {
		t.Errorf("first %+v, again %+v", first, second)
	}
}

// The answer to a first request costs nothing beside the recording.
func TestAFirstAnswerAsksRedisNothing(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A0", body) // what is asked once
	trips := &roundTrips{}
	h.rdb.AddHook(trips)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	if n := trips.count.Load(); n != 1 {
		t.Errorf("%d round trips", n)
	}
}

// roundTrips counts those of a Redis client.
type roundTrips struct {
	testredis.Hook
	count atomic.Int64
}

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "xread" { // of the events, which are waited for
			r.count.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, list []redis.Cmder) error {
		r.count.Add(1)
		return next(ctx, list)
	}
}
