// Package overhead measures what the product adds to the calls it exists for: orders per second
// through the real handlers, ledger, poller and servers, as a ratio to a bare asynq handler that
// makes the very same calls with the same client and does nothing else, and to one that keeps the
// smallest ledger besides; and what a second worker process brings. Each variant has a Redis of its
// own, on disk as we ship it; the simulated provider and each worker are processes of their own; the
// rounds of all variants are interleaved, and the call budget is off.
package overhead
