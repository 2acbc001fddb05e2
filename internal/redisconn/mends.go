package redisconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/redis/go-redis/v9"

	"issuance/internal/tlstext"
)

// passing are the beginnings of answers that pass by themselves, besides those of a Redis that takes no writes.
var passing = []string{"TRYAGAIN", "BUSY", "max number of clients reached"}

// Mends reports whether a Redis that could not be used may be of use later without anybody changing a setting: it is away, reads its
// data, takes no writes at the moment, or is a replica that may take over. A refusal of the user and a TLS that does not fit stay.
func Mends(err error) bool {
	if err == nil || RefusalOf(err) != NotRefused || wrongTLS(err) {
		return false
	}
	var answer redis.Error
	switch {
	case NoWrites(err) != "", errors.As(err, new(*NoAnswerError)), errors.As(err, new(*ReplicaError)):
		return true
	case errors.As(err, &answer):
		return slices.ContainsFunc(passing, func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, redis.ErrPoolTimeout) ||
		errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(net.Error))
}

// wrongTLS reports whether a handshake was refused by one side. A connection that only broke off may have met a Redis that was
// just starting.
func wrongTLS(err error) bool {
	var op *net.OpError
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(tls.RecordHeaderError)) || errors.As(err, &op) && op.Op == "remote error" || tlstext.NothingShared(err) != ""
}
