package tasks

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"issuance/internal/queue"
	"issuance/internal/testredis"
)

// durable is a Redis that writes every command to its disk before it answers, and a client of it.
func durable(b *testing.B) *redis.Client {
	s := testredis.StartDurable(b)
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr, PoolSize: 20, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})
	b.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// callers runs a benchmark from some goroutines, and from many.
func callers(b *testing.B, run func(b *testing.B, goroutines int)) {
	for _, goroutines := range []int{16, 64, 200} {
		b.Run(fmt.Sprintf("%d callers", goroutines), func(b *testing.B) { run(b, goroutines) })
	}
}

// parallel runs a call for every size orders on so many goroutines; one gets the number of the last of them.
func parallel(b *testing.B, goroutines, size int, one func(last int)) {
	var n atomic.Int64
	b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			last := int(n.Add(1))
			if last%size == 0 {
				one(last)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}

// What asynq's own client takes with a task as large as a sealed document: the measure of the others.
func BenchmarkBareQueue(b *testing.B) {
	callers(b, func(b *testing.B, goroutines int) {
		c := asynq.NewClientFromRedisClient(durable(b))
		payload := bytes.Repeat([]byte("x"), 900)
		parallel(b, goroutines, 1, func(i int) {
			_, err := c.EnqueueContext(context.Background(), asynq.NewTask("issue:ecticket", payload), asynq.Queue("ecticket-bulk"),
				asynq.TaskID(fmt.Sprintf("issue:ecticket:2000132:O%d", i)), asynq.MaxRetry(queue.MaxRetry), asynq.Retention(queue.DefaultRetention))
			if err != nil {
				b.Error(err)
			}
		})
	})
}

func benchClient(b *testing.B) *Client {
	c, err := NewClient(durable(b), Options{SealKeys: newKey, Rules: rules})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// Enqueueing one by one, from the document on.
func BenchmarkEnqueue(b *testing.B) {
	callers(b, func(b *testing.B, goroutines int) {
		c := benchClient(b)
		parallel(b, goroutines, 1, func(i int) {
			if _, err := c.Enqueue(context.Background(), orderDoc(fmt.Sprintf("O%d", i))); err != nil {
				b.Error(err)
			}
		})
	})
}

// Enqueueing in batches of 256, from the documents on.
func BenchmarkEnqueueBatches(b *testing.B) {
	const size = 256
	c := benchClient(b)
	parallel(b, 16, size, func(last int) {
		batch := make([]Prepared, size)
		for i := range batch {
			o, err := ParseOrder(orderDoc(fmt.Sprintf("O%d", last-i)), rules)
			if err == nil {
				batch[i], err = c.Prepare(context.Background(), o, Bulk)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
		for _, e := range c.EnqueuePrepared(context.Background(), batch) {
			if e.Err != nil {
				b.Error(e.Err)
			}
		}
	})
}
