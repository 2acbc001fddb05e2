package httpcall

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
)

// Codes of an Error.
const (
	CodeTimeout  = "timeout"           // no (whole) answer within the time allowed
	CodeCanceled = "canceled"          // the caller cancelled, as at a shutdown
	CodeDNS      = "dns"               // the host's name could not be resolved
	CodeTLS      = "tls"               // no TLS connection, or an untrusted certificate
	CodeProxy    = "proxy"             // the proxy cannot be reached or refused
	CodeConnect  = "connect"           // no connection
	CodeBroken   = "broken_connection" // the connection broke after the request may have left
	CodeTooLarge = "answer_too_large"
	CodeBadURL   = "bad_url"
)

// Error says why a call has no usable answer. Its text consists of fixed words and addresses, never
// of a credential, a header or a body, so it may be logged and shown.
type Error struct {
	// Code is one of the Code constants.
	Code string
	text string
	is   error // context.Canceled or context.DeadlineExceeded, for errors.Is
}

func (e *Error) Error() string { return e.text }

// Unwrap gives the context's error where one ended the call.
func (e *Error) Unwrap() error { return e.is }

// describe turns an error of net/http into one that is safe to show. net/http's own texts may
// quote the URL or what the server sent, so only the types known to be clean keep their words.
func describe(err error, sent bool) *Error {
	var (
		timeout  interface{ Timeout() bool }
		refused  *proxyRefused
		dns      *net.DNSError
		op       *net.OpError
		verify   *tls.CertificateVerificationError
		hostname x509.HostnameError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return &Error{Code: CodeCanceled, text: "cancelled before an answer came", is: context.Canceled}
	case errors.As(err, &refused):
		return &Error{Code: CodeProxy, text: refused.Error()}
	case errors.As(err, &dns) && !sent:
		return &Error{Code: CodeDNS, text: "cannot resolve the host's name: " + dns.Error()}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		if sent {
			return &Error{Code: CodeTimeout, text: "no answer in time", is: context.DeadlineExceeded}
		}
		return &Error{Code: CodeTimeout, text: "no connection in time", is: context.DeadlineExceeded}
	case errors.As(err, &verify), errors.As(err, &hostname):
		return &Error{Code: CodeTLS, text: "the host's certificate is not trusted: " + certificate(verify, hostname)}
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return &Error{Code: CodeProxy, text: "cannot connect to the proxy" + cause(op.Err)}
	case sent:
		return &Error{Code: CodeBroken, text: "the connection broke before the whole answer came" + cause(err)}
	default:
		return &Error{Code: CodeConnect, text: "cannot connect" + cause(err)}
	}
}

func certificate(verify *tls.CertificateVerificationError, hostname x509.HostnameError) string {
	if verify != nil {
		return verify.Error()
	}
	return hostname.Error()
}

// cause adds the text of a network error; other errors may quote what was sent or received.
func cause(err error) string {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op != "proxyconnect":
		return ": " + op.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ": closed by the other side"
	default:
		return ""
	}
}
