package door

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"issuance/internal/bench/lab"
)

// bareQuestion has the child serve the bare handler.
type bareQuestion struct {
	Redis   string // host:port
	Payload []byte // of the tasks
}

type bareAnswer struct{ URL string }

// Child is the life of the child process that serves the bare handler: JSON is decoded, and a task enqueued with asynq's
// client.
func Child(_ []string, in io.Reader, out io.Writer) error {
	return lab.Serve(in, out, func(q bareQuestion) (bareAnswer, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return bareAnswer{}, err
		}
		rdb := redis.NewClient(&redis.Options{Addr: q.Redis, PoolSize: 64,
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})
		web := &http.Server{ReadHeaderTimeout: time.Minute, Handler: bare{asynq.NewClientFromRedisClient(rdb), q.Payload}}
		go func() { _ = web.Serve(l) }() // ends with the process
		return bareAnswer{"http://" + l.Addr().String()}, nil
	})
}

type bare struct {
	queue   *asynq.Client
	payload []byte
}

// ServeHTTP implements http.Handler.
func (b bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request map[string]any
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	_, number, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/orders/"), "/")
	_, err := b.queue.EnqueueContext(r.Context(), asynq.NewTask("bare", b.payload), asynq.Queue("bare"), asynq.TaskID(number))
	if err != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"state":"queued"}`)
}

// Bare is a bare handler in a process of its own.
type Bare struct {
	*lab.Child
	URL string
}

// OpenBare starts one over a Redis (host:port), whose tasks have a payload.
func OpenBare(redis string, payload []byte) (*Bare, error) {
	c, err := lab.StartChild(Name)
	if err != nil {
		return nil, err
	}
	var a bareAnswer
	if err := c.Ask(bareQuestion{redis, payload}, &a); err != nil {
		c.Close()
		return nil, err
	}
	return &Bare{c, a.URL}, nil
}
