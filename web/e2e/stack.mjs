// A controller of its own for the browser run: own instance, ports and state,
// started before and taken down after. And an encoder.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const BINARY = process.env.COLOURSTREAM_BIN ?? fileURLToPath(new URL('../../target/x86_64-unknown-linux-gnu/debug/colourstream', import.meta.url))
const BASE = Number(process.env.COLOURSTREAM_E2E_PORTS ?? 22000)
const INSTANCE = process.env.COLOURSTREAM_E2E_INSTANCE ?? 'screening'

export const DOMAIN = 'colourstream.localhost'
export const LIVE = `https://${DOMAIN}:${BASE + 443}`
export const ADMIN = `https://admin.${DOMAIN}:${BASE + 443}`
export const VIDEO = `https://video.${DOMAIN}:${BASE + 443}`
export const RTMP = BASE + 935
export const ICE = [100, 101, 102, 103].map((n) => BASE + n)

const children = new Set()

/** Ends every process this run began, each by its own id. */
export async function endChildren() {
  await Promise.all([...children].map((child) => end(child)))
}

function end(child, ms = 8000) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((done) => {
    const hard = setTimeout(() => child.kill('SIGKILL'), ms)
    child.once('exit', () => {
      clearTimeout(hard)
      done()
    })
    child.kill('SIGTERM')
  })
}

function begin(command, args, options) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  children.add(child)
  child.once('exit', () => children.delete(child))
  child.once('error', () => children.delete(child))
  return child
}

/** Starts the controller; answers once the whole stack is up. */
export async function startStack(timeout = 120_000) {
  const home = mkdtempSync(join(tmpdir(), 'colourstream-e2e-'))
  const settings = join(home, 'colourstream.yaml')
  const port = (n) => BASE + n
  writeFileSync(
    settings,
    `instance: ${INSTANCE}
domain: ${DOMAIN}
state: ${join(home, 'state')}
tls: local-ca
ports:
  http: ${port(80)}
  https: ${port(443)}
  rtmp: ${port(935)}
  srt: ${port(999)}
  ice_udp: ${port(100)}-${port(103)}
  ice_tcp: ${port(100)}
  relay: ${port(478)}
  call: ${port(400)}-${port(401)}
  pages: ${port(0)}
  internal: ${port(1)}
`,
  )
  const run = (...args) =>
    new Promise((done) => {
      const child = begin(BINARY, ['--config', settings, ...args])
      let said = ''
      child.stdout.on('data', (text) => (said += text))
      child.stderr.on('data', (text) => (said += text))
      child.once('error', (error) => done({ code: -1, said: String(error) }))
      child.once('close', (code) => done({ code, said }))
    })
  // What a run that was cut off may have left behind.
  await run('down', '--volumes', '--yes')
  const serve = begin(BINARY, ['--config', settings, 'serve'])
  let log = ''
  const stack = {
    log: () => log,
    rendered: (path) => join(home, 'state', 'rendered', path),
    setup: '',
    settings,
    async stop() {
      await end(serve, 20_000)
      const down = await run('down', '--volumes', '--yes')
      rmSync(home, { recursive: true, force: true })
      return down
    },
  }
  try {
    await new Promise((ready, failed) => {
      const timer = setTimeout(() => failed(new Error(`the stack was not up within ${timeout / 1000} s`)), timeout)
      const hear = (text) => {
        log += text
        stack.setup ||= /https:\S+\/setup#\S+/.exec(log)?.[0] ?? ''
        if (stack.setup && /^\s+portal\s+https:/m.test(log)) {
          clearTimeout(timer)
          ready()
        }
      }
      serve.stdout.on('data', hear)
      serve.stderr.on('data', hear)
      serve.once('error', failed)
      serve.once('exit', (code) => failed(new Error(`the controller ended with ${code}`)))
    })
  } catch (error) {
    await stack.stop()
    throw new Error(`${error.message}\n${log.split('\n').slice(-15).join('\n')}`)
  }
  return stack
}

/** The stand-in's own door (tests/sim/README.md), at its container's address. */
export function simulator() {
  const address = docker('inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', containerOf('ovenmediaengine'))
  return `http://${address}:9998`
}

/** A person with a shell on the host, who does something to a container. */
export const docker = (...args) => execFileSync('docker', args, { encoding: 'utf8' }).trim()
export const containerOf = (role) => `${INSTANCE}-${role}`

/** An order to the stand-in for OvenMediaEngine. */
export async function simulate(order, body = {}) {
  const answer = await fetch(`${simulator()}/${order}`, { method: 'POST', body: JSON.stringify(body) })
  const said = await answer.json()
  if (!answer.ok) throw new Error(`the stand-in refuses ${order}: ${said.error}`)
  return said
}

/** A real encoder: H.264 without B-frames, a key frame each second, AAC. */
export function publish(key, { seconds = 300 } = {}) {
  const child = begin('ffmpeg', [
    '-hide_banner', '-loglevel', 'error', '-re', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000', '-t', String(seconds),
    '-c:v', 'libx264', '-profile:v', 'baseline', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-b:v', '900k', '-bf', '0', '-g', '25', '-c:a', 'aac', '-b:a', '96k',
    '-f', 'flv', `rtmp://127.0.0.1:${RTMP}/live/${key}`,
  ])
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  return { stop: () => end(child), running: () => child.exitCode === null && child.signalCode === null, said: () => said }
}
