package redisconn

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every documented form of the two variables is understood, credentials and database included.
func TestParse(t *testing.T) {
	tls := func(o Options) bool { return o.tls != nil }
	for _, c := range []struct {
		src      Source
		want     Options
		tls      bool
		describe string
	}{
		{Source{URL: "redis://localhost"}, Options{kind: Single, addrs: []string{"localhost:6379"}}, false,
			"Redis at localhost:6379, database 0"},
		{Source{URL: "redis://ann:p%40ss@10.0.0.1:7000/3"}, Options{kind: Single, addrs: []string{"10.0.0.1:7000"}, username: "ann", password: "p@ss", db: 3}, false,
			"Redis at 10.0.0.1:7000, database 3"},
		{Source{URL: "rediss://:secret@[::1]:6380/?pool_size=7"}, Options{kind: Single, addrs: []string{"[::1]:6380"}, password: "secret", poolSize: 7}, true,
			"Redis at [::1]:6380, database 0, TLS"},
		{Source{URL: "redis://:p@ss@h:1"}, Options{kind: Single, addrs: []string{"h:1"}, password: "p@ss"}, false, "Redis at h:1, database 0"},
		{Source{URL: "unix:///run/redis.sock?db=2"}, Options{kind: Single, network: "unix", addrs: []string{"/run/redis.sock"}, db: 2}, false,
			"Redis at /run/redis.sock, database 2"},
		{Source{URL: "redis-sentinel://:secret@s1,s2:26380,s1/4?master=mymaster&sentinel_username=sen&sentinel_password=tinel"},
			Options{kind: Sentinel, addrs: []string{"s1:26379", "s2:26380"}, master: "mymaster", password: "secret", sentinelUN: "sen", sentinelPW: "tinel", db: 4}, false,
			`Redis master "mymaster" of the Sentinels s1:26379, s2:26380, database 4`},
		{Source{URL: "rediss-sentinel://s1/?master=m"}, Options{kind: Sentinel, addrs: []string{"s1:26379"}, master: "m"}, true,
			`Redis master "m" of the Sentinels s1:26379, database 0, TLS`},
		{Source{ClusterAddrs: "a:7001, b:7002"}, Options{kind: Cluster, addrs: []string{"a:7001", "b:7002"}}, false,
			"Redis Cluster at a:7001, b:7002"},
		{Source{ClusterAddrs: "rediss://ann:secret@a:7001,b"}, Options{kind: Cluster, addrs: []string{"a:7001", "b:6379"}, username: "ann", password: "secret"}, true,
			"Redis Cluster at a:7001, b:6379, TLS"},
	} {
		got, err := Parse(c.src)
		if err != nil {
			t.Errorf("%v: %v", c.src, err)
			continue
		}
		if tls(got) != c.tls {
			t.Errorf("%v: TLS %v", c.src, tls(got))
		}
		if c.want.poolSize == 0 {
			c.want.poolSize = PoolSize
		}
		if d := got.Describe(); d != c.describe {
			t.Errorf("%v: described as %q, not %q", c.src, d, c.describe)
		}
		got.tls = nil
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(Options{})); d != "" {
			t.Errorf("%v:\n%s", c.src, d)
		}
	}
}

// A mistake is refused with what to write instead, and no error repeats a password.
func TestParseMistakes(t *testing.T) {
	const canary = "Kanarie"
	for _, c := range []struct {
		src  Source
		says string
	}{
		{Source{}, "REDIS_URL is not set"},
		{Source{URL: "redis://a", ClusterAddrs: "b:1"}, "both set"},
		{Source{URL: canary}, "not a URL"},
		{Source{URL: "http://x:" + canary + "@h"}, "unknown scheme"},
		{Source{URL: "redis://:" + canary + "/x@h:1"}, "%2F"},
		{Source{URL: "redis://:" + canary + "#x@h:1"}, "%23"},
		{Source{URL: "redis://:" + canary + "?x@h:1"}, "%3F"},
		{Source{URL: "redis://:" + canary + "%zz@h:1"}, "percent-encoded"},
		{Source{URL: "redis://h:" + canary}, "port"},
		{Source{URL: "redis://h:0"}, "port"},
		{Source{URL: "redis://h:1:" + canary}, "host:port"},
		{Source{URL: "redis:///1"}, "host is missing"},
		{Source{URL: "redis://:" + canary + "@a,b"}, "2 hosts"},
		{Source{URL: "redis://h/" + canary}, "database is not a number"},
		{Source{URL: "redis://h/?pasword=" + canary}, `unknown parameter "pasword"`},
		{Source{URL: "redis://h/?pool_size=" + canary}, "pool_size"},
		{Source{URL: "redis://h/?ca_file=" + canary}, "need TLS"},
		{Source{URL: "rediss://h/?ca_file=/does/not/exist"}, "ca_file"},
		{Source{URL: "redis://h/?cert_file=" + canary + "&key_file=" + canary}, "need TLS"},
		{Source{URL: "rediss://h/?cert_file=/does/not/exist"}, "belong together"},
		{Source{URL: "rediss://h/?key_file=/does/not/exist"}, "belong together"},
		{Source{URL: "rediss://h/?cert_file=/does/not/exist&key_file=/neither"}, "cert_file /does/not/exist"},
		{Source{ClusterAddrs: "rediss://a:1?cert_file=/does/not/exist"}, "belong together"},
		{Source{URL: "redis-sentinel://:" + canary + "@h/0"}, "does not name the master"},
		{Source{URL: "unix://h/" + canary}, "unix://"},
		{Source{ClusterAddrs: "a:1,," + "b:2"}, "host is missing"},
		{Source{ClusterAddrs: "a:1/3"}, "only database 0"},
		{Source{ClusterAddrs: "http://:" + canary + "@a:1"}, "unknown scheme"},
	} {
		_, err := Parse(c.src)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v; should say %q", c.src, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%+v: the error repeats what may be a password: %v", c.src, err)
		}
	}
}

// However Options are printed, no credential appears.
func TestOptionsHideCredentials(t *testing.T) {
	o, err := Parse(Source{URL: "redis-sentinel://Kanarie:Kanarie@s1/4?master=m&sentinel_username=Kanarie&sentinel_password=Kanarie"})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %s %v %q", o, o, o, o, &o, o) + o.LogValue().String()
	j, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if text += string(j); strings.Contains(text, "Kanarie") {
		t.Fatal(text)
	}
}
