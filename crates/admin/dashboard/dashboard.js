// The live table of pools and members. It uses the admin API like everyone else: it polls
// /api/v1/pools each second and follows /api/v1/events.
'use strict';

const POLL_MS = 1000;
const EVENTS_SHOWN = 50;
const TOKEN_KEY = 'evenkeel-token';

const byId = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat('en');

// Rates need the poll before: requests of each member and when they were read.
const before = new Map();
let token = sessionStorage.getItem(TOKEN_KEY) || '';
let generation = 0; // of the token: polls and streams of an older one stop
let stream = new AbortController();
let started = 0; // when the process we talk to started; another one numbers its events anew

class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `the server answered ${status}`);
    this.status = status;
    if (document.help) this.message += ` (${document.help})`;
  }
}

async function call(method, path, body) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers['Content-Type'] = 'application/json';
  const response = await fetch(path, {
    method,
    headers,
    body: body ? JSON.stringify(body) : undefined,
    cache: 'no-store',
    signal: AbortSignal.timeout(10000),
  });
  const text = await response.text();
  if (response.ok) return text ? JSON.parse(text) : null;
  let document = {};
  try {
    document = JSON.parse(text);
  } catch {
    // A proxy between may answer with something else.
  }
  throw new Problem(response.status, document);
}

// ---- numbers for people

function count(n) {
  if (n < 100000) return whole.format(n);
  if (n < 1e6) return `${(n / 1e3).toFixed(0)}k`;
  if (n < 1e9) return `${(n / 1e6).toFixed(1)}M`;
  return `${(n / 1e9).toFixed(2)}G`;
}

function size(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return `${unit && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

function span(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

function millis(ms) {
  if (ms === null || ms === undefined) return '–';
  return ms < 10 ? `${ms.toFixed(2)} ms` : `${Math.round(ms)} ms`;
}

// ---- showing

// Text is only written when it changed, so that selections and readers are left in peace.
function put(node, text) {
  text = String(text);
  if (node.textContent !== text) node.textContent = text;
}

function badge(node, text, kind) {
  put(node, text);
  for (const name of ['good', 'warn', 'bad']) node.classList.toggle(name, name === kind);
}

function showStatus(status) {
  const facts = [
    ['version', status.version],
    ['state', status.state],
    ['up', span(status.uptime_seconds)],
    ['plan', `generation ${status.generation}`],
    ['members usable', `${status.members_usable} of ${status.members}`],
    ['connections', count(status.connections)],
    ['requests', count(status.requests)],
  ];
  const list = byId('facts');
  while (list.children.length < facts.length) {
    const pair = document.createElement('div');
    pair.append(document.createElement('dt'), document.createElement('dd'));
    list.append(pair);
  }
  facts.forEach(([name, value], index) => {
    const [dt, dd] = list.children[index].children;
    put(dt, name);
    put(dd, value);
  });
  document.body.classList.toggle('read-only', !status.changes_allowed);
  if (status.started_unix_ms !== started) {
    started = status.started_unix_ms;
    follow();
  }
  const notices = [];
  if (status.state === 'draining') notices.push('The process drains: it accepts no more and ends.');
  const reload = status.last_reload;
  if (reload && !reload.ok) notices.push(`The last reload was refused: ${reload.summary}`);
  if (!status.changes_allowed) notices.push('Read-only: changes need a token or a client on the same machine.');
  put(byId('notice'), notices.join(' '));
  byId('notice').hidden = notices.length === 0;
}

// Children of a parent by key, made from a template, in the order of the items.
function keyed(parent, items, key, template, show) {
  const old = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const name = key(item);
    let child = old.get(name);
    if (!child) {
      child = byId(template).content.firstElementChild.cloneNode(true);
      child.dataset.key = name;
    }
    old.delete(name);
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] || null);
    show(child, item);
  });
  for (const child of old.values()) child.remove();
}

function showPools(pools, now) {
  keyed(byId('pools'), pools, (pool) => pool.name, 'pool-template', (card, pool) => {
    put(card.querySelector('.pool-name'), pool.name);
    const facts = [pool.policy, pool.affinity, pool.check].filter(Boolean);
    if (pool.queue > 0) facts.push(`${count(pool.queue)} waiting of ${count(pool.queue_max)}`);
    put(card.querySelector('.pool-facts'), facts.join(' · '));
    const all = pool.members.length;
    const kind = pool.usable === 0 ? 'bad' : pool.usable < all ? 'warn' : 'good';
    badge(card.querySelector('.pool-badge'), `${pool.usable} of ${all} usable`, kind);
    card.querySelector('.scroll').setAttribute('aria-label', `Members of ${pool.name}`);
    card.querySelector('.scroll').hidden = all === 0;
    card.querySelector('.empty').hidden = all !== 0;
    const rows = card.querySelector('tbody');
    keyed(rows, pool.members, (member) => member.tag, 'member-template', (row, member) => {
      showMember(row, pool, member, now);
    });
  });
}

function showMember(row, pool, member, now) {
  const cell = (name) => row.querySelector(name);
  put(cell('.tag'), member.tag);
  put(cell('.address'), member.address);
  const roles = [];
  if (member.tier > 0) roles.push(`tier ${member.tier}`);
  if (member.backup) roles.push('backup');
  if (member.spare) roles.push('spare');
  put(cell('.roles'), roles.join(', '));

  const health = member.ejected ? 'ejected' : member.suspect ? `${member.health}, suspect` : member.health;
  const mood = member.ejected || member.health === 'down' ? 'bad'
    : member.suspect || member.health === 'starting' ? 'warn' : 'good';
  badge(cell('.health'), health, mood);
  put(cell('.since'), `for ${span(member.since_seconds)}`);
  badge(cell('.state'), member.state, member.state === 'ready' ? 'good' : 'warn');

  put(cell('.weight'), member.weight);
  const limit = member.max_requests ? ` / ${count(member.max_requests)}` : '';
  put(cell('.active'), count(member.active) + limit);
  put(cell('.rate'), rate(`${pool.name}\n${member.tag}`, member.requests, now));
  put(cell('.requests'), count(member.requests));
  put(cell('.failures'), count(member.failures));
  cell('.failures').classList.toggle('some', member.failures > 0);
  put(cell('.latency'), millis(member.latency_ms));
  put(cell('.bytes'), size(member.bytes_in));
  const probe = member.last_probe;
  const probed = probe ? `${probe.result}: ${probe.reason} (${millis(probe.ms)})` : '–';
  put(cell('.probe'), probed);
  cell('.probe').title = probed;

  row.dataset.path = `/api/v1/pools/${encodeURIComponent(pool.name)}/members/${encodeURIComponent(member.tag)}`;
  row.dataset.name = `${pool.name}/${member.tag}`;
  for (const button of row.querySelectorAll('[data-state]')) {
    button.setAttribute('aria-pressed', String(button.dataset.state === member.state));
    button.setAttribute('aria-label', `${button.textContent} ${row.dataset.name}`);
  }
  const weight = row.querySelector('.weigh input');
  weight.setAttribute('aria-label', `Weight of ${row.dataset.name}`);
  if (document.activeElement !== weight && !weight.dataset.typed) weight.value = member.weight;
}

function rate(key, requests, now) {
  const last = before.get(key);
  before.set(key, { requests, now });
  if (!last || requests < last.requests || now <= last.now) return '–';
  const each = ((requests - last.requests) * 1000) / (now - last.now);
  return each < 10 ? each.toFixed(1) : count(Math.round(each));
}

// ---- changing

function say(text, failed) {
  const said = byId('said');
  said.classList.toggle('failed', Boolean(failed));
  put(said, text);
}

async function change(row, patch, text) {
  try {
    await call('PATCH', row.dataset.path, patch);
    say(`${row.dataset.name}: ${text}.`);
    await look();
  } catch (error) {
    if (error.status === 401) askForToken(error.message);
    else say(`${row.dataset.name} was not changed: ${error.message}`, true);
  }
}

byId('pools').addEventListener('click', (event) => {
  const button = event.target.closest('[data-state]');
  if (!button) return;
  const row = button.closest('tr');
  const state = button.dataset.state;
  const question = `Disable ${row.dataset.name}? It gets no requests at all, not even of bound clients.`;
  if (state === 'disabled' && !window.confirm(question)) return;
  change(row, { state }, `set to ${state}`);
});

byId('pools').addEventListener('input', (event) => {
  event.target.dataset.typed = 'yes';
});

byId('pools').addEventListener('submit', (event) => {
  event.preventDefault();
  const row = event.target.closest('tr');
  const input = event.target.querySelector('input');
  delete input.dataset.typed;
  input.blur();
  change(row, { weight: Number(input.value) }, `weight set to ${input.value}`);
});

// ---- token

function askForToken(message) {
  generation += 1;
  stream.abort();
  byId('sign-in').hidden = false;
  byId('pools').hidden = true;
  byId('events').hidden = true;
  put(byId('sign-in-error'), token ? message : '');
  put(byId('connection'), '');
  byId('token').focus();
}

byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  token = byId('token').value.trim();
  sessionStorage.setItem(TOKEN_KEY, token);
  byId('token').value = '';
  byId('sign-in').hidden = true;
  byId('pools').hidden = false;
  start();
});

// ---- the loop

async function look() {
  const [status, pools] = await Promise.all([call('GET', '/api/v1/status'), call('GET', '/api/v1/pools')]);
  showStatus(status);
  showPools(pools, performance.now());
}

async function poll(mine) {
  while (mine === generation) {
    const connection = byId('connection');
    try {
      // A hidden tab asks nothing.
      if (!document.hidden) await look();
      put(connection, 'live');
      connection.classList.remove('lost');
    } catch (error) {
      if (mine !== generation) return;
      if (error.status === 401) return askForToken(error.message);
      put(connection, error.status ? error.message : 'no answer, trying again');
      connection.classList.add('lost');
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function showEvent(told) {
  byId('events').hidden = false;
  const item = document.createElement('li');
  const time = document.createElement('time');
  const when = new Date(told.unix_ms);
  time.dateTime = when.toISOString();
  time.textContent = when.toLocaleTimeString();
  const text = document.createElement('span');
  text.textContent = told.text;
  text.className = told.level;
  item.append(time, text);
  const list = byId('event-list');
  list.prepend(item);
  while (list.children.length > EVENTS_SHOWN) list.lastElementChild.remove();
}

// EventSource cannot send a token, so the stream is read by hand.
async function follow() {
  stream.abort();
  const mine = new AbortController();
  stream = mine;
  byId('event-list').replaceChildren();
  let since = 0;
  while (!mine.signal.aborted) {
    try {
      const headers = token ? { Authorization: `Bearer ${token}` } : {};
      const response = await fetch(`/api/v1/events?since=${since}`, { headers, signal: mine.signal });
      if (!response.ok) throw new Problem(response.status, {});
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done || mine.signal.aborted) break;
        const blocks = (rest + value).split('\n\n');
        rest = blocks.pop();
        for (const block of blocks) {
          const data = block.split('\n').find((line) => line.startsWith('data:'));
          if (!data) continue;
          const told = JSON.parse(data.slice(5));
          since = told.id;
          showEvent(told);
        }
      }
    } catch {
      // The poll says when the server is away; here it is just tried again.
    }
    await new Promise((resolve) => setTimeout(resolve, 3 * POLL_MS));
  }
}

function start() {
  generation += 1;
  started = 0;
  poll(generation);
}

start();
