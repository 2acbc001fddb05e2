package deploy

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instructions of the Dockerfile, continued lines joined, comments left out.
func instructions(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	joined := strings.ReplaceAll(string(text), "\\\n", " ")
	for line := range strings.Lines(joined) {
		if line = strings.Join(strings.Fields(line), " "); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// The image holds static programs on nothing, runs as nobody, and stops by SIGTERM.
func TestDockerfile(t *testing.T) {
	lines := instructions(t)
	all := strings.Join(lines, "\n")
	for _, want := range []string{
		"CGO_ENABLED=0", "-trimpath", "./cmd/worker ./cmd/enqueue", "go mod verify",
		"/etc/ssl/certs/ca-certificates.crt", "zoneinfo.zip", "STOPSIGNAL SIGTERM", `ENTRYPOINT ["/usr/local/bin/worker"]`,
		`CMD ["/usr/local/bin/worker", "health"]`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
	last := slices.IndexFunc(lines, func(l string) bool { return l == "FROM scratch" })
	if last < 0 {
		t.Fatal("the image is not built on scratch")
	}
	user := ""
	for _, l := range lines[last:] {
		switch {
		case strings.HasPrefix(l, "USER "):
			user = strings.TrimPrefix(l, "USER ")
		case strings.HasPrefix(l, "RUN "), strings.HasPrefix(l, "ADD "), strings.HasPrefix(l, "COPY ") && !strings.HasPrefix(l, "COPY --from=build "):
			t.Errorf("the image gets more than what was built: %s", l)
		}
	}
	// A number, so that an orchestrator can see that it is not root.
	if !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(user) {
		t.Errorf("the image runs as %q", user)
	}
	if m := regexp.MustCompile(`(?i)(ENV|ARG) [^\n]*(KEY|SECRET|PASSWORD|HASH)`).FindString(all); m != "" {
		t.Errorf("a secret would be baked in: %s", m)
	}
}

// The image is built with the Go version that go.mod asks for.
func TestGoVersions(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(mod)
	if want == nil || !strings.Contains(strings.Join(instructions(t), "\n"), "golang:"+string(want[1])+" ") {
		t.Errorf("go.mod says go %s, the Dockerfile another", want)
	}
}

// Neither the builder nor git ever gets what holds secrets.
func TestSecretsAreIgnored(t *testing.T) {
	for file, want := range map[string][]string{
		"../.dockerignore": {".git", ".env", "deploy"},
		"../.gitignore":    {".env", "/deploy/worker.env", "/deploy/secrets/"},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for _, w := range want {
			if !slices.Contains(lines, w) {
				t.Errorf("%s does not ignore %s", file, w)
			}
		}
	}
}
