// Package queueui is asynq's web UI (asynqmon) as the worker and the front door's console show it, and what guards it: pages of at
// most MaxPage tasks, no documents, nothing from elsewhere, known host names alone, no requests of other sites, a few
// connections to Redis of its own, and answers about queues whose tasks were lost. Who may see it is for its caller to ask.
//
// It may import internal/queue, internal/redisconn and internal/thismachine.
package queueui
