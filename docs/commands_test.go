package docs

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build makes worker and enqueue in a folder of their own.
func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/worker", "./cmd/enqueue")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

var (
	shell  = regexp.MustCompile("(?s)```sh\n(.*?)```")
	inline = regexp.MustCompile("`((?:enqueue|worker) [^`]+)`")
	prefix = regexp.MustCompile(`^(?:timeout \d+ )?(?:go run \./cmd/)?(enqueue|worker)\b`)
	remark = regexp.MustCompile(`\s+# .*$`)
)

// commands are the calls of worker and enqueue in a document: those in its shell blocks, without remarks, and
// those in its text.
func commands(text string) (blocks, inText []string) {
	for _, block := range shell.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSpace(remark.ReplaceAllString(strings.TrimRight(line, "\n"), ""))
			if prefix.MatchString(line) {
				blocks = append(blocks, line)
			}
		}
	}
	for _, m := range inline.FindAllStringSubmatch(text, -1) {
		inText = append(inText, m[1])
	}
	return blocks, inText
}

var (
	flagWord = regexp.MustCompile(`(?:^|[ \[])(--[a-z-]+)`)
	word     = regexp.MustCompile(`^[a-z]+$`)
)

// What the documents say of the programs is true of the programs.
func TestCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the programs")
	}
	dir := build(t)
	t.Run("exist", func(t *testing.T) { exist(t, dir) })
	t.Run("exit codes", func(t *testing.T) { exitCodes(t, dir) })
	for _, name := range []string{"README.md", "docs/enqueueing.md"} {
		t.Run("work as printed in "+filepath.Base(name), func(t *testing.T) { work(t, dir, name) })
	}
}

// exist: every command that a document prints exists, with its flags.
func exist(t *testing.T, dir string) {
	help := map[string]string{}
	helpOf := func(program, sub string) string {
		name := strings.TrimSpace(program + " " + sub)
		if _, asked := help[name]; !asked {
			args := append(strings.Fields(sub), "--help")
			out, err := exec.Command(filepath.Join(dir, program), args...).CombinedOutput()
			help[name] = string(out)
			if err != nil || !strings.Contains(string(out), "\n  "+name+" ") && !strings.Contains(string(out), "\n  "+name+"\n") {
				help[name] = ""
			}
		}
		return help[name]
	}
	checked := 0
	for name, text := range documents(t) {
		blocks, inText := commands(text)
		for _, line := range slices.Concat(blocks, inText) {
			program := prefix.FindStringSubmatch(line)[1]
			_, rest, _ := strings.Cut(line, program)
			sub := ""
			if f := strings.Fields(rest); len(f) > 0 && word.MatchString(f[0]) {
				sub = f[0]
			}
			text := helpOf(program, sub)
			if f := strings.Fields(rest); len(f) > 1 && word.MatchString(f[1]) {
				if own := helpOf(program, sub+" "+f[1]); own != "" {
					text = own // a command of a command
				}
			}
			if text == "" {
				t.Errorf("%s: %q: there is no %s %s", name, line, program, sub)
				continue
			}
			checked++
			for _, m := range flagWord.FindAllStringSubmatch(rest, -1) {
				if !strings.Contains(text, m[1]+" ") && !strings.Contains(text, m[1]+"\n") {
					t.Errorf("%s: %q: no flag %s", name, line, m[1])
				}
			}
		}
	}
	if checked < 60 {
		t.Errorf("only %d commands were found", checked)
	}
}

var (
	exitRow   = regexp.MustCompile(`(?m)^\| (\d) \| (.*) \|$`)
	errorCode = regexp.MustCompile("`([a-z_]+)`")
)

// exitCodes: the program's help names every exit code and every error code that the document lists.
func exitCodes(t *testing.T, dir string) {
	out, err := exec.Command(filepath.Join(dir, "enqueue"), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	help, found := string(out), 0
	for _, row := range exitRow.FindAllStringSubmatch(section(t, read(t, "enqueueing.md"), "## The command line"), -1) {
		for _, m := range errorCode.FindAllStringSubmatch(row[2], -1) {
			if slices.Contains([]string{"bulk", "violations", "path", "rule", "shape"}, m[1]) {
				continue // no codes, but what they are about
			}
			if found++; !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(help) {
				t.Errorf("enqueue --help has no code %s", m[1])
			}
		}
		if !regexp.MustCompile(`\b` + row[1] + ` `).MatchString(help) {
			t.Errorf("enqueue --help has no exit code %s", row[1])
		}
	}
	if found < 10 {
		t.Errorf("only %d codes were found", found)
	}
}

// sandbox runs the worker as the documents say, in quiet and on ports of its own.
func sandbox(t *testing.T, dir string, env []string, more ...string) {
	t.Helper()
	w := exec.Command(filepath.Join(dir, "worker"), append([]string{"--sandbox", "--demo", "0", "--http-addr", "127.0.0.1:0", "--sandbox-job-every", "300ms",
		"--sandbox-ecticket-addr", "127.0.0.1:0", "--sandbox-pass2u-addr", "127.0.0.1:0"}, more...)...)
	w.Env = env
	out, err := w.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errors strings.Builder
	w.Stderr = &errors
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "Send an order") {
				close(ready)
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		_ = w.Process.Signal(syscall.SIGTERM)
		<-ended
		if err := w.Wait(); err != nil {
			t.Errorf("the sandbox: %v\n%s", err, errors.String())
		}
	})
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("the sandbox ended\n%s", errors.String())
	case <-limit.C:
		t.Fatal("the sandbox does not start")
	}
}

// work: every command of a document works as printed, one after the other, while a sandbox runs.
func work(t *testing.T, dir, name string) {
	examples, err := filepath.Abs(filepath.Join(root, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	clone := t.TempDir()
	if err := os.Symlink(examples, filepath.Join(clone, "examples")); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + clone, "XDG_CACHE_HOME=" + clone, "USER=tester"}
	sandbox(t, dir, env)
	blocks, _ := commands(read(t, filepath.Join(root, name)))
	ran := 0
	for _, line := range blocks {
		rest, ok := strings.CutPrefix(line, "go run ./cmd/enqueue")
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+filepath.Join(dir, "enqueue")+rest)
		cmd.Dir, cmd.Env = clone, env
		out, _ := cmd.CombinedOutput() // the exit code says how it ended
		cancel()
		want := 0
		if strings.Contains(line, "ecticket-late") {
			want = 2
		}
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Fatalf("%q: exit code %d\n%s", line, code, out) // the next ones build on it
		}
		ran++
	}
	if ran < 8 {
		t.Errorf("only %d commands were run", ran)
	}
}
