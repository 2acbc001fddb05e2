package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/sandbox"
)

// healthLimit is how long a worker may take to say how it is.
const healthLimit = 5 * time.Second

// healthCommand asks a running worker whether it is ready. The image holds no other program that could
// do so inside a container.
func healthCommand(env map[string]string, code *int, stdout, stderr io.Writer) *cobra.Command {
	addr := env["WORKER_HTTP_ADDR"]
	if addr == "" {
		addr = "127.0.0.1:8080"
	}
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the worker on this machine whether it is ready; exit code 0 if it is, else 1",
		Long: `Ask the worker on this machine, or in this container, whether Redis takes writes and every queue is served.
The exit code is 0 if so and 1 otherwise. It needs nothing but the address.`,
		Example: `  worker health
  worker health --http-addr 127.0.0.1:8081`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := health(cmd.Context(), addr)
			if err != nil {
				fmt.Fprintf(stderr, "worker: %v\n", err)
				*code = exitFailed
				return nil
			}
			fmt.Fprintln(stdout, answer)
			return nil
		},
	}
	cmd.Flags().StringVar(&addr, "http-addr", addr, "address of the worker's web UI, health and metrics (WORKER_HTTP_ADDR)")
	return cmd
}

// health is the worker's answer when it is ready, and an error that holds it when it is not.
func health(ctx context.Context, addr string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+sandbox.Reachable(addr)+"/readyz", nil)
	if err != nil {
		return "", fmt.Errorf("%q is no address; write host:port, such as 127.0.0.1:8080", addr)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is on this machine
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("no worker answers at %s: %w", addr, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("the worker at %s broke off: %w", addr, err)
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not ready (HTTP %d): %s", resp.StatusCode, text)
	}
	return text, nil
}
