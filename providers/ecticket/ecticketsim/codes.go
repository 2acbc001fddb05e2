package ecticketsim

import "issuance/providers/ecticket/wire"

// The codes below are the simulator's own, NOT ECPay's: the list of ECPay's codes is not public.
// They are exported for tests of the simulator; a client must act on "1 or not 1" alone.
const (
	// TransMalformed: the body is not an envelope.
	TransMalformed = 990001
	// TransMerchant: the MerchantID is unknown, or the PlatformID may not act for it.
	TransMerchant = 990002
	// TransTimestamp: the Timestamp is missing or outside the window.
	TransTimestamp = 990003
	// TransData: Data cannot be decrypted.
	TransData = 990004
	// TransChecksum: CheckMacValue does not belong to Data.
	TransChecksum = 990005
	// TransOther: every envelope is refused (the fault TransRefused).
	TransOther = 990006
)

// Business codes of the simulator, NOT ECPay's.
const (
	// RtnField: a field is missing or breaks its rule.
	RtnField = 991001
	// RtnMerchant: MerchantID inside Data differs from the envelope's.
	RtnMerchant = 991002
	// RtnDuplicate: the trade number was used before.
	RtnDuplicate = 991003
	// RtnItem: an item does not exist, is delisted, or is of the wrong ticket type.
	RtnItem = 991004
	// RtnStore: the branch does not exist or is not active.
	RtnStore = 991005
	// RtnNotFound: no such order, ticket or redemption code.
	RtnNotFound = 991006
	// RtnNoData: the page lies beyond the last one, or nothing matches.
	RtnNoData = 991007
	// RtnUseStatus: the ticket's use status does not allow the action.
	RtnUseStatus = 991008
	// RtnBusy: the call cannot be served now (the fault Busy).
	RtnBusy = 991009
)

// reply starts every answer's Data.
type reply struct {
	RtnCode int
	RtnMsg  string
}

// confirms reports whether the answer is RtnCode 1.
func (r reply) confirms() bool { return r.RtnCode == wire.Accepted }

func refuse(code int, msg string) reply {
	const limit = 200 // RtnMsg String(200)
	text := []rune("[simulator] " + msg)
	if len(text) > limit {
		text = text[:limit]
	}
	return reply{RtnCode: code, RtnMsg: string(text)}
}

func success(msg string) reply { return reply{RtnCode: wire.Accepted, RtnMsg: msg} }
