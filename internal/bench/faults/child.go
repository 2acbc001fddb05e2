package faults

import (
	"io"
	"testing"

	"issuance/internal/bench/lab"
)

// Name is what a child process of this package is called.
const Name = "faults"

// Question is what a child is asked for; it answers with a []Row and ends.
type Question struct{ Quick bool }

// Child answers one question and ends the process.
func Child(_ []string, in io.Reader, out io.Writer) error {
	return lab.AnswerInTest(Name, in, out, func(t *testing.T, q Question) ([]Row, error) { return Run(t, q.Quick), nil })
}
