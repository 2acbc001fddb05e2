package console

import (
	"fmt"
	"net/http"

	"golang.org/x/text/language"

	"issuance/providers"
)

// Lang is a language of the pages.
type Lang int

// The languages, in the order of the texts in words.
const (
	Chinese Lang = iota
	English
)

// Languages lists them.
func Languages() []Lang { return []Lang{Chinese, English} }

// Tag is the language in HTML.
func (l Lang) Tag() string { return [...]string{"zh-Hant-TW", "en"}[l] }

// Name is the language in its own words.
func (l Lang) Name() string { return [...]string{"正體中文", "English"}[l] }

// codec is the language for a codec's texts.
func (l Lang) codec() string { return [...]string{providers.Chinese, ""}[l] }

// T is a text of words in a language.
func (l Lang) T(key string, args ...any) string {
	text, known := words[key]
	if !known {
		return key
	}
	if len(args) == 0 {
		return text[l]
	}
	return fmt.Sprintf(text[l], args...)
}

// or is a text of words, or a text of a program or a provider as it is, where words has none.
func (l Lang) or(prefix, text string) string {
	if found, known := words[prefix+text]; known {
		return found[l]
	}
	return text
}

// languageCookie holds what the visitor chose.
const languageCookie = "issuance_language"

var matcher = language.NewMatcher([]language.Tag{language.English, language.TraditionalChinese})

// languageOf is the language that the visitor chose, or that the browser asks for.
func languageOf(r *http.Request) Lang {
	if k, err := r.Cookie(languageCookie); err == nil {
		for _, l := range Languages() {
			if k.Value == l.Tag() {
				return l
			}
		}
	}
	if _, i := language.MatchStrings(matcher, r.Header.Get("Accept-Language")); i == 1 {
		return Chinese
	}
	return English
}

// language chooses another language and leads back.
func (v *visit) language() error {
	for _, l := range Languages() {
		if v.r.URL.Query().Get("to") == l.Tag() {
			http.SetCookie(v.w, &http.Cookie{Name: languageCookie, Value: l.Tag(), Path: Path, MaxAge: 365 * 24 * 60 * 60,
				HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.Door.Encrypted(v.r)})
		}
	}
	return v.redirect(within(v.r.URL.Query().Get("back")), "")
}
