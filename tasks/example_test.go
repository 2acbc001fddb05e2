package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"issuance/providers"
	"issuance/tasks"
)

// Enqueueing is safe to repeat: the number decides. A receipt means that the order is recorded and will come to a
// final status; another document under a number that is taken is a *ConflictError.
func ExampleClient_Enqueue() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()

	for _, tickets := range []string{"2", "2", "3"} {
		receipt, err := shop.client.Enqueue(ctx, document("A1", tickets))
		var conflict *tasks.ConflictError
		var invalid *providers.InvalidError
		switch {
		case errors.As(err, &conflict):
			fmt.Println("number is taken:", conflict)
		case errors.As(err, &invalid):
			fmt.Println("document breaks rules:", invalid)
		case err != nil:
			fmt.Println("enqueue it again:", err)
		default:
			fmt.Println(receipt.Ref(), receipt.State, "duplicate:", receipt.Duplicate)
		}
	}
	// Output:
	// ecticket:2000132/A1 queued duplicate: false
	// ecticket:2000132/A1 queued duplicate: true
	// number is taken: ecticket:2000132/A1: another document has this id (it is queued)
}

// A checkout whose customer waits waits for the end, for as long as the customer does.
func ExampleClient_Wait() {
	shop := openShop()
	defer shop.close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	receipt, err := shop.client.Enqueue(ctx, document("A1", "2"))
	if err != nil {
		panic(err)
	}
	shop.worker(receipt.Ref(), tasks.Issued)

	status, err := shop.client.Wait(ctx, receipt.Account, receipt.OrderID, tasks.WithTickets())
	if err != nil { // the order goes on; its event or a later Status has the end
		panic(err)
	}
	fmt.Println(status.State, status.ProviderRef)
	// Output: issued EC20240501000001
}

// A status says where an order stands, what it waits for, and whether any worker is there. An account without a
// merchant is the provider's default.
func ExampleClient_Status() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	ecticket := tasks.Account{Provider: providers.ECTicket}

	_, err := shop.client.Status(ctx, ecticket, "A1")
	fmt.Println("unknown:", errors.Is(err, tasks.ErrUnknownOrder))

	if _, err := shop.client.Enqueue(ctx, document("A1", "2")); err != nil {
		panic(err)
	}
	status, err := shop.client.Status(ctx, ecticket, "A1")
	if err != nil {
		panic(err)
	}
	fmt.Println(status.State, "requests:", status.Attempts, "final:", status.FinalAt != nil)
	fmt.Println("waits for", status.Waits.For, "no worker:", status.Waits.NoWorker)
	// Output:
	// unknown: true
	// queued requests: 0 final: false
	// waits for a free worker no worker: true
}

// Many orders and refunds are looked up in one round trip.
func ExampleClient_States() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()

	var refs []tasks.Ref
	for _, number := range []string{"A1", "A2"} {
		receipt, err := shop.client.Enqueue(ctx, document(number, "2"))
		if err != nil {
			panic(err)
		}
		refs = append(refs, receipt.Ref())
	}
	shop.worker(refs[0], tasks.Issued)
	refs = append(refs, tasks.Ref{Account: refs[0].Account, OrderID: "A3"})

	states, err := shop.client.States(ctx, refs)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%q\n", states)
	// Output: ["issued" "queued" ""]
}

// A reader keeps its position in Redis: after a restart it goes on behind the last event that was committed.
// What came twice has the same ID.
func ExampleEventReader() {
	shop := openShop()
	defer shop.close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	for _, number := range []string{"A1", "A2"} {
		receipt, err := shop.client.Enqueue(ctx, document(number, "2"))
		if err != nil {
			panic(err)
		}
		shop.worker(receipt.Ref(), tasks.Issued)
	}
	for range 2 { // the program is started twice
		events, err := shop.client.Events("bookkeeping")
		if err != nil {
			panic(err)
		}
		event, err := events.Next(ctx)
		var gap *tasks.GapError
		if errors.As(err, &gap) { // away for too long: look up what is still waited for, and go on
			event, err = events.Next(ctx)
		}
		if err != nil {
			panic(err)
		}
		fmt.Println(event.ID)
		if err := events.Commit(ctx, event); err != nil { // once it is booked
			panic(err)
		}
	}
	// Output:
	// ecticket:2000132/A1/issued/1
	// ecticket:2000132/A2/issued/1
}

// An order of which nothing was sent can be cancelled.
func ExampleClient_Cancel() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()

	receipt, err := shop.client.Enqueue(ctx, document("A1", "2"))
	if err != nil {
		panic(err)
	}
	fmt.Println(shop.client.Cancel(ctx, receipt.Ref(), "checkout", "the customer has left"))

	receipt, err = shop.client.Enqueue(ctx, document("A2", "2"))
	if err != nil {
		panic(err)
	}
	shop.worker(receipt.Ref(), tasks.Issued)
	err = shop.client.Cancel(ctx, receipt.Ref(), "checkout", "the customer has left")
	var late *tasks.NotCancellableError
	fmt.Println(errors.As(err, &late), err)
	// Output:
	// <nil>
	// true ecticket:2000132/A2 has ended already (issued)
}

// A refund has an id of the caller's: repeating it refunds once.
func ExampleClient_EnqueueRefund() {
	shop := openShop()
	defer shop.close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	order, err := shop.client.Enqueue(ctx, document("A1", "2"))
	if err != nil {
		panic(err)
	}
	shop.worker(order.Ref(), tasks.Issued)
	receipt, err := shop.client.EnqueueRefund(ctx, []byte(`{"provider": "ecticket", "refund_id": "R1",
		"request": {"MerchantTradeNo": "A1", "all": true}}`))
	if err != nil {
		panic(err)
	}
	shop.worker(receipt.Ref(), tasks.Refunded)

	status, err := shop.client.WaitRefund(ctx, receipt.Account, receipt.OrderID, receipt.RefundID)
	if err != nil {
		panic(err)
	}
	r := status.Refund(receipt.RefundID)
	fmt.Println(r.RefundID, r.State, r.Refunded)
	// Output: R1 refunded 2
}
