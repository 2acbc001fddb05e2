package httpcall_test

import (
	"strings"
	"testing"

	"issuance/internal/httpcall"
)

// Accounts share the connections of a proxy, and those of none.
func TestAPoolHasOneTransportForEachProxy(t *testing.T) {
	var p httpcall.Pool
	defer p.Close()
	for _, proxy := range []string{"", "http://u:p@proxy:3128"} {
		one, err := p.Transport(proxy)
		other, err2 := p.Transport(proxy)
		if err != nil || err2 != nil || one != other {
			t.Errorf("%q: %v %v", proxy, err, err2)
		}
	}
	if a, _ := p.Transport(""); a == nil {
		t.Error("no transport without a proxy")
	} else if b, _ := p.Transport("http://u:p@proxy:3128"); a == b {
		t.Error("a proxy's transport is everybody's")
	}
	if _, err := p.Transport("hunter2:1"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}
