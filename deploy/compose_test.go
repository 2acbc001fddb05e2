package deploy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
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
	for profile, want := range map[string][]string{"": {"redis", "worker"}, "sandbox": {"redis", "sandbox", "worker"}, "gateway": {"gateway", "redis", "worker"}} {
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
			if ok && v.Secret {
				t.Errorf("%s has %s in its environment: %v", name, v.Name, value)
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
		if !known[name] {
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

// What the environment may change is changed, and what worker.env says wins: it comes later, and nothing is set
// beside the files.
func TestOverrides(t *testing.T) {
	w := compose(t, []string{"WORKER_PORT=9090"}).Services["worker"]
	if w.Ports[0].Published != "9090" {
		t.Error(w.Ports)
	}
	if len(w.EnvFiles) != 2 || filepath.Base(w.EnvFiles[0].Path) != "compose.env" || filepath.Base(w.EnvFiles[1].Path) != "worker.env" {
		t.Errorf("%+v", w.EnvFiles)
	}
}

// Redis is reached by the compose network only, and by named users only: it publishes no port, its users come from
// a secret, and the worker's address with the password from a file that the script makes.
func TestRedisIsLocked(t *testing.T) {
	dir := t.TempDir()
	made := func() map[string]string {
		t.Helper()
		if out, err := exec.Command("sh", "make-secrets.sh", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		files := map[string]string{}
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			text, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files[f.Name()] = string(text)
			if info, err := f.Info(); err != nil || f.Name() != "redis_users.acl" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
			}
		}
		return files
	}
	p := compose(t, nil)
	r, w := p.Services["redis"], p.Services["worker"]
	if len(r.Ports) != 0 || r.NetworkMode != "" || len(r.Secrets) != 1 || !slices.Contains(r.Command, "/run/secrets/"+r.Secrets[0].Source) ||
		!slices.Contains(r.Command, "--aclfile") || filepath.Base(p.Secrets[r.Secrets[0].Source].File) != "redis_users.acl" {
		t.Errorf("ports %v, secrets %v, command %v", r.Ports, r.Secrets, r.Command)
	}
	files := made()
	url := w.Environment["REDIS_URL_FILE"]
	if url == nil || files[filepath.Base(*url)] == "" {
		t.Fatalf("the worker's address is in %v, made are %v", w.Environment["REDIS_URL_FILE"], files)
	}
	o, err := config.Load(map[string]string{"REDIS_URL_FILE": filepath.Join(dir, filepath.Base(*url)), "ISSUANCE_SEAL_KEYS_FILE": filepath.Join(dir, "seal_keys")}, config.NeedRedis, config.NeedSealKeys)
	if err != nil || !strings.HasPrefix(o.Redis.URL.Reveal(), "redis://worker:") || !strings.HasSuffix(o.Redis.URL.Reveal(), "@redis:6379/0") {
		t.Error(err)
	}
	acl := files["redis_users.acl"]
	for name, text := range files {
		if secret, found := strings.CutPrefix(strings.Split(text, "@")[0], "redis://"); found {
			_, password, _ := strings.Cut(secret, ":")
			if len(password) != 64 || strings.Contains(acl, password) || !strings.Contains(acl, fmt.Sprintf("#%x ", sha256.Sum256([]byte(password)))) {
				t.Errorf("%s: the password is not the user's", name)
			}
		}
	}
	if strings.Contains(acl, "nopass") || !strings.HasPrefix(acl, "user default off ") {
		t.Errorf("users without a password:\n%s", acl)
	}
	if again := made(); !maps.Equal(again, files) {
		t.Error("a second run changes secrets")
	}
}
