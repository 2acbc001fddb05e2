// Shows above the web UI's pages what stops orders or needs review.
(() => {
  'use strict';
  const box = document.createElement('div');
  box.setAttribute('role', 'status');
  Object.assign(box.style, {
    position: 'fixed', top: '4px', left: '290px', right: '16px', zIndex: 2000,
    font: '13px/1.5 Roboto, system-ui, sans-serif', color: '#fff',
  });

  const clock = (until) => {
    const at = new Date(until);
    const today = at.toDateString() === new Date().toDateString();
    return today ? at.toLocaleTimeString([], {hour12: false}) : at.toLocaleString([], {hour12: false});
  };

  const line = (colour, text) => {
    const div = document.createElement('div');
    Object.assign(div.style, {background: colour, padding: '3px 12px', marginBottom: '3px', borderRadius: '4px'});
    div.textContent = text;
    return div;
  };

  const healths = {
    no_worker: 'is served by no worker: nothing happens until one does',
    unreachable: 'is unreachable: calls are held, a probe every few seconds asks whether that is over',
    refused: 'is refused by the provider: calls are held, check its credentials and this machine\'s address',
    garbage: 'gets answers that are not the provider\'s: calls are held, look at its address and the network',
    key_missing: 'has documents that no worker here can open: add their seal key',
  };

  const show = ({health, bans, pauses, reviews}) => box.replaceChildren(
    ...health.map((h) => line('#b71c1c', `${h.account} ${healths[h.health] || h.health} ` +
      `(${h.why}${h.since ? ', since ' + clock(h.since) : ''})`)),
    ...bans.map((b) => line('#b71c1c', `${b.account} is banned until ${clock(b.until)} (${b.reason}): ` +
      'no call leaves, its queues resume by themselves')),
    ...pauses.map((p) => line('#8d5a00', `${p.account}${p.lane ? ' ' + p.lane : ''} is paused by ${p.who} since ${clock(p.since)} (${p.reason}): ` +
      'no call leaves until "enqueue resume"')),
    ...reviews.map((r) => line('#8d5a00', `${r.account}: ${r.count} ${r.count === 1 ? 'order or refund needs' : 'orders or refunds need'} ` +
      'review, see "enqueue review"')),
  );

  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch('/jobs/notices');
      if (!answer.ok) throw new Error(await answer.text());
      show(await answer.json());
    } catch (err) {
      box.replaceChildren(line('#b71c1c', 'The worker of this page cannot read how things stand: ' + err.message));
    }
  };

  document.body.appendChild(box);
  look();
  setInterval(look, 5000);
  document.addEventListener('visibilitychange', look);
})();
