package console

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"issuance/providers"
	_ "issuance/providers/codecs"
)

// sources reads the rules that packages hold, from their text: whatever is passed as a rule, and named as one.
type sources struct {
	consts map[string]string // string constants by name, of one package
	found  map[string]string // text → where it stands
}

var verb = regexp.MustCompile(`%[a-zA-Z]`)

// text is a string expression with 7 for whatever differs; ok is false where nothing of it is known.
func (s *sources) text(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		text, ok := s.consts[e.Name]
		return text, ok
	case *ast.BinaryExpr:
		left, a := s.text(e.X)
		right, b := s.text(e.Y)
		if call, ok := e.Y.(*ast.CallExpr); !b && !(ok && strings.HasPrefix(called(call), "insteadIn")) { // which is advice, or nothing
			right = "7"
		}
		return left + right, a
	case *ast.CallExpr:
		if name := called(e); (name == "Sprintf" || name == "New") && len(e.Args) > 0 {
			text, ok := s.text(e.Args[0])
			return verb.ReplaceAllString(text, "7"), ok
		}
	}
	return "", false
}

func called(e *ast.CallExpr) string {
	switch f := e.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// ruleAt is the place of the rule among the arguments of the functions that take one.
var ruleAt = map[string]int{"Violate": 1, "ViolateMerchant": 1, "Require": 1, "Forbid": 1, "wrong": 0, "errorf": 0, "broken": 1}

func (s *sources) take(fset *token.FileSet, e ast.Expr) {
	if text, ok := s.text(e); ok && strings.Contains(text, " ") && strings.ContainsFunc(text, unicode.IsLetter) {
		s.found[text] = fset.Position(e.Pos()).String()
	}
}

// read takes the rules of a package's files.
func (s *sources) read(t *testing.T, files ...string) {
	t.Helper()
	fset := token.NewFileSet()
	var parsed []*ast.File
	s.consts = map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "chinese.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	for range 2 { // constants may be made of others
		for _, f := range parsed {
			ast.Inspect(f, func(n ast.Node) bool {
				if v, ok := n.(*ast.ValueSpec); ok && len(v.Names) == len(v.Values) {
					for i, name := range v.Names {
						if text, ok := s.text(v.Values[i]); ok {
							s.consts[name.Name] = text
						}
					}
				}
				return true
			})
		}
	}
	for _, f := range parsed {
		advice := strings.HasSuffix(fset.Position(f.Pos()).Filename, "bulk/advice.go")
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if at, takes := ruleAt[called(n)]; takes && len(n.Args) > at {
					s.take(fset, n.Args[at])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "Rule" || key.Name == "Advice") {
					s.take(fset, n.Value)
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if field, ok := left.(*ast.SelectorExpr); ok && (field.Sel.Name == "Rule" || field.Sel.Name == "Advice") && len(n.Rhs) == len(n.Lhs) {
						s.take(fset, n.Rhs[i])
					}
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if (advice || strings.HasSuffix(name.Name, "Rule") || strings.HasPrefix(name.Name, "errQuote")) && i < len(n.Values) {
						s.take(fset, n.Values[i])
					}
				}
			}
			return true
		})
	}
}

func han(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

// englishWord is what is left of a text that was not said in Chinese: three English words in a row.
var englishWord = regexp.MustCompile(`\b[a-z]+ [a-z]+ [a-z]+\b`)

// Every rule that a line of a file can break has a text in Chinese, the providers' own and all others.
func TestEveryRuleIsThereInChinese(t *testing.T) {
	found := map[string]string{}
	packages := []string{"../doccheck", "../bulk", "../bulk/workbook", "."}
	err := filepath.WalkDir("../../providers", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasSuffix(path, "doc") {
			packages = append(packages, path)
		}
		return err
	})
	if err != nil || len(packages) < 4+len(providers.Codecs()) {
		t.Fatalf("%v %v", packages, err)
	}
	for _, p := range packages {
		files, err := filepath.Glob(p + "/*.go")
		if p == "." {
			files, err = []string{"filepass.go"}, nil
		}
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", p, err)
		}
		s := &sources{found: found}
		s.read(t, files...)
	}
	(&sources{found: found}).read(t, "../../tasks/document.go")
	if len(found) < 100 {
		t.Fatalf("only %d rules were found", len(found))
	}
	for text, where := range found {
		if said := ruleTexts().say(text); !han(said) || englishWord.MatchString(said) {
			t.Errorf("%s: %q is %q", where, text, said)
		}
	}
}

// What validation says of real documents is Chinese on the Chinese pages, the parts that differ in their places.
func TestRulesAreSaidWithWhatDiffers(t *testing.T) {
	for english, want := range map[string]string{
		"must have 2 to 20 characters":         "長度須為 2 至 20 個字元",
		"string of 11 characters":              "11 個字元的文字",
		"number of 1 character":                "1 個字元的數字",
		"is required for IssueType 1, 2 and 3": "IssueType 為 1、2、3 時必填",
		`must be "1", "2", as a string`:        `須為 "1", "2"，以文字填寫`,
		"is longer than 256 KiB":               "超過 256 KiB",
		"Excel has dropped the zero in front: format the column as Text, then write it again":                                                                                               "Excel 去掉了開頭的 0：請將該欄格式設為「文字」後重新輸入",
		"has the same order number as line 7; each order needs a number of its own":                                                                                                         "訂單編號與第 7 列相同；每筆訂單須有自己的編號",
		"must be pure Chinese or pure English, not mixed, without digits or other signs; write nothing for '!'":                                                                             "須全為中文或全為英文，不可混用，不可含數字或其他符號；請以 空字元 取代 '!'",
		"may hold Chinese, English, digits and ()_/,.$%- only; no spaces, no full-width characters; write \"_\" (or nothing) for the space (U+0020)":                                        "僅可含中文、英文、數字與 ()_/,.$%-；不可含空白與全形字元；請以 \"_\"（或刪除） 取代 空白（U+0020）",
		"must be well-formed JSON: it ends too early, and it is not UTF-8":                                                                                                                  "須為正確的 JSON：內容不完整，且不是 UTF-8",
		"has the same order number as lines 12 and 13; each order needs a number of its own":                                                                                                "訂單編號與第 12、13 列相同；每筆訂單須有自己的編號",
		"has the same order number as lines 1, 2, 3 and 7 more; each order needs a number of its own":                                                                                       "訂單編號與第 1、2、3 列及另外 7 列相同；每筆訂單須有自己的編號",
		"lacks columns that lines 2 to 7 need: MerchantTradeNo, Operator":                                                                                                                   "缺少欄位：第 2 至 7 列需要 MerchantTradeNo、Operator",
		`there is no sheet "三月"; there are "一月, 二月", "a\"b"`:                                                                                                                                `沒有工作表「三月」；現有「一月, 二月」、「a"b」`,
		`"ItemNO1" is not a column; write ItemNo1`:                                                                                                                                          "「ItemNO1」不是欄位名稱；請寫 ItemNo1",
		`"備註" is not a column; see: enqueue bulk --help`:                                                                                                                                    "「備註」不是欄位名稱；可下載範本參考",
		`"ItemNo" needs the item's number behind it, from ItemNo1 to ItemNo100`:                                                                                                             "「ItemNo」後面須加上品項序號，由 ItemNo1 至 ItemNo100",
		`"account" is not a column: the others say which provider it is, and --provider names an account; of several merchants of ECPay ECTicket, the column MerchantID names each order's`: "「account」不是欄位名稱：服務商由其他欄位判斷，帳號請在上傳時選擇；同一檔案有 ECPay ECTicket 多個特店時，請用 MerchantID 欄位指明每筆訂單的特店",
		"a text that nobody knows": "a text that nobody knows",
	} {
		if got := ruleTexts().say(english); got != want {
			t.Errorf("%q is said as %q, want %q", english, got, want)
		}
	}
	for _, l := range Languages() {
		v := &view{visit: &visit{lang: l}}
		if got := v.Rule("must be UTF-8"); (got == "must be UTF-8") != (l == English) {
			t.Errorf("%s: %q", l.Name(), got)
		}
	}
}

// Each text has as many places as the English one, and the same value in each language's place.
func TestTheRulesHaveTheirPlaces(t *testing.T) {
	all := []map[string]string{ruleWords, reasonWords}
	for _, c := range providers.Codecs() {
		if len(c.RulesInChinese) == 0 || len(c.AnswersInChinese) == 0 {
			t.Errorf("%s has no rules or answers in Chinese", c.Name)
		}
		all = append(all, c.RulesInChinese, c.AnswersInChinese)
	}
	for _, texts := range all {
		for english, chinese := range texts {
			if strings.Count(english, hole) != strings.Count(chinese, hole) {
				t.Errorf("%q and %q have different places", english, chinese)
			}
		}
	}
}
