package sandboxfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"issuance/internal/sandboxfile"
)

// home gives the test a cache folder of its own, on every system.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(name, dir)
	}
	return dir
}

func TestTheCommandLineReadsWhatTheSandboxWrote(t *testing.T) {
	home(t)
	for _, want := range []sandboxfile.Info{
		{RedisURL: "redis://127.0.0.1:6379"},
		{RedisURL: "redis://127.0.0.1:6380/0"}, // the second write replaces the first
		{ClusterAddrs: "127.0.0.1:7000,127.0.0.1:7001"},
	} {
		if err := sandboxfile.Write(want); err != nil {
			t.Fatal(err)
		}
		got, err := sandboxfile.Read()
		want.PID = os.Getpid()
		if err != nil || got != want {
			t.Errorf("Read() = %+v, %v; want %+v", got, err, want)
		}
	}
	files, err := os.ReadDir(filepath.Dir(sandboxfile.Path()))
	if err != nil || len(files) != 1 {
		t.Errorf("the folder holds %d files (%v), want only the one: no half-written file is left", len(files), err)
	}
}

func TestTheFileIsForItsOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows has no such modes")
		return
	}
	home(t)
	if err := sandboxfile.Write(sandboxfile.Info{RedisURL: "redis://127.0.0.1:6379"}); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(sandboxfile.Path())
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", stat.Mode().Perm(), err)
	}
	if err := os.Chmod(sandboxfile.Path(), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := sandboxfile.Read(); !errors.Is(err, sandboxfile.ErrUntrusted) {
		t.Errorf("a file that others may read is accepted: %v", err)
	}
}

func TestWithoutASandboxThereIsNoFile(t *testing.T) {
	home(t)
	if _, err := sandboxfile.Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read() = %v, want fs.ErrNotExist", err)
	}
	if err := sandboxfile.Remove(); err != nil {
		t.Errorf("Remove() without a file: %v", err)
	}
	if err := sandboxfile.Write(sandboxfile.Info{}); err == nil {
		t.Error("a file without a Redis was written")
	}
}

func TestADamagedFileIsAnError(t *testing.T) {
	home(t)
	if err := os.MkdirAll(filepath.Dir(sandboxfile.Path()), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", "[]", `{"pid":1}`} {
		if err := os.WriteFile(sandboxfile.Path(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if info, err := sandboxfile.Read(); err == nil {
			t.Errorf("%q is read as %+v", text, info)
		}
	}
}

func TestRemoveLeavesALaterSandboxAlone(t *testing.T) {
	home(t)
	if err := sandboxfile.Write(sandboxfile.Info{RedisURL: "redis://127.0.0.1:6380", PID: os.Getpid() + 1}); err != nil {
		t.Fatal(err)
	}
	if err := sandboxfile.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := sandboxfile.Read(); err != nil {
		t.Errorf("another process's file was removed: %v", err)
	}
	if err := sandboxfile.Write(sandboxfile.Info{RedisURL: "redis://127.0.0.1:6380"}); err != nil {
		t.Fatal(err)
	}
	if err := sandboxfile.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := sandboxfile.Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("our own file is still there: %v", err)
	}
}
