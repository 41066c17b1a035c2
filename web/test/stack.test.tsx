// The stack's page: what it says of each mode and service, the fix of every
// issue, logs without a gap, figures on an hour's axis, all of it live.
import { readFileSync } from 'node:fs'
import { act, fireEvent, render, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { App } from '../src/admin/App'
import { keys, useFiles, useJournal, useLiveEvents, useSeries } from '../src/admin/queries'
import { SettingsPage } from '../src/admin/settings/SettingsPage'
import { Shell } from '../src/admin/shell/Shell'
import { IssueList } from '../src/admin/stack/IssueList'
import { begun, EMPTY, type Shown, withLines } from '../src/admin/stack/logLines'
import { Logs } from '../src/admin/stack/Logs'
import { waitsFor } from '../src/admin/stack/PlanTree'
import { remediesFor, whomApplyInterrupts } from '../src/admin/stack/remedy'
import { plotPath, withPoint } from '../src/admin/stack/series'
import { versionOf } from '../src/admin/stack/Services'
import { StackPage, summaryOf } from '../src/admin/stack/StackPage'
import { took } from '../src/admin/stack/took'
import { useConfirm } from '../src/ui/Confirm'
import type { Issue, LogLine, Me, Room, Series, Status } from '../src/api/types'
import * as data from '../mock/data.mjs'
import { FakeSource, first, house, json, refusal, status } from './house'

vi.setConfig({ testTimeout: 20_000 })

let world: ReturnType<typeof house>
beforeEach(() => {
  world = house()
  const lists: Record<string, unknown> = { files: data.files, journal: data.journal(), 'me/sessions': data.sessions(), admins: data.admins(), tokens: data.tokens(), audit: data.activity(), rooms: [first()] }
  world.answer = ({ method, path }) => {
    if (method !== 'GET') return undefined
    const [name = ''] = path.slice(1).split('?')
    if (name === 'series') return json(data.series())
    if (name === 'status') return json(status())
    return name in lists ? json({ items: lists[name] }) : json({})
  }
})
afterEach(() => world.end())

const asked = (method: string, path: string) => world.calls.filter((call) => call.method === method && call.path === path)
const show = (shown: Status) => {
  world.client.setQueryData(keys.status, shown)
  render(<StackPage />, { wrapper: world.within })
}

describe('the head of the page', () => {
  it.each([
    ['heal', 'ready', 'Everything runs as wanted', 'Pause'],
    ['report', 'paused', 'Reporting only: differences are shown, not mended', 'Resume'],
    ['paused', 'paused', 'Paused: differences are left alone', 'Resume'],
  ] as const)('in mode %s says what is done, and offers the other', (mode, summary, words, button) => {
    expect(summaryOf({ mode, summary }).words).toBe(words)
    show({ ...status(), mode, summary, issues: [] })
    expect(screen.getByText(words)).toBeTruthy()
    expect(['Pause', 'Resume'].filter((name) => screen.queryByText(name))).toEqual([button])
  })

  it('applies now once it was said whom that interrupts', async () => {
    show(status('degraded'))
    fireEvent.click(screen.getByText('Apply now'))
    expect(screen.getByText(/^4 people are watching, 3 people are in a call and 1 encoder is streaming\./)).toBeTruthy()
    expect(asked('POST', '/apply')).toHaveLength(0)
    fireEvent.click(screen.getAllByText('Apply now').at(-1) as HTMLElement)
    await waitFor(() => expect(asked('POST', '/apply')[0]?.body).toMatchObject({ now: true }))
  })

  it('interrupts nobody where no step cuts, or nobody is there', () => {
    expect(whomApplyInterrupts(status())).toBe('This interrupts nobody.')
    expect(whomApplyInterrupts({ ...status('degraded'), live: { streams: 0, viewers: 0, callers: 0 } })).toBe('This interrupts nobody.')
  })
})

describe('a service', () => {
  it('says each thing once: wanted, running, healthy, version, age, last change and why', () => {
    const [traefik] = status().services
    const hours = (n: number) => new Date(Date.now() - n * 3_600_000).toISOString()
    show({ ...status(), services: [{ ...traefik, since: hours(2), last_change: { at: hours(1), what: 'write traefik/dynamic/colourstream.yml', why: 'its content is not what is wanted' } } as never] })
    const row = screen.getByRole('row', { name: /Traefik/ }).textContent ?? ''
    expect(row).toBe('Traefik 3.7.15as wantedrunninghealthy2 hLast change 1 h ago: write traefik/dynamic/colourstream.yml · its content is not what is wanted. Image traefik:v3.7.15')
  })
  it('that is not as wanted says why', () => {
    show(status('degraded'))
    expect(screen.getByText('A new configuration waits until nobody is live.')).toBeTruthy()
  })
  it('without a word of its own has the version of its image', () => {
    const of = (image: string, version: string | null = null) => versionOf({ image, version })
    expect(of('traefik:v3.7', '3.7.15')).toBe('3.7.15')
    expect(of('mirotalk/sfu:2.3.77')).toBe('2.3.77')
    expect(of('registry.local:5000/mirotalk/sfu:v2.3.77@sha256:ab')).toBe('2.3.77')
    expect(of('registry.local:5000/mirotalk/sfu')).toBe('')
    expect(of('mirotalk/sfu:velvet')).toBe('velvet')
  })
})

describe('a step that waits', () => {
  it('says for what in words of the page', () => {
    expect(waitsFor('until you resume or apply')).toBe('waits until you resume or apply')
    expect(waitsFor('until nobody has been live for a minute (or `apply --now`)')).toBe('waits until nobody has been live for a minute (or Apply now)')
  })
})

describe('the fix of an issue', () => {
  const issue = (code: string, over: Partial<Issue> = {}) => ({ code, severity: 'error', subject: 'colourstream-mirotalk', what: 'w', why: 'y', fix: 'f', role: 'mirotalk', ...over }) as Issue
  const acts = (one: Issue, place: 'stack' | 'room' = 'stack', trust: string | null = null) => remediesFor(one, { trust }, place).map((remedy) => ('text' in remedy ? `${remedy.act} ${remedy.text}` : remedy.act))

  it('exists for every code there is', () => {
    const document = JSON.parse(readFileSync('../docs/openapi.json', 'utf8')) as { components: { schemas: { IssueCode: { enum: string[] } } } }
    const codes = document.components.schemas.IssueCode.enum
    expect(codes.length).toBeGreaterThan(25)
    for (const code of codes) expect(acts(issue(code)), code).not.toEqual([])
  })

  it.each([
    [issue('paused'), ['resume']],
    [issue('image-moved'), ['update-images']],
    [issue('backup-failed'), ['back-up']],
    [issue('service-flapping'), ['apply-now', 'log']],
    [issue('service-unhealthy', { role: null }), ['apply-now']],
    [issue('image-missing', { fix: 'Pull it by hand (`docker pull mirotalk/sfu:2.3.77`), load it from a file (`docker load`), or correct `images` in the settings' }), ['copy docker pull mirotalk/sfu:2.3.77', 'apply-now']],
    [issue('engine-away', { fix: 'Start it (`systemctl start docker`) or correct `engine.address`' }), ['copy systemctl start docker', 'look']],
    [issue('port-taken', { fix: 'Free the port, or choose another under `ports` in the settings' }), ['apply-now', 'copy ports']],
    [issue('public-address-unknown', { fix: 'Set `public_address` to that address' }), ['copy public_address', 'look']],
    [issue('settings-invalid', { subject: 'colourstream.yaml:7' }), ['copy colourstream.yaml:7', 'look']],
    [issue('certificate-failed'), ['apply-now']],
    [issue('certificate-pending'), ['look']],
  ])('does what the product can do, and saves the typing otherwise: %#', (one, wanted) => expect(acts(one)).toEqual(wanted))

  it('depends on the place: a room has its own', () => {
    const missing = issue('profile-missing', { subject: 'northlight' })
    expect([acts(missing), acts(missing, 'room')]).toEqual([['room'], ['field']])
    expect(acts(issue('encoder-settings'), 'room')).toEqual(['obs'])
    expect(acts(issue('certificate-invalid'), 'stack', 'cp ca.crt /usr')).toEqual(['copy cp ca.crt /usr', 'look'])
  })

  function List({ issues, room, onLog }: { issues: Issue[]; room?: Room; onLog?: (role: string) => void }) {
    const [confirm, ask] = useConfirm()
    return (
      <main>
        <IssueList issues={issues} status={status('degraded')} ask={ask} {...(room ? { room } : {})} {...(onLog ? { onLog } : {})} />
        <input name="profile" />
        {confirm}
      </main>
    )
  }
  const list = (props: Parameters<typeof List>[0]) => render(<List {...props} />, { wrapper: world.within })

  it('tries again now, having said whom that interrupts', async () => {
    list({ issues: [issue('service-unhealthy')] })
    fireEvent.click(screen.getByText('Try again now'))
    expect(screen.getByText(/^4 people are watching/)).toBeTruthy()
    fireEvent.click(screen.getAllByText('Try again now').at(-1) as HTMLElement)
    await waitFor(() => expect(asked('POST', '/apply')[0]?.body).toMatchObject({ now: true }))
  })

  it('takes up new images, resumes, backs up, copies the command, opens the log', async () => {
    const onLog = vi.fn()
    list({ issues: [issue('image-moved'), issue('paused'), issue('backup-failed'), issue('look-alike', { fix: 'Remove it: `docker rm -f other`' }), issue('call-unsafe')], onLog })
    fireEvent.click(screen.getByText('Take up the new image'))
    fireEvent.click(screen.getByText('Take it up'))
    await waitFor(() => expect(asked('POST', '/apply')[0]?.body).toEqual({ now: false, update_images: true }))
    fireEvent.click(screen.getByText('Resume'))
    await waitFor(() => expect(asked('POST', '/mode')[0]?.body).toEqual({ mode: 'heal' }))
    fireEvent.click(screen.getByText('Back up now'))
    await waitFor(() => expect(asked('POST', '/backups')).toHaveLength(1))
    fireEvent.click(screen.getByText('Copy the command'))
    await waitFor(() => expect(world.clipboard).toEqual(['docker rm -f other']))
    fireEvent.click(screen.getByText('Read its log'))
    expect(onLog).toHaveBeenCalledWith('mirotalk')
  })

  it('leads to the room, to its field, to the right encoder settings', async () => {
    list({ issues: [issue('profile-missing', { subject: 'northlight' })] })
    expect((await screen.findByText('Open the room')).getAttribute('href')).toBe('/rooms/r1')
    list({ issues: [issue('profile-missing'), issue('encoder-settings')], room: first() })
    fireEvent.click(screen.getByText('Choose a profile'))
    expect((document.activeElement as HTMLInputElement).name).toBe('profile')
    expect(screen.getByText('OBS profile with the right settings').getAttribute('href')).toBe('/api/v1/rooms/r1/obs')
  })

  it('is offered to those alone who may', () => {
    world.client.setQueryData<Me>(keys.me, { id: 'a3', name: 'Night desk', role: 'ops' })
    list({ issues: [issue('paused'), issue('look-alike', { fix: '`docker rm -f other`' })] })
    expect(screen.queryByText('Resume')).toBeNull()
    expect(screen.queryByText('Look again')).toBeNull()
    expect(screen.getByText('Copy the command')).toBeTruthy()
  })

  it('that is refused is told', async () => {
    world.answer = ({ method }) => (method === 'POST' ? refusal(503, 'The controller is stopping', 'Try again when it is back.') : json({ items: [] }))
    list({ issues: [issue('paused')] })
    fireEvent.click(screen.getByText('Resume'))
    expect(await screen.findByText('The controller is stopping. Try again when it is back.')).toBeTruthy()
  })
})

describe('a log', () => {
  const line = (n: number, text = `line ${n}`): LogLine => ({ at: `2026-11-22T20:40:${String(n).padStart(2, '0')}.5Z`, stream: 'stdout', text })
  const texts = (lines: Shown[]) => lines.map((one) => (one === 'gap' ? 'gap' : one.text))

  it('goes on where it broke off, without a line twice', () => {
    const before = withLines(EMPTY, [line(1), line(2), line(3)])
    const after = withLines(begun(before), [line(2), line(3), line(4)])
    expect(texts(after.lines)).toEqual(['line 1', 'line 2', 'line 3', 'line 4'])
  })
  it('says where lines may be missing', () => {
    const before = withLines(EMPTY, [line(1), line(2)])
    expect(texts(withLines(begun(before), [line(7), line(8)]).lines)).toEqual(['line 1', 'line 2', 'gap', 'line 7', 'line 8'])
    expect(texts(withLines(begun(EMPTY), [line(7)]).lines)).toEqual(['line 7'])
  })
  it('keeps two lines of one moment apart', () => {
    const log = withLines(EMPTY, [line(1, 'a'), line(1, 'b')])
    expect(texts(withLines(begun(log), [line(1, 'a'), line(1, 'b'), line(1, 'c')]).lines)).toEqual(['a', 'b', 'c'])
    const fine = { ...line(1, 'later'), at: '2026-11-22T20:40:01.500000001Z' }
    expect(texts(withLines(log, [fine]).lines)).toEqual(['a', 'b', 'later'])
  })

  it('is one stream from its last lines on, and is taken up again after a break', async () => {
    vi.useFakeTimers()
    try {
      render(<Logs role="mirotalk" onRole={() => {}} />, { wrapper: world.within })
      const [source] = FakeSource.made
      expect(source?.url).toBe('/api/v1/services/mirotalk/logs?tail=200&follow=true')
      act(() => source?.onopen?.())
      source?.send('line', line(1))
      act(() => vi.advanceTimersByTime(100))
      act(() => source?.onerror?.())
      act(() => vi.advanceTimersByTime(5000))
      const again = FakeSource.made[1]
      act(() => again?.onopen?.())
      again?.send('line', line(1))
      again?.send('line', line(2))
      act(() => vi.advanceTimersByTime(100))
      expect(screen.getByLabelText('Log of MiroTalk').textContent).toBe('line 1line 2')
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('figures', () => {
  it('stand on the axis of an hour: a few minutes take a few minutes’ room', () => {
    expect(plotPath([0, 10, null, 5], 30, 24, 4)).toBe('M0.0 23.0L10.0 3.0M30.0 13.0')
    // Two points of 360: at the right end, not over the whole width.
    expect(plotPath([10, 10], 359, 24)).toBe('M358.0 3.0L359.0 3.0')
  })
  it('take up each new point, and are asked for anew when one is missing', () => {
    const series: Series = { at: '2026-11-22T20:40:00Z', viewers: [1], bitrate: [2], reconcile_ms: [3] }
    const point = { at: '2026-11-22T20:40:10.01Z', viewers: 4, bitrate: 5, reconcile_ms: 6 }
    expect(withPoint(series, point)).toEqual({ at: point.at, viewers: [1, 4], bitrate: [2, 5], reconcile_ms: [3, 6] })
    expect(withPoint(series, { ...point, at: series.at as string })).toBe(series)
    expect(withPoint(series, { ...point, at: '2026-11-22T20:40:31Z' })).toBeNull()
    const full = { ...series, viewers: Array.from({ length: 360 }, () => 0) }
    expect(withPoint(full, point)?.viewers).toHaveLength(360)
  })
  it('are as exact as is worth reading', () => expect([3.44, 48.2, 1394.3].map(took)).toEqual(['3.4 ms', '48 ms', '1.4 s']))
})

describe('what is shown', () => {
  function Watching() {
    useLiveEvents()
    useSeries()
    useFiles()
    useJournal('mirotalk', '')
    return null
  }

  it('follows the events: files, a filtered journal and the figures', async () => {
    render(<Watching />, { wrapper: world.within })
    await waitFor(() => expect(asked('GET', '/series')).toHaveLength(1))
    const source = FakeSource.made[0]
    source?.send('status', status())
    await waitFor(() => expect([asked('GET', '/files').length, asked('GET', '/journal?role=mirotalk&limit=50').length]).toEqual([2, 2]))
    const before = world.client.getQueryData<Series>(keys.series) as Series
    const at = new Date(Date.parse(before.at as string) + 10_000).toISOString()
    source?.send('point', { at, viewers: 9, bitrate: 1, reconcile_ms: 1 })
    expect(world.client.getQueryData<Series>(keys.series)?.viewers.at(-1)).toBe(9)
    expect(asked('GET', '/series')).toHaveLength(1)
  })

  it('is asked for anew once the events are back: nobody told of what changed meanwhile', async () => {
    render(<Watching />, { wrapper: world.within })
    await waitFor(() => expect(asked('GET', '/series')).toHaveLength(1))
    const source = FakeSource.made[0]
    act(() => source?.onopen?.())
    act(() => source?.onerror?.())
    await waitFor(() => expect(FakeSource.made).toHaveLength(2), { timeout: 3000 })
    act(() => FakeSource.made[1]?.onopen?.())
    await waitFor(() => expect(asked('GET', '/series')).toHaveLength(2))
  })
})

describe('the frame of the portal', () => {
  const me: Me = { id: 'a1', name: 'Maya Lindqvist', role: 'owner' }
  it('has name, help and log-out also where there is no side, and says when it is cut off', async () => {
    render(<Shell me={me}>page</Shell>, { wrapper: world.within })
    const menu = document.querySelector('[role=menu]') as HTMLElement
    expect(menu.textContent).toBe('Maya Lindqvist · ownerKeysLog out')
    act(() => FakeSource.made[0]?.onerror?.())
    expect(screen.getByText('Reconnecting…').closest('[role=status]')).toBeTruthy()
    fireEvent.click(menu.querySelectorAll('button')[0] as HTMLElement)
    expect(await screen.findByText('Find a room')).toBeTruthy()
  })
})

describe('another page', () => {
  it('names the tab, and is where one is after going there', async () => {
    world.client.setQueryData(keys.rooms(false), { items: [first()], next: null })
    render(<App />, { wrapper: world.within })
    const heading = () => screen.getByRole('heading', { level: 1 })
    expect([document.title, document.activeElement]).toEqual(['Rooms – ColourStream', document.body])
    for (const [place, path] of [['Stack', '/stack'], ['Rooms', '/']] as const) {
      fireEvent.click(screen.getByRole('link', { name: place }))
      expect(location.pathname).toBe(path)
      expect([document.title, document.activeElement]).toEqual([`${place} – ColourStream`, heading()])
    }
    // What changes on the page leaves the focus where it is.
    screen.getByLabelText('Find a room').focus()
    fireEvent.click(screen.getAllByText('Archive').at(-1) as HTMLElement)
    expect([document.title, document.activeElement]).toEqual(['Archive – ColourStream', screen.getByLabelText('Find a room')])
  })
})

describe('settings', () => {
  const open = async () => {
    render(<SettingsPage />, { wrapper: world.within })
    await screen.findByText('Theo Brandt')
  }

  it('change the password', async () => {
    await open()
    const type = (name: string, value: string) => fireEvent.change(document.querySelector(`[name=${name}]`) as Element, { target: { value } })
    type('current', 'a grey card and a candle')
    type('new', 'another sentence, longer')
    fireEvent.click(screen.getByText('Change password'))
    expect(await screen.findByText('Password changed. Your other sessions are logged out')).toBeTruthy()
    expect(asked('POST', '/me/password')[0]?.body).toEqual({ current: 'a grey card and a candle', new: 'another sentence, longer' })
  })

  it('log out another session once that was asked', async () => {
    await open()
    fireEvent.click(screen.getByLabelText('Log out Safari on iPhone'))
    expect(screen.getByText(/at 203\.0\.113\.80, has to log in again/)).toBeTruthy()
    expect(asked('DELETE', '/me/sessions/s2')).toHaveLength(0)
    fireEvent.click(screen.getByText('Log it out'))
    expect(await screen.findByText('That session is logged out')).toBeTruthy()
    expect(asked('DELETE', '/me/sessions/s2')).toHaveLength(1)
    expect(screen.queryByLabelText('Log out Safari on iPhone')).toBeNull()
  })

  it('change a role only once it was asked: an arrow key is no decision', async () => {
    await open()
    const role = screen.getByLabelText('Role of Theo Brandt') as HTMLSelectElement
    fireEvent.change(role, { target: { value: 'ops' } })
    expect(screen.getByText('Make Theo Brandt ops?')).toBeTruthy()
    expect(role.value).toBe('producer')
    fireEvent.click(screen.getByText('Cancel'))
    expect(asked('PATCH', '/admins/a2')).toHaveLength(0)
    fireEvent.change(role, { target: { value: 'ops' } })
    fireEvent.click(screen.getByText('Make ops'))
    await waitFor(() => expect(asked('PATCH', '/admins/a2')).toMatchObject([{ body: { role: 'ops' }, etag: 'v1' }]))
  })

  it('show who is there after a removal that was refused', async () => {
    await open()
    const before = asked('GET', '/admins').length
    const { answer } = world
    world.answer = (call) => (call.method === 'DELETE' ? refusal(412, 'Somebody changed this meanwhile') : answer(call))
    fireEvent.click(screen.getByLabelText('Remove Theo Brandt'))
    fireEvent.click(screen.getAllByText('Remove').at(-1) as HTMLElement)
    expect(await screen.findByText('Somebody changed this meanwhile.')).toBeTruthy()
    expect(asked('GET', '/admins')).toHaveLength(before + 1)
  })

  it('add and remove people', async () => {
    await open()
    fireEvent.click(screen.getByText('Add somebody'))
    const form = document.querySelector('dialog form') as HTMLFormElement
    for (const [name, value] of [['name', 'Lena'], ['password', 'a sentence of her own']] as const) fireEvent.change(form.querySelector(`[name=${name}]`) as Element, { target: { value } })
    fireEvent.submit(form)
    expect(await screen.findByText('Lena can log in now')).toBeTruthy()
    expect(asked('POST', '/admins')[0]?.body).toEqual({ name: 'Lena', role: 'producer', password: 'a sentence of her own' })
    fireEvent.click(screen.getByLabelText('Remove Theo Brandt'))
    fireEvent.click(screen.getAllByText('Remove').at(-1) as HTMLElement)
    await waitFor(() => expect(asked('DELETE', '/admins/a2')).toHaveLength(1))
  })
})
