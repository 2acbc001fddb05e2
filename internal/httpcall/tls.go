package httpcall

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
)

// Alerts by which a server ends a handshake (RFC 5246, 7.2; RFC 8446, 6.2).
const (
	alertHandshakeFailure     = tls.AlertError(40) // no parameters in common, in practice no cipher suite
	alertProtocolVersion      = tls.AlertError(70)
	alertInsufficientSecurity = tls.AlertError(71)
)

// handshakeFailed explains why no TLS connection came about. A connection that broke is no fault of
// TLS and may work the next time; everything else needs somebody to change something.
func handshakeFailed(err error) *Error {
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &Error{Code: CodeConnect, text: "the connection broke during the TLS handshake"}
	case errors.As(err, &record):
		return &Error{Code: CodeTLS, text: "no TLS connection: the host answers without TLS"}
	}
	if text := NothingShared(err); text != "" {
		return &Error{Code: CodeTLS, text: "no TLS connection: " + text}
	}
	return &Error{Code: CodeTLS, text: "no TLS connection" + cause(err)}
}

// NothingShared says what a TLS server and this program lack in common, when a handshake failed for that;
// otherwise it is "".
func NothingShared(err error) string {
	switch {
	case alerted(err, alertHandshakeFailure), alerted(err, alertInsufficientSecurity):
		return "the host and this program share no cipher suite; " +
			"it has to offer ECDHE (for a host with RSA key exchange only, start with GODEBUG=tlsrsakex=1)"
	case alerted(err, alertProtocolVersion), strings.Contains(err.Error(), "unsupported protocol version"):
		return "the host does not offer TLS 1.2 or newer"
	}
	return ""
}

// alerted reports whether the server sent this alert. crypto/tls has an unexported type for alerts
// that it received, with the same texts as the exported one.
func alerted(err error, alert tls.AlertError) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && op.Err != nil && op.Err.Error() == alert.Error()
}
