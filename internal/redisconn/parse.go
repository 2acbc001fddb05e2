package redisconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Source is what the environment says: exactly one of the two.
type Source struct {
	// URL is REDIS_URL:
	//
	//	redis://[user:password@]host[:6379][/db]       rediss:// for TLS
	//	unix://[user:password@]/path/redis.sock[?db=n]
	//	redis-sentinel://[user:password@]host1[:26379],host2…[/db]?master=NAME   rediss-sentinel:// for TLS
	//
	// The password of a Sentinel URL is the Redis server's; Sentinels with a password of their own
	// take sentinel_password (and sentinel_username). Everywhere: pool_size=n, and with TLS
	// ca_file=PATH for a private authority, cert_file=PATH and key_file=PATH for a server that wants a
	// certificate of its clients.
	URL string
	// ClusterAddrs is REDIS_CLUSTER_ADDRS: host:port,host:port…, after an optional
	// redis://user:password@ or rediss://user:password@.
	ClusterAddrs string
}

const (
	singleForm   = "redis://[user:password@]host:port/db"
	sentinelForm = "redis-sentinel://[user:password@]host1,host2/db?master=NAME"
	encodeHint   = "special characters of a password must be percent-encoded (@ as %40, / as %2F, # as %23, ? as %3F)"
)

// Parse reads a Source. Its errors say what to write and never repeat what may hold a password.
func Parse(s Source) (Options, error) {
	switch {
	case s.URL != "" && s.ClusterAddrs != "":
		return Options{}, errors.New("REDIS_URL and REDIS_CLUSTER_ADDRS are both set: remove one (REDIS_CLUSTER_ADDRS is for Redis Cluster only)")
	case s.URL != "":
		o, err := parseURL(s.URL)
		if err != nil {
			return Options{}, fmt.Errorf("REDIS_URL: %w", err)
		}
		return o, nil
	case s.ClusterAddrs != "":
		o, err := parseCluster(s.ClusterAddrs)
		if err != nil {
			return Options{}, fmt.Errorf("REDIS_CLUSTER_ADDRS: %w", err)
		}
		return o, nil
	}
	return Options{}, errors.New("REDIS_URL is not set: write " + singleForm)
}

func parseURL(raw string) (Options, error) {
	scheme, _, ok := strings.Cut(raw, "://")
	if !ok {
		return Options{}, fmt.Errorf("it is not a URL; write %s", singleForm)
	}
	var o Options
	var port string
	switch strings.ToLower(scheme) {
	case "redis", "rediss":
		o.kind, port = Single, "6379"
	case "redis-sentinel", "rediss-sentinel":
		o.kind, port = Sentinel, "26379"
	case "unix":
		return parseUnix(raw)
	default:
		return Options{}, fmt.Errorf("it has an unknown scheme; known are redis://, rediss://, unix://, redis-sentinel:// and rediss-sentinel://; write %s or %s", singleForm, sentinelForm)
	}
	u, q, err := o.authority(raw, port)
	if err != nil {
		return Options{}, err
	}
	if o.kind == Single && len(o.addrs) != 1 {
		return Options{}, fmt.Errorf("it names %d hosts; a redis:// URL has one. For Sentinel write %s, for a cluster set REDIS_CLUSTER_ADDRS", len(o.addrs), sentinelForm)
	}
	if err := o.setDB(strings.Trim(u.Path, "/")); err != nil {
		return Options{}, err
	}
	if o.kind == Sentinel {
		o.master, o.sentinelUN, o.sentinelPW = take(q, "master"), take(q, "sentinel_username"), take(q, "sentinel_password")
		if o.master == "" {
			return Options{}, fmt.Errorf("it does not name the master; write %s", sentinelForm)
		}
	}
	return o, o.parameters(q)
}

func parseCluster(raw string) (Options, error) {
	o := Options{kind: Cluster}
	if !strings.Contains(raw, "://") {
		raw = "redis://" + raw
	}
	scheme, _, _ := strings.Cut(raw, "://")
	if s := strings.ToLower(scheme); s != "redis" && s != "rediss" {
		return Options{}, errors.New("it has an unknown scheme; write host:port,host:port or rediss://user:password@host:port,host:port")
	}
	u, q, err := o.authority(raw, "6379")
	if err != nil {
		return Options{}, err
	}
	if strings.Trim(u.Path, "/") != "" {
		return Options{}, errors.New("it names a database; a cluster has only database 0, so leave the path away")
	}
	return o, o.parameters(q)
}

func parseUnix(raw string) (Options, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host != "" || u.Path == "" || u.Fragment != "" {
		return Options{}, errors.New("write unix://[user:password@]/path/redis.sock?db=0; " + encodeHint)
	}
	o := Options{kind: Single, network: "unix", addrs: []string{u.Path}}
	o.credentials(u)
	q := u.Query()
	if err := o.setDB(take(q, "db")); err != nil {
		return Options{}, err
	}
	return o, o.parameters(q)
}

// authority reads credentials and hosts. net/url refuses several hosts with ports, so the list
// is taken out first and the rest read with one host in its place.
func (o *Options) authority(raw, port string) (*url.URL, url.Values, error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	hosts := rest[:end]
	user := ""
	if at := strings.LastIndex(hosts, "@"); at >= 0 {
		user, hosts = hosts[:at+1], hosts[at+1:]
	}
	u, err := url.Parse(strings.ToLower(scheme) + "://" + user + "host" + rest[end:])
	// A password with a bare / ? or # moves its rest, @ included, behind the authority.
	if err != nil || u.Fragment != "" || strings.Contains(u.Path, "@") || strings.Contains(u.RawQuery, "@") {
		return nil, nil, errors.New("it cannot be read as a URL; " + encodeHint)
	}
	for h := range strings.SplitSeq(hosts, ",") {
		addr, err := address(strings.TrimSpace(h), port)
		if err != nil {
			return nil, nil, err
		}
		if !slices.Contains(o.addrs, addr) {
			o.addrs = append(o.addrs, addr)
		}
	}
	o.credentials(u)
	if strings.HasPrefix(strings.ToLower(scheme), "rediss") {
		o.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return u, u.Query(), nil
}

// address completes host with the port. A host that is wrong is not shown: it may be part of a
// password.
func address(h, port string) (string, error) {
	host, p, err := net.SplitHostPort(h)
	if err != nil {
		host, p = strings.Trim(h, "[]"), port
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", errors.New("a host is not of the form host:port; " + encodeHint)
		}
	}
	if host == "" {
		return "", errors.New("a host is missing; write host:port")
	}
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
		return "", errors.New("a port is not a number from 1 to 65535; " + encodeHint)
	}
	return net.JoinHostPort(host, p), nil
}

func (o *Options) credentials(u *url.URL) {
	o.username = u.User.Username()
	o.password, _ = u.User.Password()
}

func (o *Options) setDB(s string) error {
	if s == "" {
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return errors.New("the database is not a number; write it as the path, e.g. /0")
	}
	o.db = int(n)
	return nil
}

// parameters reads what is left of the query, and refuses unknown parameters.
func (o *Options) parameters(q url.Values) error {
	o.poolSize = PoolSize
	if s := take(q, "pool_size"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return errors.New("pool_size is not a positive number")
		}
		o.poolSize = int(n)
	}
	if err := o.tlsFiles(q); err != nil {
		return err
	}
	for name := range q {
		// Names are shown, values are not: one of them may be a misspelled password's.
		return fmt.Errorf("it has an unknown parameter %q; known are pool_size; with TLS ca_file, cert_file, key_file; for unix:// db; for Sentinel master, sentinel_username, sentinel_password", name)
	}
	return nil
}

func take(q url.Values, name string) string {
	v := q.Get(name)
	q.Del(name)
	return v
}
