package sandboxfile_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"issuance/internal/sandboxfile"
)

// home gives the test a cache folder of its own, on every system, and returns the folder of the files.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(name, dir)
	}
	path, err := sandboxfile.Dir()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, info sandboxfile.Info) (remove func() error) {
	t.Helper()
	remove, err := sandboxfile.Write(info)
	if err != nil {
		t.Fatal(err)
	}
	return remove
}

// urls are the addresses that are found, the latest first.
func urls(t *testing.T) []string {
	t.Helper()
	list, err := sandboxfile.List()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	out := []string{}
	for _, info := range list {
		out = append(out, info.RedisURL+info.ClusterAddrs)
	}
	return out
}

func only(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the folder holds %v (%v), want only the one file", files, err)
	}
	return files[0]
}

func TestTheCommandLineReadsWhatTheSandboxWrote(t *testing.T) {
	dir := home(t)
	for _, want := range []sandboxfile.Info{{RedisURL: "redis://127.0.0.1:6380/0"}, {ClusterAddrs: "127.0.0.1:7000,127.0.0.1:7001"}} {
		remove := write(t, want)
		got, err := sandboxfile.List()
		if err != nil || len(got) != 1 || got[0].RedisURL != want.RedisURL || got[0].ClusterAddrs != want.ClusterAddrs || got[0].PID != os.Getpid() {
			t.Errorf("List() = %+v, %v; want %+v", got, err, want)
		}
		only(t, dir) // no half-written file is left
		if err := remove(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTwoSandboxesDoNotOverwriteEachOther(t *testing.T) {
	home(t)
	first := write(t, sandboxfile.Info{RedisURL: "first"})
	second := write(t, sandboxfile.Info{RedisURL: "second"})
	if got := urls(t); !slices.Equal(got, []string{"second", "first"}) {
		t.Errorf("found: %v", got)
	}
	if err := second(); err != nil {
		t.Fatal(err)
	}
	if got := urls(t); !slices.Equal(got, []string{"first"}) {
		t.Errorf("the second one's end leaves %v", got)
	}
	if err := errors.Join(first(), first()); err != nil { // a file that is gone is no error
		t.Error(err)
	}
	if got := urls(t); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestTheFileOfADeadSandboxIsRemovedByTheNext(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows keeps it")
	}
	home(t)
	dead := exec.Command(os.Args[0], "-test.run=^$")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	write(t, sandboxfile.Info{RedisURL: "dead", PID: dead.Process.Pid})
	write(t, sandboxfile.Info{RedisURL: "living"})
	write(t, sandboxfile.Info{RedisURL: "latest"})
	if got := urls(t); !slices.Equal(got, []string{"latest", "living"}) {
		t.Errorf("found: %v", got)
	}
}

// Whatever another user may have written, or put where it is, is not believed, by root as little as by anybody.
func TestOnlyFilesAndFoldersOfTheCallerCount(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	untrusted := map[string]func(t *testing.T, dir, file string) error{
		"a file that others may read":     func(_ *testing.T, _, file string) error { return os.Chmod(file, 0o644) },
		"a file that others may write":    func(_ *testing.T, _, file string) error { return os.Chmod(file, 0o602) },
		"a folder that a group may write": func(_ *testing.T, dir, _ string) error { return os.Chmod(dir, 0o770) },
		"a folder that all may write":     func(_ *testing.T, dir, _ string) error { return os.Chmod(dir, 0o707) },
		"a link to a file": func(t *testing.T, _, file string) error {
			elsewhere := filepath.Join(t.TempDir(), "x")
			return errors.Join(os.Rename(file, elsewhere), os.Symlink(elsewhere, file))
		},
		"a link to a folder": func(t *testing.T, dir, _ string) error {
			elsewhere := filepath.Join(t.TempDir(), "x")
			return errors.Join(os.Rename(dir, elsewhere), os.Symlink(elsewhere, dir))
		},
	}
	if os.Geteuid() == 0 { // only root can give files away
		untrusted["another user's file"] = func(_ *testing.T, _, file string) error { return os.Chown(file, 4711, -1) }
		untrusted["another user's folder"] = func(_ *testing.T, dir, _ string) error { return os.Chown(dir, 4711, -1) }
	}
	for name, change := range untrusted {
		t.Run(name, func(t *testing.T) {
			dir := home(t)
			write(t, sandboxfile.Info{RedisURL: "redis://127.0.0.1:6379"})
			if stat, err := os.Stat(only(t, dir)); err != nil || stat.Mode().Perm() != 0o600 {
				t.Errorf("mode is %v (%v), want 0600", stat.Mode().Perm(), err)
			}
			if err := change(t, dir, only(t, dir)); err != nil {
				t.Fatal(err)
			}
			if list, err := sandboxfile.List(); !errors.Is(err, sandboxfile.ErrUntrusted) || list != nil {
				t.Errorf("it is accepted: %v, %v", list, err)
			}
		})
	}
}

// A file that is not trusted does not hide one that is.
func TestUntrustedFilesAreLeftOut(t *testing.T) {
	dir := home(t)
	write(t, sandboxfile.Info{RedisURL: "theirs"})
	if err := os.Chmod(only(t, dir), 0o666); err != nil {
		t.Fatal(err)
	}
	write(t, sandboxfile.Info{RedisURL: "ours"})
	if got := urls(t); runtime.GOOS != "windows" && !slices.Equal(got, []string{"ours"}) {
		t.Errorf("found: %v", got)
	}
}

func TestWithoutACacheFolderNothingIsWrittenElsewhere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its variables are always set")
	}
	dir := t.TempDir()
	for name, value := range map[string]string{"XDG_CACHE_HOME": "", "HOME": "", "TMPDIR": dir} {
		t.Setenv(name, value)
	}
	if _, err := sandboxfile.Write(sandboxfile.Info{RedisURL: "redis://127.0.0.1:6379"}); err == nil {
		t.Error("it was written somewhere")
	}
	if _, err := sandboxfile.List(); err == nil {
		t.Error("something was found")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("the temporary folder holds %v (%v)", files, err)
	}
}

func TestWithoutASandboxThereIsNoFile(t *testing.T) {
	home(t)
	if _, err := sandboxfile.List(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("List() = %v, want fs.ErrNotExist", err)
	}
	if _, err := sandboxfile.Write(sandboxfile.Info{}); err == nil {
		t.Error("a file without a Redis was written")
	}
}

func TestADamagedFileIsAnError(t *testing.T) {
	dir := home(t)
	write(t, sandboxfile.Info{RedisURL: "redis://127.0.0.1:6379"})
	for _, text := range []string{"", "{", "[]", `{"pid":1}`} {
		if err := os.WriteFile(only(t, dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := sandboxfile.List(); err == nil {
			t.Errorf("%q is read as %+v", text, list)
		}
	}
}
