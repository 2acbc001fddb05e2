// Package ledger keeps the truth about every order and refund in Redis: one hash each, changed
// only by conditional Lua scripts that are named after their transition. The queue merely wakes
// workers up; what has happened is written here.
//
// An order:
//
//	         intake         submit              accept             finish
//	document ─────► queued ─────────► submitting ───────► accepted ─────────► issued
//	                 │  ▲                │   │  ▲              │
//	      cancelled ◄┘  └─── not sent ───┘   │  └ unknown: look│up first
//	                                         │                 │
//	                                         └──── finish ─────┴──► failed, review
//	                                               review ── resolve ──► issued, failed
//	                                               review ── reopen ───► queued, submitting
//
// A claimed order may end while it is still queued, too: when its document proves unusable.
//
// A refund:
//
//	document ─► queued ─► submitting ─► refunded, partially_refunded, failed, review
//	            queued ─► cancelled
//	            review ── resolve ──► refunded, partially_refunded, failed
//	            review ── reopen ───► queued, submitting
//
// A record exists from the moment its document is receipted, before it has a task. Whoever works on
// it holds its fence: a number that grows with every claim, the runner's name and a time until which
// the claim is valid. A transition that comes with an old fence is refused, and the refusal says what
// the record holds now. Nothing is ever written blindly.
//
// A settled record ages: what is bulky or personal moves to a hash of its own, the details, which
// expires first; the bare record (number, state, times, the provider's id) stays longer.
//
// The package may import internal/keys, internal/seal (for the type of sealed values), internal/shortnames, internal/tracing, providers and
// tasks/order; it knows nothing of the queue.
package ledger
