package ledger

import (
	"embed"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

// scripts by name. Each is its own file behind what it uses of the common prelude. Of pointing each writes a pointer, too: its key
// is the last one, its arguments are the last ones (see pointer.args).
var scripts, pointing = loadScripts()

// source is the text of a script, without the prelude.
func source(name string) string {
	b, err := scriptFiles.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) // embedded at build time
	}
	return string(b)
}

func loadScripts() (all, pointing map[string]*redis.Script) {
	files, err := fs.ReadDir(scriptFiles, "scripts")
	if err != nil {
		panic(err)
	}
	all, pointing = map[string]*redis.Script{}, map[string]*redis.Script{}
	for _, f := range files {
		if f.Name() == "prelude.lua" {
			continue
		}
		name := strings.TrimSuffix(path.Base(f.Name()), ".lua")
		all[name] = redis.NewScript(complete(source(name)))
		// What cannot be pointed at is found by its own number.
		pointing[name] = redis.NewScript(complete("local n = #ARGV\npcall(point, table.remove(KEYS), ARGV[n - 3], ARGV[n - 2], ARGV[n - 1], ARGV[n])\n" + source(name)))
	}
	return all, pointing
}

var (
	comments   = regexp.MustCompile(`(?m)^ *--.*\n| +--.*$`)
	paragraphs = regexp.MustCompile(`\n\n+`)
	defines    = regexp.MustCompile(`(?m)^local (?:function )?(\w+(?:, \w+)*)`)
	words      = regexp.MustCompile(`\w+`)
)

// complete is a script behind those paragraphs of the prelude that it uses, itself or by others: Redis makes all functions of
// a script anew each time it runs, which would take as long as all else that a short one does.
func complete(script string) string {
	script = comments.ReplaceAllString(script, "")
	prelude := paragraphs.Split(strings.TrimSpace(comments.ReplaceAllString(source("prelude"), "")), -1)
	used := make([]bool, len(prelude))
	var use func(text string)
	use = func(text string) {
		names := map[string]bool{}
		for _, w := range words.FindAllString(text, -1) {
			names[w] = true
		}
		for i, p := range prelude {
			defined := defines.FindAllStringSubmatch(p, -1)
			if !used[i] && slices.ContainsFunc(defined, func(m []string) bool {
				return slices.ContainsFunc(strings.Split(m[1], ", "), func(name string) bool { return names[name] })
			}) {
				used[i] = true
				use(p)
			}
		}
	}
	use(script)
	var b strings.Builder
	for i, p := range prelude {
		if used[i] {
			b.WriteString(p + "\n\n")
		}
	}
	return b.String() + script
}
