package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/announce"
	"issuance/internal/queue"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// A worker whose seal keys nobody shares says so at its start: alone it would wait for documents that others cannot read.
func TestAWorkerWithKeysOfItsOwnIsWarned(t *testing.T) {
	s := testredis.Start(t)
	w, _ := idle(t, s.URL(), nil)
	var log bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&log, nil))
	warned := func(want bool) {
		t.Helper()
		log.Reset()
		if w.othersHaveOtherKeys(t.Context()) {
			w.warnOfKeys()
		}
		if strings.Contains(log.String(), "none of ISSUANCE_SEAL_KEYS is among them") != want {
			t.Errorf("warned: %q, want %t", log.String(), want)
		}
	}
	warned(false) // the first
	for _, step := range []struct {
		ids  []string
		want bool
	}{{[]string{"another"}, true}, {w.ring.IDs(), false}} {
		if err := announce.SealKeys(t.Context(), s.Client(), step.ids); err != nil {
			t.Fatal(err)
		}
		warned(step.want)
	}
}

// A worker that is started, perhaps with the key, makes what waits for one run at once; without a missing key it reads no queue.
func TestAWorkerThatIsStartedWakesWhatWaitsForASealKey(t *testing.T) {
	s := testredis.Start(t)
	w, _ := idle(t, s.URL(), nil)
	a := w.roster.now().all[0]
	r := order.Ref{Account: a.Name, OrderID: "O1"}
	home := queue.HomeOf(r, order.Queued, order.Checkout)
	tasks := queue.NewClient(w.rdb, queue.Options{})
	if err := tasks.Enqueue(t.Context(), r, home, "", 0); err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{}, 1)
	server := asynq.NewServerFromRedisClient(w.rdb, asynq.Config{Queues: map[string]int{home.Queue: 1}, RetryDelayFunc: queue.RetryDelay, IsFailure: queue.IsFailure, LogLevel: asynq.FatalLevel})
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		defer func() { ran <- struct{}{} }()
		return queue.Wait(time.Hour, "waiting for its seal key in ISSUANCE_SEAL_KEYS")
	})); err != nil {
		t.Fatal(err)
	}
	<-ran
	server.Shutdown()
	for _, missing := range []bool{false, true} {
		if missing {
			a.budget.KeyMissing(t.Context())
		}
		w.wakeSealed(t.Context())
		if task, err := tasks.Look(t.Context(), home); err != nil || task.Pending() != missing {
			t.Errorf("a key is missing: %t, and the task is %s, %v", missing, task.State, err)
		}
	}
}
