// Command river plays the part of an issuance worker that keeps its orders in PostgreSQL and its jobs in River, for the benchmark
// "overhead --river", which starts it and asks it what to do: the intent before a call and the end after it are written in
// transactions, the end together with the job's. It is a module of its own, so that the product needs neither.
//
// It may import internal/bench/lab, internal/bench/overhead and providers.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/errgroup"

	"issuance/internal/bench/lab"
	"issuance/internal/bench/overhead"
	"issuance/providers"
)

func main() {
	runtime.LockOSThread() // the server ends with the thread that started it
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

func run() error {
	kind := flag.String("kind", overhead.Voucher, "kind of orders")
	provider := flag.String("provider", "", "address of the provider")
	concurrency := flag.Int("concurrency", 8, "tasks at a time; polls half as many")
	flag.Parse()
	ctx := context.Background()
	pg, err := startPostgres(ctx)
	if err != nil {
		return err
	}
	defer pg.close()
	if err := prepare(ctx, pg.pool); err != nil {
		return err
	}
	client, err := overhead.NewClient(*kind, *provider)
	if err != nil {
		return err
	}
	s := &shop{pool: pg.pool, provider: client, kind: *kind, concurrency: *concurrency}
	if s.client, err = s.newClient(); err != nil {
		return err
	}
	return lab.Serve(os.Stdin, os.Stdout, s.answer)
}

// prepare makes River's tables, and those of orders and events.
func prepare(ctx context.Context, pool *pgxpool.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, `
CREATE TABLE orders (id text PRIMARY KEY, state text NOT NULL, created timestamptz NOT NULL DEFAULT now(), sent_at timestamptz, final timestamptz);
CREATE TABLE events (id bigserial PRIMARY KEY, order_id text NOT NULL, state text NOT NULL, at timestamptz NOT NULL DEFAULT now())`)
	return err
}

// shop works off orders, round by round.
type shop struct {
	pool        *pgxpool.Pool
	provider    providers.Provider
	kind        string
	concurrency int
	client      *river.Client[pgx.Tx]

	first       sync.Once
	began       time.Time
	cpu         time.Duration
	ended, last atomic.Int64
}

const (
	checkout = "checkout"
	polls    = "poll"
)

// newClient has as many tasks at a time as the product's worker, and looks for more as soon as River can.
func (s *shop) newClient() (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &issuer{shop: s})
	river.AddWorker(workers, &poller{shop: s})
	queues := map[string]river.QueueConfig{checkout: {MaxWorkers: s.concurrency}}
	if s.kind == overhead.Electronic {
		queues[polls] = river.QueueConfig{MaxWorkers: max(s.concurrency/2, 1)}
	}
	return river.NewClient(riverpgxv5.New(s.pool), &river.Config{Queues: queues, Workers: workers, Logger: slog.New(slog.DiscardHandler),
		FetchCooldown: river.FetchCooldownMin, FetchPollInterval: 100 * time.Millisecond})
}

// answer does what the benchmark asks for.
func (s *shop) answer(q overhead.Question) (a overhead.Answer, err error) {
	ctx := context.Background()
	switch q.Do {
	case overhead.Fill:
		return a, s.fill(ctx, q.Orders)
	case overhead.Begin:
		s.ended.Store(0)
		s.first = sync.Once{}
		if s.client, err = s.newClient(); err != nil {
			return a, err
		}
		return a, s.client.Start(ctx)
	case overhead.End:
		return a, s.client.Stop(ctx)
	}
	if a.Ended = s.ended.Load(); a.Ended > 0 {
		a.Began, a.Last, a.CPU = s.began, time.Unix(0, s.last.Load()), lab.CPU()-s.cpu
	}
	return a, nil
}

// fill enqueues orders as a checkout would: the order and its job in one transaction.
func (s *shop) fill(ctx context.Context, ids []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, id := range ids {
		g.Go(func() error {
			body, err := overhead.Request(s.kind, id)
			if err != nil {
				return err
			}
			return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `INSERT INTO orders (id, state) VALUES ($1, 'queued')`, id); err != nil {
					return err
				}
				_, err := s.client.InsertTx(ctx, tx, issue{id, body}, nil)
				return err
			})
		})
	}
	return g.Wait()
}

// starts notes when the first task of a round starts.
func (s *shop) starts() {
	s.first.Do(func() { s.began, s.cpu = time.Now(), lab.CPU() })
}

// end ends an order, its event and its job in one transaction.
func (s *shop) end(ctx context.Context, id string, complete func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE orders SET state = 'issued', final = now() WHERE id = $1`, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO events (order_id, state) VALUES ($1, 'issued')`, id); err != nil {
			return err
		}
		return complete(tx)
	})
	if err == nil {
		s.last.Store(time.Now().UnixNano())
		s.ended.Add(1)
	}
	return err
}
