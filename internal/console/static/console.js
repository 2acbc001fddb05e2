// The pages work without this. It keeps relative times true, and renews a page that follows something.
"use strict";

(() => {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });

  const renewTimes = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const ago = time.querySelector(".ago");
      const seconds = (new Date(time.getAttribute("datetime")) - Date.now()) / 1000;
      const [unit, length] = units.find(([, l]) => Math.abs(seconds) >= l) ?? units[units.length - 1];
      const text = words.format(Math.trunc(seconds / length), unit);
      if (ago && ago.textContent !== text) ago.textContent = text;
    }
  };
  setInterval(renewTimes, 10000);

  for (const back of document.querySelectorAll("[data-back]")) {
    back.addEventListener("click", (event) => {
      if (history.length < 2) return;
      event.preventDefault();
      history.back();
    });
  }

  // Somebody who fills in a form, or looks at what was asked for, is not disturbed. What was unfolded stays so.
  const busy = () => document.querySelector("main details.act[open], main [data-shown]") !== null;
  const unfolded = (of) => [...of.querySelectorAll("details.fold[open]")].map((fold) => fold.id);

  let wanted = false, running = false, waiting = false;
  const renew = async () => {
    if (running) { wanted = true; return; }
    running = true;
    const main = document.querySelector("main");
    if (busy()) {
      waiting = true;
      document.querySelector("[data-changed]")?.removeAttribute("hidden");
    } else {
      const answer = await fetch(location.href, { headers: { "X-Console-Live": "1" }, credentials: "same-origin" });
      if (answer.status === 401) { location.reload(); return; }
      const text = await answer.text();
      if (answer.ok && !busy()) { // a form may have been opened meanwhile
        const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
        const active = document.activeElement?.id;
        if (fresh) {
          for (const id of unfolded(main)) fresh.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
          fresh.querySelector("[data-done]")?.remove(); // it was said when the page came
          main.replaceChildren(...fresh.childNodes);
          if (kind(fresh.dataset.live) !== followed) follow(fresh.dataset.live);
          if (active) document.getElementById(active)?.focus();
        }
      }
    }
    // No page renews itself more than once in two seconds, however much happens.
    setTimeout(() => { running = false; if (wanted) { wanted = false; renew().catch(lost); } }, 2000);
  };

  const lost = () => { running = false; document.querySelector("[data-lost]")?.removeAttribute("hidden"); };

  // Who has closed the form gets what came meanwhile.
  document.addEventListener("toggle", () => {
    if (!waiting || busy()) return;
    waiting = false;
    renew().catch(lost);
  }, true);

  // A page that is renewed may follow something else than before: a file first its progress, then its orders.
  const kind = (live) => {
    if (!live) return "";
    const url = new URL(live, location.href);
    url.searchParams.delete("from");
    return url.search;
  };
  let source = null, followed = "";
  const stop = () => { source?.close(); source = null; };
  const follow = (live) => {
    stop();
    followed = kind(live);
    if (!live) return;
    source = new EventSource(live);
    source.onmessage = () => renew().catch(lost);
    source.onopen = () => document.querySelector("[data-lost]")?.setAttribute("hidden", "");
    source.onerror = () => document.querySelector("[data-lost]")?.removeAttribute("hidden");
  };
  addEventListener("pagehide", stop);
  follow(document.querySelector("main")?.dataset.live);
})();
