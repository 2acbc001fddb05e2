package fairness

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
)

// Name is what a child process of this package is called.
const Name = "fairness"

// Question is what a child is asked for; it answers with a Result, or with a []SumRow, and ends.
type Question struct{ Quick, Sum bool }

// Child answers one question and ends the process: virtual time is to be had in tests only, so it runs as one.
func Child(_ []string, in io.Reader, out io.Writer) error {
	var q Question
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return err
	}
	silent, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	os.Stdout = silent // for what a test prints when it ends
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: Name, F: func(t *testing.T) {
		var r any
		if q.Sum {
			r, err = RunSum(t, q.Quick)
		} else {
			r, err = Run(t, q.Quick)
		}
		if err == nil {
			err = json.NewEncoder(out).Encode(r)
		}
		if err != nil {
			t.Error(err)
			fmt.Fprintln(os.Stderr, err)
		}
	}}}, nil, nil)
	return nil
}
