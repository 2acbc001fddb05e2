// Package codecs is the one table of the providers that this product knows: importing it registers
// them. Whoever reads or writes documents imports it for that effect:
//
//	import _ "issuance/providers/codecs"
//
// It imports the document packages of the providers and never a client, so that a checkout gets no
// HTTP client with it.
package codecs

import (
	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/pass2u/pass2udoc"
)

// table holds the providers in the order in which they are shown.
var table = []providers.Codec{
	ecticketdoc.Codec(),
	pass2udoc.Codec(),
}

func init() {
	for _, c := range table {
		providers.Register(c)
	}
}
