// Package overhead measures what the product adds to the calls it exists for: orders per second
// through the real handlers, ledger, poller and servers, as a ratio to a bare asynq handler that
// makes the very same calls with the same client and does nothing else. Redis, the simulated
// provider and each of the two workers are processes of their own; the rounds of the two are
// interleaved, and the call budget is off.
package overhead
