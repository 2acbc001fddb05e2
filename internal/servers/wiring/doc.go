// Package wiring holds the tests of the real handlers on the real queue, from a document to its end. It
// has no code of its own, and everything may be imported by its tests.
package wiring
