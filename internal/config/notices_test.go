package config

import (
	"strings"
	"testing"
)

// GATEWAY_PUBLIC_URL is what ECPay can call, and fits the length of an order's field.
func TestPublicURL(t *testing.T) {
	for value, wrong := range map[string]string{
		"https://tickets.shop.example": "", "https://tickets.shop.example/": "", "http://tickets.shop.example": "", "https://tickets.shop.example:443": "",
		"http://tickets.shop.example:80": "", "https://203.0.113.7": "", "https://xn--fiq228c.example": "",
		"tickets.shop.example": "GATEWAY_PUBLIC_URL", "ftp://tickets.shop.example": "GATEWAY_PUBLIC_URL", "https://": "GATEWAY_PUBLIC_URL", "https://中文.example": "GATEWAY_PUBLIC_URL",
		"https://tickets.shop.example:8443": "443", "https://tickets.shop.example/shop": "scheme and host alone", "https://tickets.shop.example?a=b": "scheme and host alone",
		"https://tickets.shop.example/#a": "scheme and host alone", "https://ann:secret@tickets.shop.example": "GATEWAY_PUBLIC_URL",
		"https://" + strings.Repeat("a.", 90) + "example": "200",
	} {
		c, err := Load(map[string]string{"GATEWAY_PUBLIC_URL": value})
		switch {
		case wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong) || !strings.Contains(err.Error(), "GATEWAY_PUBLIC_URL")):
			t.Errorf("%s: %v, want something about %s", value, err, wrong)
		case wrong == "" && err != nil:
			t.Errorf("%s: %v", value, err)
		case wrong == "" && c.Gateway.Notices("/notify/") != strings.TrimRight(value, "/")+"/notify/":
			t.Errorf("%s leads to %s", value, c.Gateway.Notices("/notify/"))
		case err != nil && strings.Contains(err.Error(), "ann:secret"):
			t.Errorf("%v shows a password", err)
		}
	}
}

// How notices are acknowledged is one of two words.
func TestNoticeAck(t *testing.T) {
	for value, fine := range map[string]bool{"envelope": true, "plain": true, "": true, "1|OK": false, "Plain": false} {
		if _, err := Load(map[string]string{"GATEWAY_NOTICE_ACK": value}); fine != (err == nil) || err != nil && !strings.Contains(err.Error(), "GATEWAY_NOTICE_ACK") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// GATEWAY_TRACE_URL is a web address that has one place for the trace's id.
func TestTraceURL(t *testing.T) {
	for value, fine := range map[string]bool{"": true, "https://jaeger.example/trace/{trace_id}": true, "http://tempo:3000/explore?traceId={trace_id}": true,
		"https://jaeger.example/trace/": false, "javascript:alert('{trace_id}')": false, "https://ann:secret@jaeger.example/{trace_id}": false,
		"/trace/{trace_id}": false, "https://jaeger.example/{trace_id}/{trace_id}": false} {
		c, err := Load(map[string]string{"GATEWAY_TRACE_URL": value})
		switch {
		case !fine && (err == nil || !strings.Contains(err.Error(), "GATEWAY_TRACE_URL") || strings.Contains(err.Error(), "secret")):
			t.Errorf("%q: %v", value, err)
		case fine && (err != nil && strings.Contains(err.Error(), "GATEWAY_TRACE_URL") || err == nil && c.Gateway.TraceURL != value):
			t.Errorf("%q: %v", value, err)
		}
	}
}
