package docs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"issuance/internal/bulk"
	"issuance/providers/ecticket/ecticketdoc"
)

// serveOver starts a front door over the sandbox that env finds, and returns its URL.
func serveOver(t *testing.T, dir string, env []string) string {
	t.Helper()
	s := exec.Command(filepath.Join(dir, "enqueue"), "serve", "--http-addr", "127.0.0.1:0")
	s.Env = env
	log, err := s.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	found, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(lines.Text()); m != "" {
				select {
				case found <- m:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = s.Process.Signal(syscall.SIGTERM)
		<-ended
		if err := s.Wait(); err != nil {
			t.Errorf("the front door: %v", err)
		}
	})
	select {
	case url := <-found:
		return url
	case <-ended:
		t.Fatal("the front door ended")
	}
	return ""
}

// What docs/http.md prints works as printed: curl, PHP and Node, where they are installed.
func TestHTTP(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the programs")
	}
	dir, home := build(t), t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=" + home, "USER=tester"}
	sandbox(t, dir, env)
	url := serveOver(t, dir, env)
	text := read(t, "http.md")
	run := func(t *testing.T, name string, args ...string) string {
		t.Helper()
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
		cmd := exec.Command(name, args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "ISSUANCE_URL="+strings.Replace(url, "127.0.0.1", "localhost", 1))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	t.Run("curl", func(t *testing.T) {
		if _, err := exec.LookPath("curl"); err != nil {
			t.Skip("curl is not installed")
		}
		script := shell.FindStringSubmatch(section(t, text, "## First order"))[1]
		script = strings.ReplaceAll(strings.ReplaceAll(script, "localhost:8090", url), "curl ", "curl --fail-with-body -w '\\n' ")
		out := run(t, "sh", "-ec", script)
		for _, want := range []string{`"state":"issued"`, `"refund_id":"R1"`, `"complete":true`, `"type":"order.issued"`} {
			if !strings.Contains(out, want) {
				t.Errorf("no %s in\n%s", want, out)
			}
		}
	})
	t.Run("bodies", func(t *testing.T) { bodies(t, url, section(t, text, "## Bodies")) })
	for language, program := range map[string][]string{"php": {"php"}, "js": {"node", "--input-type=module", "-e"}} {
		t.Run(program[0], func(t *testing.T) {
			code := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(text)[1]
			if len(program) == 1 {
				file := filepath.Join(home, "example.php")
				if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
					t.Fatal(err)
				}
				code = file
			}
			if out := run(t, program[0], append(program[1:], code)...); !strings.HasSuffix(strings.TrimSpace(out), ": issued") {
				t.Errorf("%s", out)
			}
		})
	}
	// A client that is generated from the description, as examples/typescript says. Its packages come from npm.
	t.Run("typescript", func(t *testing.T) {
		if os.Getenv("CI") == "" && os.Getenv("ISSUANCE_TEST_NPM") == "" {
			t.Skip("runs with CI or ISSUANCE_TEST_NPM set: it fetches packages")
		}
		at := filepath.Join(home, "typescript")
		if err := os.CopyFS(at, os.DirFS(filepath.Join(root, "examples", "typescript"))); err != nil {
			t.Fatal(err)
		}
		out := run(t, "npm", "--prefix", at, "ci", "--no-audit", "--no-fund")
		for _, script := range []string{"generate", "build", "start"} {
			out = run(t, "npm", "--prefix", at, "run", "--silent", script)
		}
		if !strings.HasSuffix(strings.TrimSpace(out), ": issued") {
			t.Errorf("%s", out)
		}
	})
}

var (
	printedJSON = regexp.MustCompile("(?s)```json\n(.*?)```")
	// varying are the parts of a body that are another one each time: times, counts of look-ups, and ids.
	varying = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*Z"|"polls":\d+|"provider_ref":"\d+"|"request_id":"\w+"`)
)

// bodies: each request of a section is answered with the body that the section prints.
func bodies(t *testing.T, url, text string) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	var requests []string
	for line := range strings.Lines(shell.FindStringSubmatch(text)[1]) {
		requests = append(requests, strings.ReplaceAll(line, "localhost:8090", url))
	}
	printed := printedJSON.FindAllStringSubmatch(text, -1)
	if len(requests) != 4 || len(printed) != len(requests) {
		t.Fatalf("%d requests, and %d bodies", len(requests), len(printed))
	}
	for i, request := range requests {
		out, err := exec.Command("sh", "-ec", request).Output()
		if err != nil {
			t.Fatalf("%s: %v", request, err)
		}
		got, want := bare(t, out), bare(t, []byte(printed[i][1]))
		if got != want {
			t.Errorf("%sis answered\n%s\nand not\n%s", request, got, want)
		}
	}
}

// bare is a body without what varies and how it is broken into lines.
func bare(t *testing.T, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return varying.ReplaceAllStringFunc(strings.TrimSpace(b.String()), func(part string) string {
		name, _, _ := strings.Cut(part, ":")
		if strings.HasPrefix(part, `"20`) {
			return `"time"`
		}
		return name + `:"varies"`
	})
}

// A worker and a front door as in production work as printed, over the simulator of a sandbox.
func TestAWorkerAndAFrontDoorOfYourOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the programs")
	}
	for _, name := range []string{"redis-server", "redis-cli", "openssl", "curl"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	dir, home := build(t), t.TempDir()
	script := shell.FindStringSubmatch(section(t, read(t, "http.md"), "## A worker and a front door of your own"))[1]
	for _, port := range []string{"9301", "6390", "8091", "8092"} {
		script = strings.ReplaceAll(script, port, freePort(t))
	}
	simulator := regexp.MustCompile(`ECTICKET_BASE_URL=http://(\S+)`).FindStringSubmatch(script)[1]
	port := regexp.MustCompile(`--port (\d+)`).FindStringSubmatch(script)[1]
	// What is started ends also where a line fails.
	script = "trap 'kill $worker $door 2>/dev/null || true; redis-cli -p " + port + " shutdown 2>/dev/null || true' EXIT\n" +
		strings.NewReplacer("go build -o /tmp/issuance/ ./cmd/worker ./cmd/enqueue\n", "", "/tmp/issuance/", dir+"/").Replace(script)
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=" + home, "USER=tester", "TMPDIR=" + home}
	sandbox(t, dir, env, "--sandbox-ecticket-addr", simulator)
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", script)
	cmd.Dir, cmd.Env = root, env
	out, err := cmd.CombinedOutput()
	for _, want := range []string{`"state":"queued"`, `"state":"issued"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s", want)
		}
	}
	if err != nil || t.Failed() {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
}

// freePort is a port of this machine on which nothing listens now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestTheLimitsOfBodiesAreSaid: that of the whole body, and that of the document in it.
func TestTheLimitsOfBodiesAreSaid(t *testing.T) {
	text, err := os.ReadFile("http.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{"at most 1 MiB", fmt.Sprintf("%d KiB for ECTicket", ecticketdoc.MaxDocument>>10), fmt.Sprintf("a line of a bulk may have %d KiB", bulk.MaxRecord>>10)} {
		if !bytes.Contains(text, []byte(limit)) {
			t.Errorf("http.md does not say %q", limit)
		}
	}
}
