// Package fairness measures, in virtual time, what accounts that share their queues notice of each other: of one with a
// backlog, of one that is banned, and of one whose provider hangs.
//
// Real: asynq, package fair, the call budget, the handlers and the ledger with their scripts, the queues' holder, wired as in
// cmd/worker for an accounts file. Modelled: the provider, which issues at once; the network, as 100 ms a call; Redis, which
// answers in no time.
//
// Virtual time is that of testing/synctest, so a run belongs to a test or to a process of its own; see Child. It may import
// what cmd/worker is made of, and internal/bench/bubble and lab.
package fairness
