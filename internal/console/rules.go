package console

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"issuance/providers"
)

// phrases are texts of other packages in another language, by the English text: each %s of it stands for what differs, which
// is looked up by itself. The programs that wrote the texts know no language.
type phrases struct {
	whole    map[string]string
	patterns []phrase                    // the most definite first
	other    func(string) (string, bool) // says what is no fixed text; nil for none
}

type phrase struct {
	pattern *regexp.Regexp
	text    string
	quotes  []bool // which of its places stand between quotes of the other language
}

const hole = "%s"

func newPhrases(texts map[string]string) *phrases {
	p := &phrases{whole: map[string]string{}}
	for _, english := range slices.SortedFunc(maps.Keys(texts), func(a, b string) int {
		return cmp.Or(cmp.Compare(definite(b), definite(a)), cmp.Compare(a, b))
	}) {
		if !strings.Contains(english, hole) {
			p.whole[english] = texts[english]
			continue
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(english), hole, "(.+?)")
		var quotes []bool
		for _, before := range strings.Split(texts[english], hole) {
			quotes = append(quotes, strings.HasSuffix(before, "「"))
		}
		p.patterns = append(p.patterns, phrase{regexp.MustCompile("(?s)^" + pattern + "$"), texts[english], quotes})
	}
	return p
}

// definite is how much of a text does not differ. One that begins with what differs fits nearly everything, so it comes last.
func definite(english string) int {
	n := len(strings.ReplaceAll(english, hole, ""))
	if strings.HasPrefix(english, hole) {
		return n - 1000
	}
	return n
}

// say is a text in the other language, and as it is where there is none.
func (p *phrases) say(english string) string {
	if text, known := p.whole[english]; known {
		return text
	}
	if p.other != nil {
		if text, known := p.other(english); known {
			return text
		}
	}
	for _, one := range p.patterns {
		if m := one.pattern.FindStringSubmatch(english); m != nil {
			parts := make([]any, len(m)-1)
			for i, part := range m[1:] {
				if parts[i] = p.say(part); one.quotes[i] {
					parts[i] = strings.Join(unquoted(part), "」、「")
				}
			}
			return fmt.Sprintf(one.text, parts...)
		}
	}
	return english
}

// unquoted are names that stand quoted in a list, as the %q of strings.
func unquoted(list string) (names []string) {
	for rest := list; ; {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return []string{list}
		}
		name, _ := strconv.Unquote(quoted) // a quoted prefix is one
		names = append(names, name)
		if rest = strings.TrimPrefix(rest[len(quoted):], ", "); rest == "" {
			return names
		}
	}
}

// enumerated is a list of places in a file, or of fields.
var enumerated = regexp.MustCompile(`^[A-Za-z0-9:]+(, [A-Za-z0-9:]+)+$`)

// partOfRule says lists.
func partOfRule(english string) (string, bool) {
	return strings.ReplaceAll(english, ", ", "、"), enumerated.MatchString(english)
}

// ruleTexts are the rules of documents and files in Chinese, the providers' own among them.
var ruleTexts = sync.OnceValue(func() *phrases {
	p := inChinese(ruleWords, func(c providers.Codec) map[string]string { return c.RulesInChinese })
	p.other = partOfRule
	return p
})

// reasonTexts are how records end and what they wait for in Chinese, with what the providers' clients say of answers.
var reasonTexts = sync.OnceValue(func() *phrases {
	p := inChinese(reasonWords, func(c providers.Codec) map[string]string { return c.AnswersInChinese })
	p.other = partOfReason
	return p
})

func inChinese(ours map[string]string, theirs func(providers.Codec) map[string]string) *phrases {
	all := maps.Clone(ours)
	for _, c := range providers.Codecs() {
		maps.Copy(all, theirs(c))
	}
	return newPhrases(all)
}

// Rule is a rule that a line breaks, what was found instead, or advice about it.
func (v *view) Rule(text string) string {
	if v.visit.lang != Chinese || text == "" {
		return text
	}
	return ruleTexts().say(text)
}
