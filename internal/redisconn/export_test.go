package redisconn

// WatchBy is Watch by a question of the test's.
var WatchBy = watch
