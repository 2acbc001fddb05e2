// Package tlstext says in plain words why a TLS handshake failed where Go's own text does not, for providers
// and Redis alike. It imports nothing of ours.
package tlstext

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
)

// Alerts by which a server ends a handshake (RFC 5246, 7.2; RFC 8446, 6.2).
const (
	alertHandshakeFailure     = tls.AlertError(40) // no parameters in common, in practice no cipher suite
	alertProtocolVersion      = tls.AlertError(70)
	alertInsufficientSecurity = tls.AlertError(71)
)

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
