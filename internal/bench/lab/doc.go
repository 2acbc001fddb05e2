// Package lab is what benchmarks share: a private redis-server, commands of the product, child processes of the benchmark
// itself, so that a simulator or a worker does not share a Go runtime with what is measured, and
// the statistics of interleaved rounds.
//
// Everything a lab starts listens on the loopback interface only and ends with the benchmark. It
// imports nothing of ours.
package lab
