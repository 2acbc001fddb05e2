// Package chaos proves the product's first promise: every accepted order and refund reaches
// exactly one true final status, and nothing is issued or refunded twice, whatever crashes, times
// out, repeats or answers wrongly in between.
//
// A Rig is a whole installation: a real redis-server, both providers' simulators, and workers and front doors as
// processes of their own, built from ./cmd/worker and ./cmd/enqueue. A Load is a seeded mix of orders and refunds.
// Producers enqueue it, often more than once; some die between a document's record and its task, and
// some documents are to be cancelled while workers are taking them up. A Weather makes the simulators
// misbehave, call by call, by seed: answers are lost, wrong, or old ones, of look-ups too. Disasters kill workers
// and stall them past their claims and their tasks' leases, kill and freeze Redis, ban and pause accounts, silence providers (when hardly a call may
// leave any more), and delete, archive or orphan tasks in
// every lane and state, before a worker has begun them and after. In the end all of that stops and
// everything has to become final. Then settled records are deleted and their tasks made again, for
// which nobody may be called. An Auditor compares the simulators' books with the ledger and the
// events, order by order and ticket by ticket.
//
// Two in three producers come by HTTP, through a proxy that breaks connections before, in the middle of and after the
// request, and before and in the answer: with PUTs, with POSTs under an Idempotency-Key, with cancellations, and with
// bulks. Rivals put two documents under one number at the same time. Front doors are killed and stalled. They deliver
// webhooks to receivers of which two fail three times of ten and one is slow, and readers of events are cut off all
// the time. The Auditor compares receipts, deliveries and streams with the ledger: every receipt has a record, one
// document and a final status; every receiver accepts every event, those of one order in order; and readers read each
// event once.
//
// The front doors are built with short times for webhooks (testdata/times), by an overlay of the go command, as planted
// bugs are. The product has no setting for these times, so no installation can run with them.
//
//	go test ./internal/chaos                                   a short run with a fixed seed
//	go test ./internal/chaos -run TestChaos -timeout 30m -v -chaos.seed=N \
//	    -chaos.orders=2000 -chaos.refunds=500 -chaos.kill-every=5s -chaos.redis-restarts=3 \
//	    -chaos.redis-freeze=15s -chaos.stalls=12 -chaos.removals=120 -chaos.pauses=10 -chaos.replays=300 \
//	    -chaos.doors=3 -chaos.door-kills=20 -chaos.door-stalls=4
//
// That the auditor can find something is proven as well: testdata/mutations holds planted bugs as
// diffs, and a test builds a worker with each of them and expects the audit to find it. Some of them
// are planted at every test; all of them, and the same scenes without a bug, by -chaos.planted=all.
//
// The package is for tests only. It may import everything but cmd.
package chaos
