// The world of the mock: one studio, a handful of rooms, one stack.
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const at = (offset) => new Date(Date.now() + offset).toISOString()

export const facts = (over = {}) => ({
  live_since: at(-42 * MINUTE),
  protocol: 'srt',
  video: { codec: 'h264', width: 1920, height: 1080, fps: 25, bitrate: 8_160_000, keyframe_seconds: 1, b_frames: false },
  audio: { codec: 'opus', bitrate: 128_000, sample_rate: 48_000, channels: 2 },
  receiving: true,
  viewers: 4,
  callers: 3,
  server: { bitrate_in: 8_290_000, bitrate_out: 33_160_000, webrtc: 3, llhls: 1 },
  hints: [],
  ...over,
})

export const presence = {
  people: [
    { id: 'p1', name: 'Maya Lindqvist', role: 'presenter', watching: true, in_call: true, me: false },
    { id: 'p2', name: 'Jonas Weber', role: 'viewer', watching: true, in_call: true, me: false },
    { id: 'p3', name: 'Aiko Tanaka', role: 'viewer', watching: true, in_call: true, me: false },
    { id: 'p4', name: 'Sam Okafor', role: 'viewer', watching: true, in_call: false, me: true },
  ],
  watching: 4,
  in_call: 3,
}

export function visit(slug, base) {
  const one = {
    slug,
    title: 'Northlight – reel 3',
    state: 'live',
    opens_at: null,
    expires_at: at(5 * HOUR),
    server_time: at(0),
    me: { id: 'p4', name: 'Sam Okafor', role: 'viewer', via: 'link' },
    playback: { webrtc: `ws://${base}/live/s3Kd9?ticket=t`, llhls: `http://${base}/live/s3Kd9/llhls.m3u8?ticket=t` },
    picture: { available: true, why: null },
    call: { available: true, why: null },
    watermark: null,
    asks_name: false,
    invited_by: 'Maya',
  }
  switch (slug) {
    case 'waiting':
      return { ...one, state: 'waiting' }
    case 'halcyon':
      return { ...one, title: 'Halcyon trailer', state: 'not-open', opens_at: at(2 * HOUR + 14 * MINUTE), playback: null, call: { available: false, why: 'The call opens with the room.' } }
    case 'closed':
      return { ...one, state: 'closed', playback: null, call: { available: false, why: null } }
    case 'marked':
      return { ...one, watermark: { text: 'Sam Okafor · Northlight' } }
    case 'new-guest':
      return { ...one, asks_name: true, me: { ...one.me, name: '' } }
    case 'no-call':
      return { ...one, call: { available: false, why: 'The call service is being restarted. It returns by itself.' } }
    default:
      return one
  }
}

const none = { since: null, publishers: 0, viewers: 0, callers: 0, people: [], facts: null }
const here = (name, link, over = {}) => ({ name, role: 'viewer', link, watching: true, in_call: true, ...over })
export const people = [here('Aiko Tanaka', 'l2'), here('Jonas Weber', 'l1'), here('Maya Lindqvist', null, { role: 'presenter' }), here('Sam Okafor', null, { in_call: false })]

function room(id, title, slug, over = {}) {
  return {
    id,
    etag: `v1-${id}`,
    title,
    slug,
    stream: `s${id}k9x2m4q7`,
    profile: 'live',
    state: 'waiting',
    opens_at: null,
    expires_at: null,
    closed: false,
    archived: false,
    viewer_cap: null,
    allowed_addresses: [],
    has_passcode: false,
    watermark: false,
    owner: 'a1',
    created_at: at(-3 * DAY),
    live: none,
    urls: { room: `https://live.example.com/${slug}` },
    issues: [],
    ...over,
  }
}

export const rooms = () => [
  room('r1', 'Northlight – reel 3', 'northlight', {
    state: 'live',
    expires_at: at(2 * DAY + 3 * HOUR),
    has_passcode: true,
    watermark: true,
    live: { since: at(-42 * MINUTE), publishers: 1, viewers: 4, callers: 3, people, facts: facts() },
  }),
  room('r2', 'Saltmarsh – conform check', 'saltmarsh', { live: { ...none, people: [here('Lena Roth', null, { watching: false, in_call: false })] } }),
  room('r3', 'Halcyon trailer', 'halcyon', { state: 'not-open', opens_at: at(2 * DAY - HOUR) }),
  room('r4', 'Blue Hour – director’s session', 'blue-hour', { state: 'not-open', opens_at: at(3 * DAY + 2 * HOUR), expires_at: at(3 * DAY + 6 * HOUR) }),
  room('r5', 'Old spot', 'old-spot', { state: 'closed', closed: true }),
  room('r6', 'Lumen – episode 104', 'lumen-104', { state: 'expired', expires_at: at(-4 * DAY) }),
]

export const links = () => [
  { id: 'l1', name: 'Jonas Weber', role: 'viewer', expires_at: null, max_uses: null, uses: 3, revoked: false, last_seen: at(-20_000), created_at: at(-2 * DAY) },
  { id: 'l2', name: 'Aiko Tanaka', role: 'viewer', expires_at: at(2 * DAY), max_uses: 5, uses: 2, revoked: false, last_seen: at(-2 * HOUR), created_at: at(-2 * DAY) },
  { id: 'l3', name: 'Edit suite 2', role: 'presenter', expires_at: null, max_uses: null, uses: 0, revoked: false, last_seen: null, created_at: at(-DAY) },
  { id: 'l4', name: 'Agency (old list)', role: 'viewer', expires_at: null, max_uses: null, uses: 11, revoked: true, last_seen: at(-DAY), created_at: at(-3 * DAY) },
]

const KEY = 'nk7Qm2rVx9TdLwP4sYh8Za'
export const ingest = {
  key: KEY,
  rtmp: { server: 'rtmp://live.example.com:1935/live', key: KEY, url: `rtmp://live.example.com:1935/live/${KEY}` },
  rtmps: { server: 'rtmps://live.example.com:1936/live', key: KEY, url: `rtmps://live.example.com:1936/live/${KEY}` },
  srt: { server: 'srt://live.example.com:9999', key: null, url: `srt://live.example.com:9999?streamid=default/live/${KEY}&latency=200000` },
  whip: { server: 'https://live.example.com/live', key: null, url: `https://live.example.com/live/${KEY}?direction=whip` },
  latency_ms: 200,
}

export const activity = () => [
  { id: 5, at: at(-20_000), who: 'Jonas Weber', what: 'entered with a link', room: 'r1', address: '203.0.113.24' },
  { id: 4, at: at(-42 * MINUTE), who: 'Encoder', what: 'began to send by SRT', room: 'r1', address: '198.51.100.7' },
  { id: 3, at: at(-2 * HOUR), who: 'Maya Lindqvist', what: 'revoked the link “Agency (old list)”', room: 'r1', address: null },
  { id: 2, at: at(-2 * DAY), who: 'Maya Lindqvist', what: 'made links for Jonas Weber and Aiko Tanaka', room: 'r1', address: null },
  { id: 1, at: at(-3 * DAY), who: 'Maya Lindqvist', what: 'made the room', room: 'r1', address: null },
]

const service = (role, container, image, version, over = {}) => ({
  role,
  container,
  image,
  image_id: 'sha256:6f1c…',
  simulated: false,
  running: 'running',
  health: 'healthy',
  current: true,
  version,
  since: at(-3 * DAY),
  why: 'as wanted',
  last_change: { at: at(-3 * DAY), what: `start ${container}`, why: 'it was absent' },
  pulling: null,
  ...over,
})

export function status(kind) {
  const base = {
    at: at(-4000),
    reconcile: 4812,
    took_ms: 3.4,
    next: at(26_000),
    version: '0.1.0',
    instance: 'Studio North',
    summary: 'ready',
    mode: 'heal',
    engine: { address: 'unix:///var/run/docker.sock', reachable: true, version: '28.2.2', api_version: '1.50' },
    services: [
      service('traefik', 'colourstream-traefik', 'traefik:v3.7.15', '3.7.15'),
      service('ovenmediaengine', 'colourstream-ome', 'airensoft/ovenmediaengine:v0.21.0', '0.21.0', { since: at(-26 * HOUR), last_change: { at: at(-26 * HOUR), what: 'start colourstream-ome', why: 'image v0.20.2 to v0.21.0' } }),
      service('mirotalk', 'colourstream-mirotalk', 'mirotalk/sfu:2.3.77', null),
    ],
    plan: [],
    issues: [],
    addresses: { live: 'https://live.example.com', admin: 'https://admin.live.example.com', video: 'https://video.live.example.com' },
    live: { streams: 1, viewers: 4, callers: 3 },
  }
  if (kind !== 'degraded') return base
  return {
    ...base,
    summary: 'degraded',
    services: [
      base.services[0],
      { ...base.services[1], current: false, why: 'A new configuration waits until nobody is live.' },
      { ...base.services[2], health: 'unhealthy', running: 'restarting', why: 'Does not answer on its port since 2 min; started again 3 times.' },
    ],
    plan: [
      { lane: 'ground', sign: '+', what: 'file ovenmediaengine/Server.xml', why: 'profile “review” has a new part length', disrupts: 'none', waits: null, brief: true },
      { lane: 'ovenmediaengine', sign: '⏸', what: 'replace container colourstream-ome', why: 'its configuration changed', disrupts: 'streams', waits: 'until nobody is live (1 encoder, 4 watching)', brief: false },
      { lane: 'mirotalk', sign: '~', what: 'restart container colourstream-mirotalk', why: 'it is unhealthy', disrupts: 'none', waits: 'next try in 20 s', brief: false },
    ],
    issues: [
      { code: 'service-unhealthy', severity: 'error', role: 'mirotalk', subject: 'colourstream-mirotalk', what: 'The call does not answer.', why: 'MiroTalk was started 3 times and never answered on port 3010.', fix: 'It is tried again by itself in 20 s; its log below says more.' },
      { code: 'certificate-expires', severity: 'warning', role: 'traefik', subject: 'live.example.com', what: 'The certificate of live.example.com expires in 9 days.', why: 'The last renewal was refused: port 80 is not reachable from outside.', fix: 'Open port 80 to this host, then look again.' },
    ],
  }
}

export const journal = () => [
  { id: 9, at: at(-2 * MINUTE), reconcile: 4798, role: 'mirotalk', what: 'restarted colourstream-mirotalk', why: 'it was unhealthy', outcome: 'failed', took_ms: 10_240, error: 'It did not answer on port 3010 within 10 s.' },
  { id: 8, at: at(-14 * MINUTE), reconcile: 4770, role: 'ovenmediaengine', what: 'replace colourstream-ome', why: 'its configuration changed; waits until nobody is live', outcome: 'waiting', took_ms: 2, error: null },
  { id: 7, at: at(-42 * MINUTE), reconcile: 4712, role: 'traefik', what: 'wrote dynamic.yaml', why: 'room northlight was opened', outcome: 'done', took_ms: 3, error: null },
  { id: 6, at: at(-26 * HOUR), reconcile: 1204, role: 'ovenmediaengine', what: 'replaced colourstream-ome', why: 'image v0.20.2 to v0.21.0', outcome: 'done', took_ms: 4180, error: null },
  { id: 5, at: at(-3 * DAY), reconcile: 3, role: 'mirotalk', what: 'created colourstream-mirotalk', why: 'it was absent', outcome: 'done', took_ms: 3120, error: null },
]

export const files = [
  { path: 'traefik/traefik.yaml', state: 'same', role: 'traefik', diff: null },
  { path: 'traefik/dynamic/rooms.yaml', state: 'same', role: 'traefik', diff: null },
  { path: 'ovenmediaengine/Server.xml', state: 'differs', role: 'ovenmediaengine', diff: null },
  { path: 'mirotalk/.env', state: 'same', role: 'mirotalk', diff: null },
]

export const diff = `@@ -41,7 +41,7 @@
         <LLHLS>
-          <ChunkDuration>0.5</ChunkDuration>
+          <ChunkDuration>0.2</ChunkDuration>
           <SegmentDuration>2</SegmentDuration>
           <AccessToken>••••••••</AccessToken>
         </LLHLS>`

export const logLines = [
  ['stdout', '2026-11-22 21:40:12 [info] OvenMediaEngine v0.21.0 started'],
  ['stdout', '2026-11-22 21:40:12 [info] Provider SRT listening on 9999'],
  ['stdout', '2026-11-22 21:58:03 [info] Admission allowed: stream s•••• (srt)'],
  ['stdout', '2026-11-22 21:58:03 [info] Stream created: H.264 1920x1080 25.00 fps, AAC 48 kHz stereo'],
  ['stderr', '2026-11-22 22:01:44 [warn] Packet loss 0.2 % on SRT session 14'],
].map(([stream, text], i) => ({ at: `2026-11-22T20:40:12.00000000${i}Z`, stream, text }))

export function series() {
  const points = Array.from({ length: 360 }, (_, i) => i)
  return {
    at: at(-2000),
    viewers: points.map((i) => (i < 108 ? 0 : Math.min(4, Math.floor((i - 108) / 18) + 1))),
    bitrate: points.map((i) => (i < 108 ? 0 : 8_100_000 + 260_000 * Math.sin(i / 4) + 140_000 * Math.sin(i / 1.7))),
    reconcile_ms: points.map((i) => 3.1 + 0.5 * Math.sin(i / 3) + (i % 61 === 0 ? 6 : 0)),
  }
}

export const sessions = () => [
  { id: 's1', created_at: at(-2 * HOUR), last_seen: at(-5000), expires_at: at(10 * HOUR), address: '198.51.100.7', agent: 'Firefox on macOS', current: true },
  { id: 's2', created_at: at(-3 * DAY), last_seen: at(-9 * HOUR), expires_at: at(2 * HOUR), address: '203.0.113.80', agent: 'Safari on iPhone', current: false },
]

export const admins = () => [
  { id: 'a1', etag: 'v1', name: 'Maya Lindqvist', role: 'owner', created_at: at(-9 * DAY) },
  { id: 'a2', etag: 'v1', name: 'Theo Brandt', role: 'producer', created_at: at(-5 * DAY) },
  { id: 'a3', etag: 'v1', name: 'Night desk', role: 'ops', created_at: at(-DAY) },
]

export const profiles = [{ name: 'live', title: 'Live', min_bitrate: null, chunk_seconds: 0.5, segment_seconds: 1, audio_bitrate: 128_000 }]

export const tokens = () => [{ id: 't1', name: 'Booking system', scopes: ['rooms:read', 'rooms:write'], created_at: at(-4 * DAY), expires_at: null, last_used: at(-3 * HOUR) }]
