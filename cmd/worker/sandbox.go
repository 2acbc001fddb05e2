package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"issuance/internal/config"
	"issuance/internal/frontdoor"
	"issuance/internal/redisconn"
	"issuance/internal/sandbox"
	"issuance/internal/sandboxfile"
	"issuance/providers"
	"issuance/tasks"
)

// serveSandbox runs a worker with everything it needs around it.
func serveSandbox(ctx context.Context, s settings, log *slog.Logger, stdout, stderr io.Writer) int {
	sb, err := sandbox.Start(sandbox.Options{EmbedRedis: !s.Redis.URL.Set() && !s.Redis.ClusterAddrs.Set(),
		ECTicketAddr: s.ecticketAddr, Pass2UAddr: s.pass2uAddr, JobEvery: s.jobEvery, Log: log})
	if err != nil {
		return report(stderr, err)
	}
	defer sb.Close()
	s.env["ECTICKET_BASE_URL"], s.env["PASS2U_BASE_URL"] = sb.ECTicketURL, sb.Pass2UURL
	if s.Config, err = config.Load(s.env); err != nil {
		return report(stderr, err)
	}
	if url := sb.RedisURL(); url != "" {
		s.Redis.URL = config.NewSecret(url)
	}
	story := sandbox.NewStory(stdout)
	w, err := build(ctx, s, redisconn.Sandbox, log, story.Observe, nil)
	if err != nil {
		return report(stderr, err)
	}
	defer w.stop()

	var printing sync.WaitGroup
	observed, endStory := context.WithCancel(context.Background())
	printing.Go(func() { story.Run(observed, w.ledger) })
	defer printing.Wait()
	defer endStory()

	left, forget, err := leave(ctx, w, sb)
	if err != nil {
		return report(stderr, err)
	}
	defer forget()
	l, err := sandbox.ListenNear("tcp", s.Worker.HTTPAddr)
	if err != nil {
		return report(stderr, fmt.Errorf("the web UI cannot be served: %w; choose another --http-addr", err))
	}
	defer l.Close()
	if _, port, ok := strings.Cut(s.Worker.HTTPAddr, ":"); ok && port != "0" && !strings.HasSuffix(l.Addr().String(), ":"+port) {
		sb.Moved = append(sb.Moved, fmt.Sprintf("%s is taken: the web UI is on %s", s.Worker.HTTPAddr, l.Addr()))
	}
	if !loopback(l.Addr().String()) {
		left = append(left, fmt.Sprintf("%s can be reached from other machines, and has no login", l.Addr()))
	}
	if err = w.enter(ctx); err == nil {
		err = w.start(l)
	}
	if err != nil {
		return report(stderr, err)
	}
	var front *door
	if !s.once {
		if front, err = w.openDoor(sb, story); err != nil {
			return report(stderr, err)
		}
		defer front.stop() // before Redis goes
		if s.noticesEvery > 0 {
			defer sb.Notify(s.noticesEvery, "http://"+sandbox.Reachable(front.listener.Addr().String())+frontdoor.NoticePath, story.Printf)()
		}
	}
	story.Printf("%s", welcome(w, sb, left, front))
	code := w.demonstrate(ctx, sb, story, stderr)
	if !s.once {
		<-ctx.Done()
		code = exitFine
		story.Printf("\nStopping: running tasks end first (Ctrl-C again stops at once).\n")
	}
	w.stopServing()
	ended, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	story.Drain(ended) // before Redis goes
	return code
}

// leave makes the sandbox known to the command line and inherits what an earlier one left. It
// returns remarks for people; call forget when it ends.
func leave(ctx context.Context, w *worker, sb *sandbox.Sandbox) (remarks []string, forget func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	env := map[string]string{}
	for name, value := range w.env {
		env[name] = value
	}
	_, rate := w.Pace(providers.Account{Provider: providers.ECTicket})
	env["ECTICKET_CALLS_PER_SECOND"] = strconv.FormatFloat(rate, 'f', -1, 64)
	if err := sb.Announce(ctx, w.rdb, env); err != nil {
		return nil, nil, err
	}
	inherited, err := sb.Inherit(ctx, w.ledger, w.names())
	if err != nil {
		return nil, nil, err
	}
	if inherited != "" {
		remarks = append(remarks, inherited)
	}
	if len(w.ignored) > 0 {
		remarks = append(remarks, "a sandbox has accounts, callers and webhooks of its own, so these settings are not used: "+strings.Join(w.ignored, ", "))
	}
	remarks = append(remarks, w.Warnings...)
	remove, err := sandboxfile.Write(sandboxfile.Info{RedisURL: w.Redis.URL.Reveal(), ClusterAddrs: w.Redis.ClusterAddrs.Reveal()})
	if err != nil {
		remarks = append(remarks, fmt.Sprintf("the command line will not find this sandbox by itself (%v): set REDIS_URL for it", err))
		return remarks, func() {}, nil
	}
	return remarks, func() { _ = remove() }, nil // one that stays behind names a Redis that does not answer
}

// demonstrate runs the demo and gives its verdict, which is the exit code of --once.
func (w *worker) demonstrate(ctx context.Context, sb *sandbox.Sandbox, story *sandbox.Story, stderr io.Writer) int {
	if w.demo == 0 {
		return exitFine
	}
	client, err := w.client()
	if err != nil {
		return report(stderr, err)
	}
	demo := sb.NewDemo(w.demo, time.Now(), w.byProvider(), func(p providers.Name, l tasks.Lane) bool { return w.demonstrates(p) && w.serves(p, l) }, w.ledger, client)
	if demo.Empty() {
		story.Printf("No demo: --queues leaves no provider its checkout and its poll queue.\n")
		return exitFine
	}
	story.Printf("Demo: %s. One line for each change:\n%s\n", demo.Describe(), legend)
	running, cancel := context.WithTimeout(ctx, demo.Patience())
	defer cancel()
	err = demo.Run(running)
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	switch {
	case ctx.Err() != nil && !w.once:
		return exitFine // stopped by hand
	case err != nil && !late && ctx.Err() == nil:
		return report(stderr, err)
	}
	return w.judge(demo, story, stderr, late)
}

// legend explains the story's states.
const legend = `  queued      known and waiting
  submitting  the intent is written down, the call to the provider is under way
  accepted    ECTicket has the order; its job will issue it, and the worker keeps asking
  issued, failed, refunded   final
  review      what is true could not be proven; a person decides, in the console for example
`

// judge prints the demo's table and the verdict.
func (w *worker) judge(demo *sandbox.Demo, story *sandbox.Story, stderr io.Writer, late bool) int {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	story.Drain(ctx)
	var table strings.Builder
	wrong, err := demo.Verdict(ctx, &table)
	if err != nil {
		return report(stderr, err)
	}
	story.Printf("\n%s\n", table.String())
	switch {
	case len(wrong) == 0:
		story.Printf("All as it should be: every order has one final status, and the simulators' books agree.\n")
	case late:
		story.Printf("Not final in %s:\n  %s\n", demo.Patience(), strings.Join(wrong, "\n  "))
	default:
		story.Printf("Not as it should be:\n  %s\n", strings.Join(wrong, "\n  "))
	}
	if len(wrong) > 0 {
		return exitFailed
	}
	if !w.once {
		story.Printf("The sandbox keeps running; Ctrl-C ends it.\n\n")
	}
	return exitFine
}

// welcome says where everything is and how to go on.
func welcome(w *worker, sb *sandbox.Sandbox, remarks []string, front *door) string {
	var b strings.Builder
	redisWhat, redisNote := "in "+w.redis.Describe(), "yours, marked as a sandbox's for good"
	if url := sb.RedisURL(); url != "" {
		redisWhat, redisNote = url, "inside this process; gone when it ends"
	}
	fmt.Fprintf(&b, "Issuance sandbox: a worker with simulated providers. Its tickets are simulated.\n\n")
	fmt.Fprintf(&b, "  Web UI              %s/jobs/  (also /healthz, /readyz, /metrics)\n", "http://"+sandbox.Reachable(strings.TrimPrefix(w.url, "http://")))
	if front != nil {
		fmt.Fprintf(&b, "  Console             %s\n", front.consoleURL())
		fmt.Fprintf(&b, "  HTTP API            %s  (also /docs, /openapi.json)\n", front.url())
	}
	fmt.Fprintf(&b, "  Redis               %s  (%s)\n", redisWhat, redisNote)
	fmt.Fprintf(&b, "  ECTicket simulator  %s  (merchants 2000132 and 3085676, ECPay's public test keys; issues every %s)\n", sb.ECTicketURL, w.jobEvery)
	fmt.Fprintf(&b, "  Pass2U simulator    %s  (API key sandbox-key)\n\n", sb.Pass2UURL)
	for _, r := range append(sb.Moved, remarks...) {
		fmt.Fprintf(&b, "Note: %s\n", r)
	}
	if len(sb.Moved)+len(remarks) > 0 {
		b.WriteString("\n")
	}
	if w.once {
		return b.String()
	}
	number, order := sandbox.Example(time.Now())
	enqueue := enqueueCommand(os.Executable())
	fmt.Fprintf(&b, "Send an order of your own from a second terminal; nothing has to be set there:\n\n")
	fmt.Fprintf(&b, "cat > order.json <<'END'\n%s\nEND\n%s issue order.json --wait\n%s status ecticket %s\n\n", order, enqueue, enqueue, number)
	if front != nil {
		b.WriteString(front.firstCalls("H" + number))
		b.WriteString(aboutNotices(w.noticesEvery, front.url(), enqueue, "H"+number))
	}
	return b.String()
}

// enqueueCommand is how the reader's shell calls the command line: as this worker was called.
func enqueueCommand(self string, err error) string {
	if err != nil || strings.Contains(self, "go-build") {
		return "go run ./cmd/enqueue"
	}
	if beside := filepath.Join(filepath.Dir(self), "enqueue"); isFile(beside) {
		return beside
	}
	return "enqueue"
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
