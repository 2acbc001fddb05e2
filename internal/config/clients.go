package config

import (
	"errors"

	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
	"issuance/providers/pass2u"
)

// Client is the client's configuration, without Gate and Log. What Load has accepted gives no error.
func (e ECTicket) Client() (ecticket.Config, error) {
	paths, errPaths := ecticket.ParsePaths(e.Paths)
	codes, errCodes := ecticket.ParseCodes(e.Codes)
	fields, errFields := ecticket.ParseRefundFields(e.RefundFields)
	mode := ecticket.Pure
	if e.Mode == Escrow {
		mode = ecticket.EscrowUse
	}
	return ecticket.Config{
		BaseURL: e.BaseURL, MerchantID: e.MerchantID, PlatformID: e.PlatformID,
		Keys: e.Keys(),
		Mode: mode, Paths: paths, Codes: codes, RefundFields: fields,
		Timeout: e.Timeout, SettleAfter: e.SettleAfter, Ban: e.Ban,
	}, errors.Join(errPaths, errCodes, errFields)
}

// Keys are the account's.
func (e ECTicket) Keys() wire.Keys {
	return wire.Keys{HashKey: e.HashKey.Reveal(), HashIV: e.HashIV.Reveal()}
}

// Client is the client's configuration, without Gate and Log.
func (p Pass2U) Client() pass2u.Config {
	return pass2u.Config{
		BaseURL: p.BaseURL, APIKey: p.APIKey.Reveal(), ProxyURL: p.ProxyURL.Reveal(),
		Timeout: p.Timeout, SettleAfter: p.SettleAfter, Ban: p.Ban,
		QueryAtBase: p.QueryPath == "/", RefundQuantityKey: p.RefundQuantityKey,
	}
}
