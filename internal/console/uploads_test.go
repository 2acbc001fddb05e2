package console_test

import (
	"net/http"
	"strings"
	"testing"

	"issuance/internal/doortest"
)

// Whoever uploads, looks, corrects and uploads again is not kept from it by the files before: the oldest gives way, and both
// pages say so.
func TestAFifthUploadTakesThePlaceOfOnesOldest(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "bob operate")
	h := open(t, path)
	b, bob := h.loggedIn(secrets["angela"]), h.loggedIn(secrets["bob"])
	var files []string
	for _, name := range []string{"first.xlsx", "second.xlsx", "third.xlsx", "fourth.xlsx"} {
		file, _, text := b.checked(name, threeWrong(t), "ready to start")
		if !strings.Contains(text, "<dt>Waits for its start until</dt><dd><time") || strings.Contains(text, "taken that of") {
			t.Errorf("%s: %s", name, text)
		}
		files = append(files, file)
	}
	a := bob.upload(bob.csrf("/console/bulk"), "bobs.xlsx", threeWrong(t))
	if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.text, "these files hold all 4 places") || strings.Contains(a.text, "bobs.xlsx") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
	for i, file := range files {
		if want := `<a href="` + file + `">` + []string{"first", "second", "third", "fourth"}[i] + `.xlsx</a> · angela · ready to start · Holds it until <time`; !strings.Contains(a.text, want) {
			t.Errorf("what holds the places lacks %s: %s", want, a.text)
		}
		if !strings.Contains(a.text, `action="`+file+`/stop"`) {
			t.Errorf("%s cannot be discarded from there", file)
		}
	}
	_, _, text := b.checked("fifth.xlsx", threeWrong(t), "ready to start")
	if !strings.Contains(text, "taken that of “first.xlsx”") {
		t.Errorf("the page does not say what it has replaced: %s", text)
	}
	if text := b.until(files[0], "/console/live?file="+strings.TrimPrefix(files[0], "/console/bulk/"), "stopped<"); !strings.Contains(text, "uploaded later has taken its place") {
		t.Errorf("the file that gave way: %s", text)
	}
	for _, file := range files[1:] {
		if text := b.page(file); !strings.Contains(text, "ready to start") {
			t.Errorf("%s gave way, too: %s", file, text)
		}
	}
	b.submit(files[1], files[1]+"/stop")
	b.until(files[1], "/console/live?file="+strings.TrimPrefix(files[1], "/console/bulk/"), "stopped<")
	bob.checked("bobs.xlsx", threeWrong(t), "ready to start")
}

// Who may not see others' files sees that they hold the places, and no name of theirs.
func TestOthersFilesThatHoldThePlacesAreNotNamed(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "bob operate "+other.String())
	h := open(t, path)
	b := h.loggedIn(secrets["angela"])
	for range 4 {
		b.checked("secret.xlsx", threeWrong(t), "ready to start")
	}
	bob := h.loggedIn(secrets["bob"])
	bob.lang = "zh-TW"
	a := bob.upload(bob.csrf("/console/bulk"), "bobs.xlsx", threeWrong(t))
	if a.StatusCode != http.StatusServiceUnavailable || strings.Count(a.text, "<li>其他帳號的檔案 · 等待開始 · 最晚占用至 <time") != 4 || strings.Contains(a.text, "secret") || strings.Contains(a.text, "angela") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
}
