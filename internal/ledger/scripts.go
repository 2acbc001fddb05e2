package ledger

import (
	"embed"
	"io/fs"
	"path"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

// scripts by name. Each is its own file behind the common prelude.
var scripts = loadScripts()

func loadScripts() map[string]*redis.Script {
	read := func(name string) string {
		b, err := scriptFiles.ReadFile("scripts/" + name)
		if err != nil {
			panic(err) // embedded at build time
		}
		return string(b)
	}
	prelude := read("prelude.lua")
	files, err := fs.ReadDir(scriptFiles, "scripts")
	if err != nil {
		panic(err)
	}
	out := map[string]*redis.Script{}
	for _, f := range files {
		if f.Name() == "prelude.lua" {
			continue
		}
		name := strings.TrimSuffix(path.Base(f.Name()), ".lua")
		out[name] = redis.NewScript(prelude + "\n" + read(f.Name()))
	}
	return out
}
