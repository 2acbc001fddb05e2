package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const docs = "../../docs/configuration.md"

// docs/configuration.md is the table of variables; after a change of it run
//
//	go test ./internal/config -update
func TestTheDocumentIsTheTable(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/configuration.md differs from the table of variables; run: go test ./internal/config -update")
	}
}

// Every variable stands in the document, with its default, and no group without a title.
func TestEveryVariableIsDocumented(t *testing.T) {
	lines := strings.Split(document(), "\n")
	for _, v := range Table() {
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, "| `"+v.Name+"` |") && strings.Contains(line, v.Default) && strings.Contains(line, v.FileName())
		}) {
			t.Errorf("%s is not documented", v.Name)
		}
	}
	config := reflect.TypeFor[Config]()
	for g := range config.NumField() {
		if f := config.Field(g); f.Type.Kind() == reflect.Struct && titles[f.Name] == "" {
			t.Errorf("the group %s has no title", f.Name)
		}
	}
}

var titles = map[string]string{
	"Redis":    "Redis",
	"Worker":   "The worker's process",
	"ECTicket": "ECPay ECTicket",
	"Pass2U":   "Pass2U",
	"File":     "Several accounts",
	"Poll":     "Following up",
	"Ledger":   "How long records are kept",
	"Seal":     "Seal keys",
	"Producer": "The command line",
	"Gateway":  "The front door (enqueue serve)",
}

const introduction = `# Configuration

<!-- Written by: go test ./internal/config -update -->

Worker and command line are configured by the environment. Empty variables count as not set. Durations are numbers with a
unit: ` + "`s`, `m`, `h` or `d`" + `. Mistakes are reported all at once, before anything is started; a name that begins as
these do and is none of them, or is a typing error or two away from one, gives a warning, which shows no value. ` + "`worker --help`" + ` prints the same list.

A sandbox (` + "`worker --sandbox`" + `) needs no settings. It uses its own accounts and its own seal key, whatever the environment says,
and the command line finds it by itself. Its providers answer without faults: those that the simulators know (lost answers, bans, outages) are
for tests, which switch them on in Go (` + "`SetFault`, `StartOutage`" + `); no setting does.

## Where secrets come from

A variable marked *secret* may come from a file instead: set ` + "`NAME_FILE`" + ` to its path, for example
` + "`ECTICKET_HASH_KEY_FILE=/run/secrets/ecticket_hash_key`" + `. Spaces and line ends at the end of the file do not count. The file is read
once, at the start. Setting both ` + "`NAME`" + ` and ` + "`NAME_FILE`" + ` is a mistake. Secrets never appear in logs, errors or the web UI.

## Redis' users

` + "`sh deploy/make-secrets.sh`" + ` makes a password for each user of [deploy/users.acl](../deploy/users.acl), in the folder deploy/secrets:

| File | Use |
|---|---|
| ` + "`redis_users.acl`" + ` | the users, with hashes of their passwords, as Redis takes them (` + "`aclfile`" + `); docker-compose.yml gives it to its Redis as a secret |
| ` + "`redis_url_worker`" + ` | ` + "`REDIS_URL`" + ` of workers; docker-compose.yml sets ` + "`REDIS_URL_FILE`" + ` to it |
| ` + "`redis_url_producer`" + ` | of checkout systems: enqueue, cancel, erase, read |
| ` + "`redis_url_gateway`" + ` | of front doors (` + "`enqueue serve`" + `): what producers may, and webhooks |
| ` + "`redis_url_operator`" + ` | of the command line in operators' hands: all of it |
| ` + "`redis_url_reader`" + ` | of those who only look |
| ` + "`seal_keys`" + ` | a key for ` + "`ISSUANCE_SEAL_KEYS_FILE`" + ` |

The host in the addresses is the compose file's ` + "`redis`" + `; change it for another. Running the script again changes nothing; a file that is
removed is made anew. The Redis of docker-compose.yml publishes no port: programs on the same machine join its network, or run in the
worker's container, as in ` + "`docker compose exec -T worker enqueue issue - < order.json`" + `.

## Flags

Flags override the environment where both exist:

| Flag | Overrides |
|---|---|
| ` + "`worker --http-addr`" + ` | ` + "`WORKER_HTTP_ADDR`" + ` |
| ` + "`enqueue issue --precheck`, `enqueue bulk --precheck`" + ` | ` + "`ECTICKET_PRECHECK`" + ` |

## What must be the same for workers and producers

Producers are the command line and programs that use package ` + "`tasks`" + `.

| Setting | Why |
|---|---|
| %[1]s | both must use the same Redis, and the same database in it |
| %[2]s | the producer's first key must be one of the workers' keys, or no worker could read its orders. Workers announce their keys, and enqueueing with another key is refused |
| %[3]s | documents are checked against them when they are enqueued and again before they are sent |
| %[4]s | a task takes them along when it is enqueued |

To change the seal key, first add the new key at the end of the workers' list, then put it first for producers and workers, and
remove the old one when no order that was sealed with it is kept any more (` + "`ISSUANCE_KEEP_RECORDS`" + `).

All workers of one account must have the same calls per second, because they share one call budget. Several accounts of a provider are described in a
file: [accounts](accounts.md).
A command reads only the settings that it uses, by the same rules as the worker.
`

// document is docs/configuration.md.
func document() string {
	var b strings.Builder
	fmt.Fprintf(&b, introduction, names(Connection), names(Keys), names(Documents), names(Tasks))
	group := -1
	for _, v := range Table() {
		if v.group != group {
			group = v.group
			title := titles[reflect.TypeFor[Config]().Field(group).Name]
			fmt.Fprintf(&b, "\n## %s\n\n| Variable | Default | Meaning |\n|---|---|---|\n", title)
		}
		def, secret := "", ""
		if v.Default != "" {
			def = "`" + v.Default + "`"
		}
		if v.Secret {
			secret = " (*secret*: or `" + v.FileName() + "`)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s%s |\n", v.Name, def, strings.ReplaceAll(v.Meaning, "|", `\|`), secret)
	}
	return b.String() + traces
}

// traces are the settings that OpenTelemetry's SDK reads, beside those that package tracing/otlp does.
const traces = `
## Traces

OpenTelemetry's own settings, read by worker, front door and command line from the process's environment; they have no NAME_FILE. Those of the
exporter exist for traces alone as well (` + "`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`" + `, …), which then count. Other variables of OpenTelemetry have no effect.
[Traces](tracing.md) says what is sent.

| Variable | Default | Meaning |
|---|---|---|
| ` + "`OTEL_EXPORTER_OTLP_ENDPOINT`" + ` |  | the collector, such as http://collector:4318; without it nothing is traced |
| ` + "`OTEL_EXPORTER_OTLP_PROTOCOL`" + ` | ` + "`http/protobuf`" + ` | another one is an error |
| ` + "`OTEL_EXPORTER_OTLP_HEADERS`" + ` |  | headers of every request, such as authorization=Bearer%20TOKEN |
| ` + "`OTEL_EXPORTER_OTLP_TIMEOUT`" + ` | ` + "`10000`" + ` | milliseconds that a request may take |
| ` + "`OTEL_EXPORTER_OTLP_COMPRESSION`" + ` |  | gzip, or none |
| ` + "`OTEL_EXPORTER_OTLP_CERTIFICATE`" + ` |  | file of the authority that has signed the collector's certificate |
| ` + "`OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY`" + ` |  | files of a certificate of our own, and its key |
| ` + "`OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`" + ` | ` + "`parentbased_always_on`" + ` | which traces are kept |
| ` + "`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`" + ` |  | whose spans they are; by default issuance-worker, issuance-frontdoor or issuance-enqueue |
| ` + "`OTEL_BSP_SCHEDULE_DELAY`, `OTEL_BSP_EXPORT_TIMEOUT`, `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`" + ` | ` + "`5000`, `30000`, `2048`, `512`" + ` | how spans are batched; times in milliseconds |
| ` + "`OTEL_TRACES_EXPORTER`" + ` |  | none: nothing is traced |
| ` + "`OTEL_SDK_DISABLED`" + ` | ` + "`false`" + ` | true: nothing is traced |
`

func names(p Part) string {
	var out []string
	for _, v := range Table() {
		if slices.Contains(v.parts, p) {
			out = append(out, "`"+v.Name+"`")
		}
	}
	return strings.Join(out, ", ")
}
