// Command checkout is a checkout in small: it enqueues an order, says where it stands, waits for its end, and
// books final statuses as they come. It imports the public packages of this module and nothing internal, as any
// checkout does; it is compiled with every change, so that the contract stays usable from outside.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
	"issuance/tasks"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

// run enqueues the documents in files and waits for them; without any it books events.
func run(ctx context.Context, files []string) error {
	opt, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	rdb := redis.NewClient(opt)
	defer rdb.Close()
	client, err := tasks.NewClient(rdb, tasks.Options{SealKeys: os.Getenv("ISSUANCE_SEAL_KEYS")})
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return book(ctx, client)
	}
	var refs []tasks.Ref
	for _, name := range files {
		ref, err := sell(ctx, client, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		refs = append(refs, ref)
	}
	return deliver(ctx, client, refs)
}

// sell enqueues one document. After any other error than these two it is enqueued again.
func sell(ctx context.Context, client *tasks.Client, name string) (tasks.Ref, error) {
	document, err := os.ReadFile(name)
	if err != nil {
		return tasks.Ref{}, err
	}
	for try := 0; ; try++ {
		receipt, err := client.Enqueue(ctx, document, tasks.InLane(tasks.Checkout))
		var conflict *tasks.ConflictError
		var invalid *providers.InvalidError
		if err == nil || errors.As(err, &conflict) || errors.As(err, &invalid) || try == 5 {
			return receipt.Ref(), err
		}
		select {
		case <-ctx.Done():
			return tasks.Ref{}, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// deliver waits for orders and prints how they ended.
func deliver(ctx context.Context, client *tasks.Client, refs []tasks.Ref) error {
	states, err := client.States(ctx, refs)
	if err != nil {
		return err
	}
	for i, ref := range refs {
		if err := explain(ctx, client, ref, states[i]); err != nil {
			return err
		}
	}
	for _, ref := range refs {
		status, err := client.Wait(ctx, ref.Account, ref.OrderID)
		if err != nil {
			return err
		}
		fmt.Println(ref, status.State, status.ProviderRef)
	}
	return nil
}

// explain prints where an order stands and, where it has not ended, what it waits for.
func explain(ctx context.Context, client *tasks.Client, ref tasks.Ref, state tasks.State) error {
	fmt.Println(ref, state)
	if state.Final() {
		return nil
	}
	status, err := client.Status(ctx, ref.Account, ref.OrderID)
	if err != nil {
		return err
	}
	if w := status.Waits; w != nil {
		fmt.Printf("%s waits for %s\n", ref, w.For)
		if w.NoWorker {
			fmt.Println("no worker serves its queue")
		}
	}
	return nil
}

// book prints every end once it is there, from where the last run stopped.
func book(ctx context.Context, client *tasks.Client) error {
	events, err := client.Events("checkout-example")
	if err != nil {
		return err
	}
	for {
		event, err := events.Next(ctx)
		var gap *tasks.GapError
		if errors.As(err, &gap) {
			fmt.Println(gap)
			continue
		}
		if err != nil {
			return err
		}
		fmt.Println(event.At.Format(time.RFC3339), event.Ref, event.State, event.Code)
		if err := events.Commit(ctx, event); err != nil {
			return err
		}
	}
}
