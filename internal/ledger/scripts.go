package ledger

import (
	"embed"
	"io/fs"
	"strings"
	"unicode"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

var (
	// prelude is what the scripts have in common.
	prelude = parsePrelude(source("prelude"))
	// scripts by name. Each is its own file behind what it uses of the prelude.
	scripts = loadScripts()
	// pointing are those that write a pointer, too, where they are run with one: its key is the last one, its arguments are the
	// last ones (see pointer.args). What cannot be pointed at is found by its own number.
	pointing = map[string]*redis.Script{"accept": withPointer("accept"), "finish": withPointer("finish")}
)

// source is the text of a script, without the prelude and without comments.
func source(name string) string {
	b, err := scriptFiles.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) // embedded at build time
	}
	return withoutComments(string(b))
}

func withoutComments(lua string) string {
	var b strings.Builder
	for line := range strings.Lines(lua) {
		if strings.HasPrefix(strings.TrimSpace(line), "--") {
			continue
		}
		code, _, commented := strings.Cut(line, " --")
		b.WriteString(strings.TrimRight(code, " "))
		if commented {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func loadScripts() map[string]*redis.Script {
	files, err := fs.Glob(scriptFiles, "scripts/*.lua")
	if err != nil {
		panic(err)
	}
	all := map[string]*redis.Script{}
	for _, f := range files {
		if name := strings.TrimSuffix(strings.TrimPrefix(f, "scripts/"), ".lua"); name != "prelude" {
			all[name] = redis.NewScript(complete(source(name)))
		}
	}
	return all
}

func withPointer(name string) *redis.Script {
	return redis.NewScript(complete("local n = #ARGV\npcall(point, table.remove(KEYS), ARGV[n - 3], ARGV[n - 2], ARGV[n - 1], ARGV[n])\n" + source(name)))
}

// paragraph is a part of the prelude between blank lines.
type paragraph struct {
	text string
	uses []string // its words, those that other paragraphs define among them
}

// pieces are the paragraphs of a prelude in their order, and by each name that they define.
type pieces struct {
	list    []*paragraph
	defines map[string]*paragraph
}

func parsePrelude(lua string) pieces {
	p := pieces{defines: map[string]*paragraph{}}
	for text := range strings.SplitSeq(lua, "\n\n") {
		one := &paragraph{text: strings.Trim(text, "\n"), uses: wordsOf(text)}
		p.list = append(p.list, one)
		for line := range strings.Lines(one.text) {
			names, isLocal := strings.CutPrefix(line, "local ")
			if !isLocal {
				continue // what is local to a function is indented
			}
			names, _, _ = strings.Cut(strings.TrimPrefix(names, "function "), "(")
			names, _, _ = strings.Cut(names, "=")
			for _, name := range wordsOf(names) {
				p.defines[name] = one
			}
		}
	}
	return p
}

func wordsOf(lua string) []string {
	return strings.FieldsFunc(lua, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// complete is a script behind those paragraphs of the prelude that it uses, itself or by others: Redis makes all functions of
// a script anew each time it runs, which would take as long as all else that a short one does.
func complete(script string) string {
	used := map[*paragraph]bool{}
	var use func(words []string)
	use = func(words []string) {
		for _, w := range words {
			if p := prelude.defines[w]; p != nil && !used[p] {
				used[p] = true
				use(p.uses)
			}
		}
	}
	use(wordsOf(script))
	var b strings.Builder
	for _, p := range prelude.list {
		if used[p] {
			b.WriteString(p.text + "\n\n")
		}
	}
	return b.String() + script
}
