package livefile

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bench is a file whose first line names another one.
type bench struct {
	*File[string]
	t    *testing.T
	dir  string
	log  bytes.Buffer
	now  time.Time
	read int
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), now: time.Now()}
	b.write("secret", "one")
	b.write("file", "secret")
	f, err := Open(Config[string]{Path: filepath.Join(b.dir, "file"), Name: "test file", Kept: "what was read before", Parse: b.parse,
		Log: slog.New(slog.NewTextHandler(&b.log, nil)), Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	b.File = f
	return b
}

func (b *bench) parse(raw []byte, read func(string) ([]byte, error)) (string, error) {
	b.read++
	if string(raw) == "is broken" {
		return "", errors.New("line 1 is broken")
	}
	named, err := read(filepath.Join(b.dir, string(raw)))
	return string(named), err
}

// write writes a file and gives it a time long ago, so that it is not read again for its youth alone.
func (b *bench) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	old := b.now.Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) is(want string) {
	b.t.Helper()
	b.now = b.now.Add(Reread)
	if got := b.Current(); got != want {
		b.t.Errorf("%q is in force instead of %q", got, want)
	}
}

// A change of the file, or of a file that it names, is seen at the next look; without one nothing is read.
func TestAChangeIsSeen(t *testing.T) {
	b := newBench(t)
	b.is("one")
	if b.read != 1 {
		t.Errorf("the file was read %d times although nothing changed", b.read)
	}
	b.write("secret", "three")
	b.is("three")
	b.write("other", "two")
	b.write("file", "other")
	b.is("two")
	before := b.read
	b.write("other", "too")
	if b.Current() != "two" || b.read != before {
		t.Error("it is read at every question")
	}
}

// A file that has just changed may change again within one step of the file system's clock.
func TestAYoungFileIsReadAgain(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.dir, "secret")
	young := func(text string) {
		at := time.Now()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	young("two")
	b.is("two")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	young("six")
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	b.is("six")
}

// What cannot be used changes nothing. It is reported once a minute, and again when something else is wrong.
func TestABrokenFileChangesNothing(t *testing.T) {
	b := newBench(t)
	alarms := func(want int) {
		t.Helper()
		if n := strings.Count(b.log.String(), "alarm: the test file cannot be used, what was read before stay in force"); n != want {
			t.Errorf("%d alarms, want %d: %s", n, want, &b.log)
		}
	}
	b.write("file", "is broken")
	for range 5 {
		b.is("one")
	}
	alarms(1)
	b.now = b.now.Add(time.Minute)
	b.is("one")
	alarms(2)
	if err := os.Remove(filepath.Join(b.dir, "file")); err != nil {
		t.Fatal(err)
	}
	b.is("one")
	alarms(3)
	b.write("file", strings.Repeat("x", Most+1))
	b.is("one")
	alarms(4)
	if v, err := b.Reload(); err == nil || v != "one" || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("%q %v", v, err)
	}
	b.write("file", "secret")
	b.write("secret", "new")
	b.is("new")
	b.write("secret", "newer")
	if v, err := b.Reload(); err != nil || v != "newer" {
		t.Errorf("asked to, it is not read at once: %q %v", v, err)
	}
}

// The first reading has to succeed, and a fixed value needs no file.
func TestWhatCannotBeReadAtFirst(t *testing.T) {
	c := Config[string]{Path: filepath.Join(t.TempDir(), "none"), Name: "test file"}
	if _, err := Open(c); err == nil || !strings.HasPrefix(err.Error(), "test file: ") {
		t.Error(err)
	}
	f := Fixed("x")
	if v, err := f.Reload(); f.Current() != "x" || v != "x" || err != nil {
		t.Errorf("%q %v", v, err)
	}
}
