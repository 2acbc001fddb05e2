package console

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// said is what a program of ours says of a record, in the language. Any other text stays as it is: a provider's own, and what
// people wrote.
func (l Lang) said(text string) string {
	if l != Chinese || text == "" {
		return text
	}
	return reasonTexts().say(text)
}

// Said is how a record ended, what it waits for, or what its last run found.
func (v *view) Said(text string) string { return v.visit.lang.said(text) }

// partOfReason says lengths of time, and the violations of a document.
func partOfReason(english string) (string, bool) {
	if list, invalid := strings.CutPrefix(english, "invalid document: "); invalid {
		return "文件不符規則：" + violations(list), true
	}
	if d, err := time.ParseDuration(english); err == nil && english != "0" {
		return length(d), true
	}
	return "", false
}

// violation is providers.Violation as text.
var violation = regexp.MustCompile(`(?s)^(\S+(?:, \S+)*): (.+?)(?: \(found: (.+)\))?$`)

// violations are those of a providers.InvalidError, each said by itself.
func violations(list string) string {
	all := strings.SplitAfter(list, "); ")
	for i, one := range all {
		one = strings.TrimSuffix(one, "; ")
		if m := violation.FindStringSubmatch(one); m != nil {
			one = m[1] + "：" + ruleTexts().say(m[2])
			if m[3] != "" {
				one += "（目前：" + ruleTexts().say(m[3]) + "）"
			}
		}
		all[i] = one
	}
	return strings.Join(all, "；")
}

// length is a length of time.
func length(d time.Duration) (out string) {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "小時"}, {time.Minute, "分鐘"}} {
		if n := d / u.of; n > 0 {
			out, d = out+fmt.Sprintf("%d %s ", n, u.name), d%u.of
		}
	}
	if d > 0 || out == "" {
		out += fmt.Sprintf("%g 秒", d.Seconds())
	}
	return strings.TrimSuffix(out, " ")
}
