// Package faults measures, in virtual time, how long it takes from a fault of a provider, of the network or of a worker
// until the true status of an order or refund is recorded, and checks that it is the true one.
//
// Real: the clients of both providers over HTTP, asynq, the handlers, the ledger and the call budget with their scripts,
// the poller, the queues' holder and the sweeper, wired as in cmd/worker. Modelled: the providers, by their simulators;
// the network, as 100 ms a call; Redis, by miniredis, which answers in no time.
//
// Virtual time is that of testing/synctest, so a run belongs to a test or to a process of its own; see Child. It may
// import what cmd/worker is made of, both simulators, and internal/bench/bubble.
package faults
