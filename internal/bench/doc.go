// Command bench measures what this product costs: calls to the provider, waiting, and its own
// machinery. Run it with
//
//	go run ./internal/bench polling
//	go run ./internal/bench checkout
//	go run ./internal/bench bulk
//	go run ./internal/bench faults
//	go run ./internal/bench console
//
// Each subcommand prints a table, or JSON with --json, and ends with 1 when a target is missed.
// Ratios come from one run. docs/benchmarks.md says what is real and what is modelled, and holds
// results.
//
// A benchmark is a file with a function of type bench that returns a report; main.go lists them.
package main
