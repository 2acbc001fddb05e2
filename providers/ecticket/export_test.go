package ecticket

import "time"

// SetRetryWait shortens the pause before a query is tried again.
func (c *Client) SetRetryWait(d time.Duration) { c.retryWait = d }
