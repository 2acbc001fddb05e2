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

// source is the text of a script, without the prelude.
func source(name string) string {
	b, err := scriptFiles.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) // embedded at build time
	}
	return string(b)
}

func loadScripts() map[string]*redis.Script {
	prelude := source("prelude")
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
		out[name] = redis.NewScript(prelude + "\n" + source(name))
	}
	return out
}
