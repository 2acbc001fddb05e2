package conformance

import (
	"bytes"
	"compress/gzip"
	"testing"
)

// Zip is a text as a server sends it that compresses its answers.
func Zip(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
