package docs

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const webhookSecret = "whsec_ZG9jdW1lbnRzLW9ubHktMzItYnl0ZXMtZm9yLXRlc3Q="

// example is a receiver of docs/webhooks.md: a program and its arguments, with the address it is to listen on.
type example struct {
	name, language, file string
	args                 func(file, addr string) []string
}

var examples = []example{
	{"php", "php", "receiver.php", func(file, addr string) []string { return []string{"-S", addr, file} }},
	{"node", "js", "receiver.mjs", func(file, _ string) []string { return []string{file} }},
}

// receiver runs an example and returns its URL and what it prints.
func receiver(t *testing.T, e example, text string) (url string, lines <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	file := filepath.Join(t.TempDir(), e.file)
	code := regexp.MustCompile("(?s)```" + e.language + "\n(.*?)```").FindStringSubmatch(text)[1]
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(e.name, e.args(file, addr)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "WEBHOOK_SECRET=" + webhookSecret, "PORT=" + port}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out := make(chan string, 100)
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			out <- s.Text()
		}
		close(out)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		r.Close()
	})
	url = "http://" + addr
	waitFor(t, e.name+" to listen", func() bool {
		res, err := http.Post(url, "application/json", strings.NewReader("{}")) // a forgery
		if err != nil {
			return false
		}
		res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Fatalf("%s answers %d to a forgery", e.name, res.StatusCode)
		}
		return true
	})
	return url, out
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// The receivers that docs/webhooks.md prints verify what a front door sends, and refuse a forgery; the commands of the
// document work as printed.
func TestWebhooks(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the programs")
	}
	text := read(t, "webhooks.md")
	dir, home := build(t), t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=" + home, "USER=tester"}
	sandbox(t, dir, env)
	file := "webhooks:\n"
	printed := map[string]<-chan string{}
	for _, e := range examples {
		if _, err := exec.LookPath(e.name); err != nil {
			t.Logf("%s is not installed", e.name)
			continue
		}
		url, lines := receiver(t, e, text)
		printed[e.name] = lines
		file += fmt.Sprintf("  - {name: %s, url: %q, secret: %s, allow_private: true}\n", e.name, url, webhookSecret)
	}
	if len(printed) == 0 {
		t.Skip("neither php nor node is installed")
	}
	path := filepath.Join(home, "webhooks.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(env, "GATEWAY_WEBHOOKS_FILE="+path)
	serveOver(t, dir, env)
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(filepath.Join(dir, "enqueue"), args...)
		cmd.Env, cmd.Dir = env, root
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	waitFor(t, "the front door to serve", func() bool { return strings.Count(run("webhooks", "list"), "  ok\n") >= len(printed) }) // the sandbox has one of its own
	run("issue", "--provider", "ecticket", "examples/ecticket-order.json", "--wait")
	for name, lines := range printed {
		t.Run(name, func(t *testing.T) {
			expect(t, lines, "verified order.issued of CBX20220302153064851")
			for _, block := range shell.FindAllStringSubmatch(section(t, text, "## Looking, testing, sending again"), -1) {
				for line := range strings.Lines(block[1]) {
					line = remark.ReplaceAllString(strings.TrimSpace(line), "")
					if strings.Contains(line, " forget ") {
						continue // the endpoint is still in the file, and refused
					}
					line = strings.NewReplacer("A1001", "CBX20220302153064851", " shop", " "+name, "enqueue ", "").Replace(line)
					run(strings.Fields(line)...)
				}
			}
			expect(t, lines, "verified order.issued of CBX20220302153064851") // the replay
		})
	}
}

// expect waits for a line that holds a text.
func expect(t *testing.T, lines <-chan string, text string) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("it ended without %q", text)
			}
			if strings.Contains(line, text) {
				return
			}
		case <-limit.C:
			t.Fatalf("no %q", text)
		}
	}
}
