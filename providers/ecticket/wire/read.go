package wire

import (
	"bytes"
	"encoding/json"
)

// Trim takes off what is not part of a JSON text and that some servers put around it: byte order
// marks and white space.
func Trim(text []byte) []byte {
	mark := []byte("\ufeff")
	for {
		n := len(text)
		text = bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(text), mark), mark)
		if len(text) == n {
			return text
		}
	}
}

// ReadResponse reads an answer's envelope. What decides nothing (PlatformID, MerchantID, RpHeader,
// TransMsg) may be anything or absent: it is then read as empty. coded is false without a TransCode
// that is a number. The error says that body is no JSON object.
func ReadResponse(body []byte) (r Response, coded bool, err error) {
	var raw struct {
		PlatformID, MerchantID, RpHeader, TransCode, TransMsg, Data, CheckMacValue json.RawMessage
	}
	if err := json.Unmarshal(Trim(body), &raw); err != nil {
		return Response{}, false, errEnvelope
	}
	r = Response{
		PlatformID: plain(raw.PlatformID), MerchantID: plain(raw.MerchantID), TransMsg: plain(raw.TransMsg),
		Data: plain(raw.Data), CheckMacValue: plain(raw.CheckMacValue),
	}
	var header struct{ Timestamp json.RawMessage }
	if json.Unmarshal(raw.RpHeader, &header) == nil && json.Unmarshal(header.Timestamp, &r.RpHeader.Timestamp) != nil {
		r.RpHeader.Timestamp = 0
	}
	var code *Int
	if json.Unmarshal(raw.TransCode, &code) == nil && code != nil {
		r.TransCode, coded = *code, true
	}
	return r, coded, nil
}

// plain is the text of a JSON string or the digits of a number; anything else is no text.
func plain(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	if len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9') {
		return string(value)
	}
	return ""
}
