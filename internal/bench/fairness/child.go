package fairness

import (
	"io"
	"testing"

	"issuance/internal/bench/lab"
)

// Name is what a child process of this package is called.
const Name = "fairness"

// Question is what a child is asked for; it answers with a Result, or with a []SumRow, and ends.
type Question struct{ Quick, Sum bool }

// Child answers one question and ends the process.
func Child(_ []string, in io.Reader, out io.Writer) error {
	return lab.AnswerInTest(Name, in, out, func(t *testing.T, q Question) (any, error) {
		if q.Sum {
			return RunSum(t, q.Quick)
		}
		return Run(t, q.Quick)
	})
}
