// Package metrics is what workers and front doors show to Prometheus: what a process counts itself (Process), and what
// Redis knows of accounts, queues and records (Shared). docs/metrics.md lists every metric; a test compares.
//
// No label has a customer's data, an order's number or a text of a provider's. Each label has few values.
//
// It may import internal/budget, internal/keys, internal/ledger, internal/notices, internal/queue, internal/redisconn, pollers, providers and
// tasks/order.
package metrics
