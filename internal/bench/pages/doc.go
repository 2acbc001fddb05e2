// Package pages measures the pages of the operators' console: the server time and the Redis commands of each, with very many
// orders in Redis, and what consoles that stand open cost Redis beside an idle worker. The pages are the product's own; orders
// that ended are copies of one that the product itself has taken there.
//
// It imports internal/bench/lab, internal/console, internal/frontdoor, internal/ledger and what these use.
package pages
