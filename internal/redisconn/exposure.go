package redisconn

import (
	"context"
	"errors"
	"net"

	"github.com/redis/go-redis/v9"
)

// Exposure returns a warning when others may use this Redis without credentials, and one when they may read
// along on the way to it. A socket and this machine's loopback are reached by nobody else.
// privateNetwork says that nobody listens on the network between.
func Exposure(ctx context.Context, o Options, privateNetwork bool) []Warning {
	if o.onThisMachine() {
		return nil
	}
	var ws []Warning
	if o.open(ctx) {
		ws = append(ws, Warning{NoPassword, "Redis wants no password: whoever reaches it can stop orders and delete records.",
			"an ACL user (deploy/users.acl) or requirepass in redis.conf, and credentials in REDIS_URL"})
	}
	if o.tls == nil && !privateNetwork {
		ws = append(ws, Warning{Plaintext, "Redis is on another host and the connection to it is not encrypted: the network reads passwords and records.",
			"rediss:// in REDIS_URL (tls-port in redis.conf), or REDIS_NETWORK=private when nobody else is on that network"})
	}
	return ws
}

// onThisMachine reports whether every address is a socket or on the loopback.
func (o Options) onThisMachine() bool {
	if o.network == "unix" {
		return true
	}
	for _, addr := range o.addrs {
		host, _, _ := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// open reports whether the server answers somebody who has neither a password nor a certificate. What it
// answers is not always known: a connection that fails is taken for a refusal.
func (o Options) open(ctx context.Context) bool {
	o.username, o.password = "", ""
	if o.tls != nil {
		o.tls = o.tls.Clone()
		o.tls.GetClientCertificate = nil
	}
	c := o.WithPoolSize(1).New()
	defer c.Close()
	err := c.Ping(ctx).Err()
	var answered redis.Error
	return err == nil || errors.As(err, &answered) && !redis.HasErrorPrefix(err, "NOAUTH") && !redis.HasErrorPrefix(err, "NOPERM") &&
		!redis.HasErrorPrefix(err, "DENIED") && !redis.HasErrorPrefix(err, "WRONGPASS")
}
