package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
)

// AnswerInTest is the life of a child process that answers one question in virtual time, which is to be had in tests only, so
// that it runs as one.
func AnswerInTest[Q, A any](name string, in io.Reader, out io.Writer, answer func(*testing.T, Q) (A, error)) error {
	var q Q
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return err
	}
	silent, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	os.Stdout = silent // for what a test prints when it ends
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: name, F: func(t *testing.T) {
		a, err := answer(t, q)
		if err == nil {
			err = json.NewEncoder(out).Encode(a)
		}
		if err != nil {
			t.Error(err)
			fmt.Fprintln(os.Stderr, err)
		}
	}}}, nil, nil)
	return nil
}
