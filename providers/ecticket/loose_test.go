package ecticket

import (
	"encoding/json"
	"testing"
)

// What nothing is decided by never makes an answer unreadable.
func TestFieldsThatDecideNothingMayBeWrittenAnyhow(t *testing.T) {
	for raw, want := range map[string]figure{`12`: 12, `"12"`: 12, `"12.00"`: 12, `12.0`: 12, `0.5`: 0, `"N/A"`: 0, `null`: 0, `""`: 0, `[]`: 0, `1e30`: 0} {
		got := struct{ N figure }{N: 7}
		if err := json.Unmarshal([]byte(`{"N":`+raw+`}`), &got); err != nil || got.N != want {
			t.Errorf("%s: %d %v", raw, got.N, err)
		}
	}
	for raw, want := range map[string]string{
		`[{"IssueType":"1","Description":"一"}]`:       "一",
		`"[{\"IssueType\":1,\"Description\":\"一\"}]"`: "一",
		`""`: "", `null`: "", `"once only"`: "", `{}`: "", `5`: "", `[1]`: "",
	} {
		var got struct{ List instructions }
		if err := json.Unmarshal([]byte(`{"List":`+raw+`}`), &got); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		text := ""
		for _, in := range got.List {
			text += string(in.Description)
		}
		if text != want {
			t.Errorf("%s: %q", raw, text)
		}
	}
}
