// Package sim is a worker in virtual time: the real handlers, ledger, sentinel and call budget,
// on a real Redis, between a model of the queue and a model of the provider. It exists to measure
// how many calls an order costs and how long people wait, over hours that pass in seconds.
//
// Real: internal/issuing, pollers (handler, follower, sentinel and its scripts), internal/ledger,
// internal/budget with its script, providers.Prepayable.
//
// Modelled: asynq, with what was measured of it (a server per lane that looks for tasks every 100
// to 300 ms when idle, delayed tasks that are due in whole seconds and moved once a second); the
// provider, which receives orders and issues all of them in a job every so often; the network, as
// a duration of 100 to 200 ms a call. Redis answers in no time.
//
// It imports the packages named above and internal/bench/vtime.
package sim
