package deploy

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"issuance/internal/config"
)

// compose loads docker-compose.yml as Docker does, with one profile; the loader validates it
// against the schema of compose files.
func compose(t *testing.T, env []string, profiles ...string) *types.Project {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	opt, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithWorkingDirectory(root), cli.WithName("issuance"), cli.WithEnv(env), cli.WithProfiles(profiles))
	if err != nil {
		t.Fatal(err)
	}
	p, err := opt.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func table(t *testing.T, name string) config.Variable {
	t.Helper()
	for _, v := range config.Table() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no variable %s", name)
	return config.Variable{}
}

// Without a profile there are Redis and the worker; the sandbox has to be asked for, and needs
// nothing of the others.
func TestProfiles(t *testing.T) {
	for profile, want := range map[string][]string{"": {"redis", "worker"}, "sandbox": {"redis", "sandbox", "worker"}} {
		got := compose(t, nil, profile).ServiceNames()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("profile %q starts %v, want %v", profile, got, want)
		}
	}
	p := compose(t, nil, "sandbox")
	if s := p.Services["sandbox"]; len(s.DependsOn) != 0 || len(s.EnvFiles) != 0 || len(s.Volumes) != 0 || !slices.Equal(s.Command, []string{"--sandbox"}) {
		t.Errorf("the sandbox needs more than itself: %+v", s)
	}
	if w := p.Services["worker"]; slices.Contains(w.Command, "--sandbox") {
		t.Error("the production worker runs as a sandbox")
	}
}

// Every service runs without privileges, is reachable from this machine only, and is given
// enough time to stop.
func TestServicesAreHardened(t *testing.T) {
	shutdown, err := time.ParseDuration(table(t, "WORKER_SHUTDOWN_TIMEOUT").Default)
	if err != nil {
		t.Fatal(err)
	}
	ports := map[string]string{}
	for name, s := range compose(t, nil, "sandbox").Services {
		if s.User == "" || strings.HasPrefix(s.User, "0") || strings.HasPrefix(s.User, "root") {
			t.Errorf("%s runs as %q", name, s.User)
		}
		if s.Privileged || !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || len(s.CapAdd) != 0 || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s is not hardened", name)
		}
		if s.StopGracePeriod == nil {
			t.Errorf("%s has no stop_grace_period", name)
		} else if grace := time.Duration(*s.StopGracePeriod); s.Build != nil && grace <= shutdown {
			t.Errorf("%s is killed after %s, before WORKER_SHUTDOWN_TIMEOUT (%s)", name, grace, shutdown)
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q", name, p.Published, p.HostIP)
			}
			if other, twice := ports[p.Published]; twice {
				t.Errorf("%s and %s both publish %s", name, other, p.Published)
			}
			ports[p.Published] = name
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !v.ReadOnly {
				t.Errorf("%s may write %s", name, v.Source)
			}
		}
	}
}

// Redis runs with our configuration on a volume of its own, and the worker waits for it.
func TestRedisIsDurable(t *testing.T) {
	p := compose(t, nil)
	r := p.Services["redis"]
	conf := "/usr/local/etc/redis/redis.conf"
	mounted, data := false, false
	for _, v := range r.Volumes {
		mounted = mounted || v.Target == conf && filepath.Base(v.Source) == "redis.conf"
		data = data || v.Target == "/data" && v.Type == types.VolumeTypeVolume
	}
	if !mounted || !data || len(r.Command) < 2 || r.Command[0] != "redis-server" || r.Command[1] != conf {
		t.Errorf("redis.conf mounted: %v, data on a volume: %v, command %v", mounted, data, r.Command)
	}
	if r.HealthCheck == nil || r.HealthCheck.Disable {
		t.Error("redis has no health check")
	}
	if d := p.Services["worker"].DependsOn["redis"]; d.Condition != types.ServiceConditionHealthy {
		t.Errorf("the worker does not wait for redis: %+v", d)
	}
}

// No secret is written into the compose file: they come from files, by variables ending in _FILE.
func TestNoSecretsInline(t *testing.T) {
	for name, s := range compose(t, nil, "sandbox").Services {
		for _, v := range config.Table() {
			value, ok := s.Environment[v.Name]
			// The address of the compose file's own Redis is no secret: it has no password.
			if ok && v.Secret && (v.Name != "REDIS_URL" || value == nil || strings.Contains(*value, "@")) {
				t.Errorf("%s has %s in its environment", name, v.Name)
			}
		}
	}
}

// The example of the settings names only variables that exist, secrets only by file, and each
// file lies where the worker's secrets are mounted.
func TestExampleSettings(t *testing.T) {
	text, err := os.ReadFile("worker.env.example")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, v := range config.Table() {
		known[v.Name] = !v.Secret
		if v.Secret {
			known[v.FileName()] = true
		}
	}
	mount := ""
	for _, v := range compose(t, nil).Services["worker"].Volumes {
		if filepath.Base(v.Source) == "secrets" {
			mount = v.Target + "/"
		}
	}
	settings := 0
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#"), "=")
		if !ok || name != strings.ToUpper(name) || strings.Contains(name, " ") {
			continue
		}
		settings++
		// An empty address takes the compose file's own away, for one in a file.
		if empty := strings.TrimSpace(value) == "" && name == "REDIS_URL"; !known[name] && !empty {
			t.Errorf("%s is no variable, or a secret that should come from a file", name)
		}
		if strings.HasSuffix(name, "_FILE") && (mount == "" || !strings.HasPrefix(value, mount)) {
			t.Errorf("%s=%s is not below %q", name, value, mount)
		}
	}
	if settings < 5 {
		t.Errorf("only %d settings found", settings)
	}
}

// What the environment may change is changed: another Redis, other ports.
func TestOverrides(t *testing.T) {
	p := compose(t, []string{"REDIS_URL=rediss://elsewhere:6380/0", "WORKER_PORT=9090"})
	w := p.Services["worker"]
	if v := w.Environment["REDIS_URL"]; v == nil || *v != "rediss://elsewhere:6380/0" || w.Ports[0].Published != "9090" {
		t.Fatalf("%v %v", w.Environment["REDIS_URL"], w.Ports)
	}
	w = compose(t, nil).Services["worker"]
	if v := w.Environment["REDIS_URL"]; v == nil || *v != "redis://redis:6379/0" {
		t.Fatal(v)
	}
	// What worker.env says of Redis wins: it comes later, and nothing is set beside the files.
	if len(w.EnvFiles) != 2 || filepath.Base(w.EnvFiles[0].Path) != "compose.env" || filepath.Base(w.EnvFiles[1].Path) != "worker.env" {
		t.Errorf("%+v", w.EnvFiles)
	}
}
