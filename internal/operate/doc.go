// Package operate is what operators do to orders and refunds, and the evidence by which they decide: the same for the
// command line and the console.
//
// It may import package tasks, providers, internal/budget, internal/ledger and internal/queue.
package operate
