package wire

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
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

// ReadNotice reads the envelope of a notice, which is that of a request. What decides nothing may be anything or absent,
// as in ReadResponse. The documents say that it is JSON; the same fields as a form are read, too, and a plus sign of Data
// that a form holds as it is. The error says that body is no object, and no form, with a Data.
func ReadNotice(body []byte) (Request, error) {
	body = Trim(body)
	var raw struct{ PlatformID, MerchantID, Data, CheckMacValue json.RawMessage }
	var r Request
	if json.Unmarshal(body, &raw) == nil {
		r = Request{PlatformID: Text(raw.PlatformID), MerchantID: Text(raw.MerchantID), Data: Text(raw.Data), CheckMacValue: Text(raw.CheckMacValue)}
	} else if f, err := url.ParseQuery(string(body)); err == nil {
		r = Request{PlatformID: f.Get("PlatformID"), MerchantID: f.Get("MerchantID"), Data: strings.ReplaceAll(f.Get("Data"), " ", "+"), CheckMacValue: f.Get("CheckMacValue")}
	}
	if r.Data == "" {
		return Request{}, errEnvelope
	}
	return r, nil
}

// ReadResponse reads an answer's envelope. What need not be there (PlatformID, MerchantID, RpHeader,
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
		PlatformID: Text(raw.PlatformID), MerchantID: Text(raw.MerchantID), TransMsg: Text(raw.TransMsg),
		Data: Text(raw.Data), CheckMacValue: Text(raw.CheckMacValue),
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

// Text is the text of a JSON string or the digits of a number, without a fraction of zero; anything else is no text.
func Text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	if len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9') {
		return Whole(string(bytes.TrimSpace(value)))
	}
	return ""
}
