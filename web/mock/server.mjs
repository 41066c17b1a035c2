// A stand-in for the controller: serves the built pages with the real
// policies and answers every call of docs/api.md. For development and for
// `npm run screens`; nothing here is secret or safe.
//
//   npm run mock [port]      live page on http://live.localhost:4180
//                            portal   on http://admin.localhost:4180
//
// The world is steered by the address (rooms named after states, tokens named
// after problems) and by POST /mock {auth, rooms, stack}.
import { createReadStream, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as data from './data.mjs'

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.json': 'application/json' }

// The controller's policy (src/http/assets.rs): no inline style, no data:.
const policy = (extra) =>
  `default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; media-src 'self' blob:; worker-src 'none'; connect-src 'self'${extra}; base-uri 'none'; form-action 'self'; object-src 'none'`
export const POLICY = {
  live: (port) => `${policy(` ws://live.localhost:${port}`)}; frame-src 'self' http://video.localhost:${port}; frame-ancestors 'self'`,
  admin: (port) => `${policy(` ws://admin.localhost:${port}`)}; frame-src 'none'; frame-ancestors 'none'`,
}

export function start({ port = 4180, dist = fileURLToPath(new URL('../dist', import.meta.url)) } = {}) {
  const world = { auth: 'in', rooms: 'some', stack: 'ready', list: data.rooms(), links: data.links(), streams: new Set() }
  const server = createServer((request, response) => void answer(request, response).catch((error) => fail(response, 500, 'mock', String(error))))

  async function answer(request, response) {
    const url = new URL(request.url, 'http://mock')
    const host = (request.headers.host ?? '').split(':')[0]
    const body = await read(request)
    const path = url.pathname
    if (path === '/mock' && request.method === 'POST') {
      Object.assign(world, body, body.reset ? { list: data.rooms(), links: data.links() } : {})
      return json(response, world.auth)
    }
    if (path === '/mock/push') return push(body, response)
    if (host.startsWith('video.')) return callPage(response, url)
    if (path.startsWith('/api/v1/')) return host.startsWith('admin.') ? admin(request, response, url, body) : live(request, response, url, body)
    return file(response, host, path)
  }

  function file(response, host, path) {
    const page = host.startsWith('admin.') ? 'admin' : 'live'
    const asset = normalize(path).startsWith('/assets/') ? join(dist, normalize(path)) : null
    if (asset && existsSync(asset)) {
      response.writeHead(200, { 'content-type': TYPES[extname(asset)] ?? 'application/octet-stream', 'cache-control': 'public, max-age=31536000, immutable', 'x-content-type-options': 'nosniff' })
      return createReadStream(asset).pipe(response)
    }
    if (asset) return fail(response, 404, 'not-found', 'No such file')
    response.writeHead(200, { 'content-type': TYPES['.html'], 'content-security-policy': POLICY[page](port), 'referrer-policy': 'no-referrer', 'cache-control': 'no-cache' })
    return createReadStream(join(dist, `${page}.html`)).pipe(response)
  }

  // ---- Live host

  function live(request, response, url, body) {
    const parts = url.pathname.split('/').slice(4)
    const base = `live.localhost:${port}`
    if (parts[0] === 'link') {
      if (body.token === 'used') return fail(response, 403, 'link-used-up', 'This link was already used')
      if (['unknown', 'expired', 'revoked'].includes(body.token)) return fail(response, 403, `link-${body.token}`, 'This link does not work')
      if (['full', 'closed'].includes(body.token)) return fail(response, 403, `room-${body.token}`, 'Not now')
      return json(response, data.visit(body.token === 'new' ? 'new-guest' : 'northlight', base))
    }
    if (parts[0] === 'passcode') {
      if (body.passcode === 'many') return fail(response, 429, 'too-many-tries', 'Too many tries', { retry_after: 45 })
      if (body.passcode !== 'right') return fail(response, 403, 'passcode-wrong', 'Wrong')
      return json(response, data.visit(body.slug, base))
    }
    const slug = decodeURIComponent(parts[0] ?? '')
    if (slug === 'door') return fail(response, 401, 'session-ended', 'You are not in this room')
    if (parts[1] === 'events') return events(request, response, liveEvents(slug, base))
    if (parts[1] === 'call') return json(response, { url: `http://video.localhost:${port}/join?room=x&once=${Math.random()}` })
    if (parts[1] === 'name') return json(response, { ...data.visit('northlight', base), me: { id: 'p4', name: body.name, role: 'viewer', via: 'link' } })
    if (request.method === 'DELETE') return empty(response)
    return json(response, data.visit(slug, base))
  }

  function liveEvents(slug, base) {
    const visit = data.visit(slug, base)
    const facts =
      slug === 'b-frames'
        ? data.facts({ hints: [{ level: 'warning', what: 'Sends B-frames', why: 'Browsers show frames as they come: B-frames stutter.', fix: 'At the encoder: set B-frames to 0.' }] })
        : visit.state === 'live'
          ? data.facts()
          : null
    return [['visit', visit], ['facts', facts], ['presence', data.presence]]
  }

  function callPage(response, url) {
    const leave = `http://live.localhost:${port}/left`
    response.writeHead(200, { 'content-type': TYPES['.html'] })
    if (url.pathname !== '/join') return response.end()
    const tile = (name) => `<div style="background:#2a2a2a;border-radius:8px;display:grid;place-items:center;font-size:20px">${name}</div>`
    response.end(`<!doctype html><title>Call</title><body style="margin:0;height:100vh;background:#181818;color:#c8c8c8;font:14px sans-serif;display:grid;grid-template-rows:1fr 48px;overflow:hidden">
      <div style="display:grid;grid-template-columns:repeat(3,1fr);gap:8px;padding:8px">${tile('Maya')}${tile('Jonas')}${tile('Aiko')}</div>
      <a id="leave" href="${leave}" style="color:inherit;place-self:center">Leave</a>`)
  }

  // ---- Admin host

  function admin(request, response, url, body) {
    const [head, id, tail, more] = url.pathname.split('/').slice(3).map(decodeURIComponent)
    const method = request.method
    if (head === 'setup') return method === 'GET' ? json(response, { needed: world.auth === 'setup' }) : sign(response)
    if (head === 'login') return body.password === 'wrong' ? fail(response, 403, 'login-wrong', 'Name and password do not match', { detail: 'Check both; capitals matter' }) : sign(response)
    if (head === 'logout') {
      world.auth = 'out'
      return empty(response)
    }
    if (world.auth !== 'in') return fail(response, 401, 'not-logged-in', 'Log in first')
    if (head === 'rooms') return rooms(request, response, url, body, id, tail, more)
    const reads = {
      me: () => (id === 'sessions' ? list(data.sessions()) : { id: 'a1', name: 'Maya Lindqvist', role: world.role ?? 'owner' }),
      admins: () => list(data.admins()),
      tokens: () => list(data.tokens()),
      profiles: () => list(data.profiles),
      status: () => data.status(world.stack),
      plan: () => ({ steps: data.status(world.stack).plan, issues: data.status(world.stack).issues }),
      journal: () => page(data.journal().filter((one) => (!url.searchParams.get('role') || one.role === url.searchParams.get('role')) && (!url.searchParams.get('outcome') || one.outcome === url.searchParams.get('outcome')))),
      series: data.series,
      audit: () => page(data.activity()),
      slug: () => (id ? { free: true, why: null } : { slug: 'room' }),
      files: () => (id ? { ...data.files.find((one) => url.pathname.endsWith(one.path)), diff: url.pathname.endsWith('.xml') ? data.diff : null } : list(data.files)),
    }
    if (head === 'events') return events(request, response, [['status', data.status(world.stack)]])
    if (head === 'services') return url.searchParams.get('follow') ? events(request, response, data.logLines.map((line) => ['line', line])) : json(response, list(data.logLines))
    if (method === 'GET' && reads[head]) return json(response, reads[head]())
    if (head === 'tokens' && method === 'POST') return json(response, { token: { id: 't2', name: body.name, scopes: body.scopes, created_at: new Date().toISOString(), expires_at: body.expires_at ?? null, last_used: null }, secret: 'cs_5tQ8…example' }, 201)
    if (head === 'admins' && method !== 'DELETE') return json(response, data.admins()[1], method === 'POST' ? 201 : 200)
    return empty(response)
  }

  function rooms(request, response, url, body, id, tail) {
    const method = request.method
    const all = world.rooms === 'none' ? [] : world.list
    if (!id) {
      if (method === 'POST') {
        const made = { ...data.rooms()[1], id: `r${Date.now()}`, title: body.title, slug: 'new-room', live: data.rooms()[2].live, created_at: new Date().toISOString(), urls: { room: 'https://live.example.com/new-room' } }
        world.list = [made, ...all]
        world.rooms = 'some'
        return json(response, { room: made, link: { id: 'l9', name: '', role: 'viewer', expires_at: null, max_uses: null, ...body.link, uses: 0, revoked: false, last_seen: null, created_at: made.created_at, url: 'https://live.example.com/j#Vb3nQ8sK2mXw7RtYp5LzHd' } }, 201)
      }
      return json(response, { items: all.filter((one) => String(one.archived) === (url.searchParams.get('archived') ?? 'false')), next: null })
    }
    const room = all.find((one) => one.id === id)
    if (!room) return fail(response, 404, 'not-found', 'No such room')
    if (tail === 'links') {
      if (method === 'GET') return json(response, list(id === 'r1' ? world.links : []))
      if (method === 'POST') return json(response, { id: 'l8', name: '', role: 'viewer', expires_at: null, max_uses: null, ...body, uses: 0, revoked: false, last_seen: null, created_at: new Date().toISOString(), url: 'https://live.example.com/j#Kc7pW2dN9vQx4TfYr6MzJs' }, 201)
      return empty(response)
    }
    if (tail === 'ingest') return json(response, data.ingest)
    if (tail === 'activity') return json(response, page(data.activity()))
    if (tail === 'preview') return json(response, data.visit('northlight', `live.localhost:${port}`).playback)
    if (tail === 'impact') return json(response, { publishers: 1, viewers: 4, callers: 3, waiting: 0, people: 4, names: data.people.map(({ name }) => name), words: '3 people are watching and in the call, 1 person is watching, and 1 encoder is streaming.' })
    if (method === 'GET') return json(response, room)
    if (world.conflict && method === 'PATCH') {
      Object.assign(room, { etag: `v9-${room.id}`, title: 'Northlight – reel 3b' })
      world.conflict = false
    }
    const match = request.headers['if-match']
    if (!match && tail !== 'duplicate') return fail(response, 428, 'etag-missing', 'The request does not say what it changes')
    if (match && match !== '*' && match !== room.etag) return fail(response, 412, 'changed-meanwhile', 'This room was changed meanwhile', { detail: 'Load it again' })
    if (method === 'DELETE') {
      room.archived = true
      return empty(response)
    }
    if (method === 'PATCH') Object.assign(room, body, { etag: `v${Date.now()}` })
    if (tail === 'close') Object.assign(room, { closed: true, state: 'closed', live: data.rooms()[2].live })
    if (tail === 'open') Object.assign(room, { closed: false, state: 'waiting' })
    return json(response, room)
  }

  function sign(response) {
    world.auth = 'in'
    return empty(response)
  }

  function events(request, response, first) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    for (const [name, payload] of first) response.write(`event: ${name}\ndata: ${JSON.stringify(payload)}\n\n`)
    world.streams.add(response)
    request.on('close', () => world.streams.delete(response))
  }

  /** POST /mock/push {event, payload} to every open stream; {drop: true} cuts them. */
  function push({ event, payload, drop }, response) {
    for (const stream of world.streams) {
      if (drop) stream.destroy()
      else stream.write(`event: ${event}\ndata: ${JSON.stringify(payload)}\n\n`)
    }
    return empty(response)
  }

  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => {
      const bound = server.address().port
      port = bound
      resolve({ port: bound, world, close: () => { for (const stream of world.streams) stream.destroy(); server.closeAllConnections(); return new Promise((done) => server.close(done)) } })
    })
  })
}

const list = (items) => ({ items })
const page = (items) => ({ items, next: null })

async function read(request) {
  let text = ''
  for await (const chunk of request) text += chunk
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    return {}
  }
}

function json(response, value, status = 200) {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

function empty(response) {
  response.writeHead(204)
  response.end()
}

function fail(response, status, type, title, more = {}) {
  response.writeHead(status, { 'content-type': 'application/problem+json', ...(more.retry_after ? { 'retry-after': String(more.retry_after) } : {}) })
  response.end(JSON.stringify({ type, title, status, ...more }))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { port } = await start({ port: Number(process.argv[2] ?? 4180) })
  console.log(`live page  http://live.localhost:${port}/northlight\nportal     http://admin.localhost:${port}/`)
}
