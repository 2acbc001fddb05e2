package frontdoor_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
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

// The answer to a first request costs nothing beside the recording, whatever the front door reads meanwhile for others.
func TestAFirstAnswerAsksRedisNothing(t *testing.T) {
	h := open(t, "")
	trips := &roundTrips{}
	h.rdb.AddHook(trips)
	for i, want := range []int64{0, 1} { // the first request asks what is asked once
		trips.count.Store(0)
		req := httptest.NewRequestWithContext(context.WithValue(t.Context(), trips, true), http.MethodPut, fmt.Sprint(at, "A", i), strings.NewReader(body))
		req.Host, req.RemoteAddr = "localhost", "127.0.0.1:1"
		req.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		h.server.ServeHTTP(answer, req)
		if n := trips.count.Load(); answer.Code != http.StatusCreated || n < 1 || want > 0 && n != want {
			t.Errorf("request %d: %d round trips, %d %s", i+1, n, answer.Code, answer.Body)
		}
	}
}

// roundTrips counts those of requests whose context holds it: not those of readers of events, nor of a connection's
// beginning.
type roundTrips struct {
	testredis.Hook
	count atomic.Int64
}

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { r.note(ctx, cmd); return next(ctx, cmd) }
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, list []redis.Cmder) error { r.note(ctx, list[0]); return next(ctx, list) }
}

func (r *roundTrips) note(ctx context.Context, first redis.Cmder) {
	if name := first.Name(); ctx.Value(r) != nil && name != "hello" && name != "client" && name != "ping" {
		r.count.Add(1)
	}
}
