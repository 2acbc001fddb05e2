// Package growth measures what an order costs when many others are pending: enqueueing, processing,
// asking for its status, polling and sweeping, with ten thousand to a million orders in Redis, and how
// many bytes of Redis an order takes in each state. The orders are written as the product writes them;
// what is measured is the product's own code on a provider that answers at once.
package growth
