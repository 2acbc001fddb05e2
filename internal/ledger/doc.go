// Package ledger keeps the truth about every order and refund in Redis: one hash each, changed
// only by conditional Lua scripts that are named after their transition. The queue merely wakes
// workers up; what has happened is written here.
//
// An order:
//
//	            begin           submit              accept             finish
//	(no record) ─────► queued ─────────► submitting ───────► accepted ─────────► issued
//	                     ▲                 │   │  ▲              │
//	                     └── not sent ─────┘   │  └ unknown: look│up first
//	                                           │                 │
//	                                           └──── finish ─────┴──► failed, review
//	                                                 review ── resolve ──► issued, failed
//	                                                 review ── reopen ───► queued, submitting
//
// A claimed order may end while it is still queued, too: when its document proves unusable.
//
// A refund:
//
//	(no record) ─► queued ─► submitting ─► refunded, partially_refunded, failed, review
//	               review ── resolve ──► refunded, partially_refunded, failed
//	               review ── reopen ───► queued, submitting
//
// Whoever works on a record holds its fence: a number that grows with every claim, the runner's
// name and a time until which the claim is valid. A transition that comes with an old fence is
// refused, and the refusal says what the record holds now. Nothing is ever written blindly.
//
// The package may import internal/seal (for the type of sealed values) and providers; it knows
// nothing of the queue.
package ledger
