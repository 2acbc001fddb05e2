// Package chaos proves the product's first promise: every accepted order and refund reaches
// exactly one true final status, and nothing is issued or refunded twice, whatever crashes, times
// out, repeats or lies in between.
//
// A Rig is a whole installation: a real redis-server, both providers' simulators, and workers as
// processes of their own, built from ./cmd/worker. A Load is a seeded mix of orders and refunds,
// which producers enqueue, often more than once. A Weather makes the simulators misbehave, call by
// call, by seed. Disasters kill workers and Redis. In the end all of that stops, everything has to
// become final, and an Auditor compares the simulators' books with the ledger and the events,
// order by order and ticket by ticket.
//
//	go test ./internal/chaos                                   a short run with a fixed seed
//	go test ./internal/chaos -run TestChaos -timeout 30m -v -chaos.seed=N \
//	    -chaos.orders=2000 -chaos.refunds=500 -chaos.kill-every=5s -chaos.redis-restarts=3 \
//	    -chaos.redis-freeze=15s -chaos.stalls=2 -chaos.removals=20
//
// That the auditor can find something is proven as well: testdata/mutations holds planted bugs as
// diffs, and a test builds a worker with each of them and expects to be told. Three of them are
// planted at every test; all of them, and the same scenes without a bug, by -chaos.planted=all.
//
// The package is for tests only. It may import everything but cmd.
package chaos
