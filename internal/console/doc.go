// Package console is the operators' web pages, which the front door serves below /console/: search, orders, reviews, and jobs
// over many orders, in Traditional Chinese and English. Whoever logs in with a token that has the scope operate may act,
// one with the scope events sees. See docs/console.md for what a user sees.
//
// A page is added in four steps:
//
//  1. a template in templates/NAME.html that defines "main", without a word of its own: text is {{$.T "key"}}, from words.go,
//     which has every key in both languages (tests look for bare text, missing keys and unused ones);
//  2. a handler func(*visit) error, which gathers what the template shows and ends with v.page("NAME", "title.key", data), or
//     answers with a *failure (see failure.go); what the visitor may see is asked of v.sees, and an order is read by v.ref;
//  3. its pattern in routes: c.see for what a viewer may see, c.act for what only an operator may do. A form is a POST that
//     holds {{$.CSRF}}, and answers with v.redirect;
//  4. its place in the navigation, navigation in render.go, if it has one.
//
// What an operator does is done by internal/operate or tasks.Client under v.as(), so that the decision names the browser. A page
// that is to follow events puts {{$.Live "order" .Ref}} on its main element; see live.go. There is no framework: static/console.js
// replaces the part of a page that carries data-live when the front door says that something happened, and every
// page works without it.
//
// What is uploaded is the one form with a file, see upload.go: its fields stand before the file, the token against forgery among
// them, and it is in the hands of the front door that took it (files.go), with its state in Redis (filestore.go).
//
// It may import internal/budget, internal/bulk and its package workbook, internal/queue, internal/queueui, internal/redisconn,
// internal/frontdoor, internal/operate, internal/ledger, internal/webhooks, internal/vault, internal/seal, internal/keys, packages
// tasks and providers, and no provider's client.
package console
