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
func (v *view) Said(text string) string { return v.visit.local(v.visit.lang.said(text)) }

// spokenTime is a moment as programs of ours write it into a text, or a time of the last or next hours alone.
var spokenTime = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z|(?:\d{4}-\d{2}-\d{2} )?\d{2}:\d{2}:\d{2} UTC`)

// local is a text with the times in it in the pages' zone: whoever wrote them knew no zone of readers.
func (v *visit) local(text string) string {
	return spokenTime.ReplaceAllStringFunc(text, func(spoken string) string {
		for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05 UTC"} {
			if at, err := time.Parse(layout, spoken); err == nil {
				return v.clock(at)
			}
		}
		at, err := time.Parse("2006-01-02 15:04:05 UTC", v.Now().UTC().Format("2006-01-02 ")+spoken)
		if err != nil {
			return spoken
		}
		return at.In(v.Zone).Format("15:04:05 -07:00")
	})
}

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
