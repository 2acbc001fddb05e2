// Package wire is the transport format of ECPay ECTicket: the envelope, the encryption of its
// Data, the CheckMacValue, and JSON that every implementation of URL encoding treats alike.
//
// It follows the pages "Parameter encryption", "Checksum mechanism" and the Request and Response
// sections of ECTicket's API documents. It is pure: the client and the simulator share it, it
// imports neither of them, nothing of ours, and no networking. All functions are safe for
// concurrent use.
//
// What the checksum does not do: it covers only Data (not the envelope around it), and it is
// taken from lower-cased text, so it does not distinguish upper from lower case. A caller must therefore
// compare the ids inside Data with those it asked for.
package wire
