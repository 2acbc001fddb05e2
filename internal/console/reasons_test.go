package console

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// unsaid are functions whose texts are shown on no page: errors, and the log.
var unsaid = regexp.MustCompile(`^(Errorf|New|Error|Warn|Info|Debug|Format|stands|panic|KeyMissing)$`)

// outcomes are the texts of the outcomes that providers' clients make.
func outcomes(n ast.Node) (text ast.Expr, in bool) {
	switch n := n.(type) {
	case *ast.CallExpr:
		if called(n) == "outcome" && len(n.Args) == 3 {
			return n.Args[2], false
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Message" {
			return n.Value, false
		}
	}
	return nil, true
}

// everything are all texts that are neither an error's nor the log's.
func everything(n ast.Node) (text ast.Expr, in bool) {
	switch n := n.(type) {
	case *ast.CallExpr:
		if called(n) == "Sprintf" {
			return n, false
		}
		return nil, !unsaid.MatchString(called(n))
	case *ast.BinaryExpr:
		if n.Op == token.ADD {
			return n, false
		}
	case *ast.BasicLit:
		return n, false
	}
	return nil, true
}

// sentences takes texts of several words from files.
func (s *sources) sentences(t *testing.T, which func(ast.Node) (ast.Expr, bool), files ...string) {
	t.Helper()
	s.consts = map[string]string{}
	fset := token.NewFileSet()
	for _, name := range files {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			e, in := which(n)
			if text, ok := s.text(e); ok && strings.Count(text, " ") > 1 {
				s.found[whole(text)] = fset.Position(e.Pos()).String()
			}
			return in
		})
	}
}

// whole is a text with something in the places where it goes on.
func whole(text string) string {
	if strings.HasSuffix(text, ": ") {
		text += "7"
	}
	if strings.HasPrefix(text, "; ") {
		text = "7" + text
	}
	if strings.HasPrefix(text, ", ") { // of the tickets of a refund
		text = "7 of 7 tickets refunded" + text
	}
	return text
}

// filesOf are those that match and are no tests.
func filesOf(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	files = slices.DeleteFunc(files, func(name string) bool {
		return strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/conformance/")
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", pattern, err)
	}
	return files
}

// Whatever the handlers, the poller and the providers' clients say of a record is there in Chinese.
func TestEveryReasonIsThereInChinese(t *testing.T) {
	s := &sources{found: map[string]string{}}
	for _, p := range []string{"../issuing", "../refunding", "../handler", "../../pollers", "../fair"} {
		s.sentences(t, everything, filesOf(t, p+"/*.go")...)
	}
	s.sentences(t, outcomes, filesOf(t, "../../providers/*/*.go")...)
	if len(s.found) < 100 {
		t.Fatalf("only %d were found", len(s.found))
	}
	for text, where := range s.found {
		if said := reasonTexts().say(text); !han(said) || englishWord.MatchString(said) {
			t.Errorf("%s: %q is %q", where, text, said)
		}
	}
}

// Reasons are said with what differs in them, lengths of time and rules included; what a provider said stays as it is.
func TestReasonsAreSaidWithWhatDiffers(t *testing.T) {
	for english, want := range map[string]string{
		"sent 3 times in 2h30m0s, never with a clear answer, and the provider does not know it when asked; ask the provider": "已送出 3 次，歷時 2 小時 30 分鐘，一直沒有明確的回應，查詢時服務商也查無此單；請詢問服務商",
		"in doubt: the request may still arrive at the provider":                                                             "結果不明：請求仍可能送達服務商",
		"in doubt: timeout": "結果不明：timeout",
		"the document no longer keeps the rules, nothing was issued: invalid document: request.A: must be a string (found: number of 1 character); request.B: must be UTF-8 (found: missing)": "文件已不符合規則，沒有開立：文件不符規則：request.A：須為文字（目前：1 個字元的數字）；request.B：須為 UTF-8（目前：未填）",
		"2 of 4 tickets refunded, 1 refunded by others before, 1 rejected":                                                   "已退 2 張，共 4 張，其中 1 張先前已由他人退款，1 張遭拒絕",
		"1 ticket should have been refunded, and the provider shows 2 more than before; somebody else may have refunded too": "應退 1 張，而服務商顯示比先前多退 2 張；可能還有他人退款",
		"商品已下架":                               "商品已下架",
		"[simulator] the item does not exist": "[simulator] the item does not exist",
	} {
		if got := Chinese.said(english); got != want {
			t.Errorf("%q is said as %q, want %q", english, got, want)
		}
		if got := English.said(english); got != english {
			t.Errorf("%q is %q in English", english, got)
		}
	}
}

// Each code with which a record can end or wait, the product's and those of the providers' clients, is explained in both languages.
func TestEveryCodeIsExplained(t *testing.T) {
	codes := map[string]bool{"http_503": true, "trans_10200073": true, "status_2": true, "sandbox_ended": true}
	for _, c := range order.Codes() {
		codes[string(c.Code)] = true
	}
	for _, pattern := range []string{"../httpcall/*.go", "../../providers/*/*.go"} {
		for c := range clientCodes(t, pattern) {
			codes[c] = true
		}
	}
	if len(codes) < len(order.Codes())+30 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	for c := range codes {
		if !han(Chinese.explain(c)) || English.explain(c) == "" || han(English.explain(c)) {
			t.Errorf("%s is %q and %q", c, Chinese.explain(c), English.explain(c))
		}
	}
	if got := Chinese.explain("10200050"); got != "" {
		t.Errorf("a provider's own code is explained as %q", got)
	}
}

// clientCodes are the constants named Code…, and the codes that outcomes are made with.
func clientCodes(t *testing.T, pattern string) map[string]bool {
	t.Helper()
	out, fset := map[string]bool{}, token.NewFileSet()
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if code, err := strconv.Unquote(lit.Value); err == nil && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && len(code) > 1 {
				out[code] = true
			}
		}
	}
	for _, name := range filesOf(t, pattern) {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, v := range n.Values {
					if strings.HasPrefix(n.Names[i].Name, "Code") {
						add(v)
					}
				}
			case *ast.CallExpr:
				if called(n) == "outcome" && len(n.Args) > 1 {
					add(n.Args[1])
				}
			}
			return true
		})
	}
	return out
}

// The steps of a history, and what people decided, are said in both languages.
func TestStepsAreSaidInBothLanguages(t *testing.T) {
	for _, c := range []struct{ event, detail, chinese, english string }{
		{"queued", "bulk", "大量", "bulk"},
		{"submitting", "attempt 2 by w1", "第 2 次，由 w1 送出", "attempt 2 by w1"},
		{"not_sent", "cannot connect: dial tcp 127.0.0.1:1: connect: connection refused", "無法連線：連線至 127.0.0.1:1：連線遭拒", "cannot connect: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"unclear", "timeout", "timeout — 未在時限內得到完整的回應。", "timeout — No whole answer came in time."},
		{"ticket", "2 refunded", "第 2 張 已退款", "Ticket 2 refunded"},
		{"ticket", "1 confirmed, its effect has still to show", "第 1 張 服務商已確認，待清單證實", "Ticket 1 confirmed, its effect has still to show"},
		{"resolved", "issued by ann: seen at the provider", "已開立／由 ann：seen at the provider", "issued of by ann: seen at the provider"},
		{"reopened", "by ann: keys are right now", "由 ann：keys are right now", "by ann: keys are right now"},
		{"failed", "10200050", "10200050", "10200050"},
	} {
		s := ledger.Step{Event: c.event, Detail: c.detail}
		if zh, en := Chinese.detail(s), English.detail(s); zh != c.chinese || en != c.english {
			t.Errorf("%s %q is %q and %q", c.event, c.detail, zh, en)
		}
	}
	for what, want := range map[string][2]string{"resolve as issued": {"判定為「已開立」", "resolve as issued"}, "retry": {"重試", "retry"},
		"show tickets of file f1": {"查看檔案 f1 的票券", "show tickets of file f1"}} {
		for _, l := range Languages() {
			if got := l.decided(what); got != want[l] {
				t.Errorf("%s: %q is %q", l.Name(), what, got)
			}
		}
	}
}
