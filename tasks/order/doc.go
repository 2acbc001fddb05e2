// Package order holds the names and states of orders and refunds: the vocabulary that the public
// package tasks, the ledger, the handlers and the command line share. Package tasks offers all of it
// under the same names, so a checkout need not import this package.
//
// It imports package providers and nothing else of ours.
package order
