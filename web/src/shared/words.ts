// Numbers and times as people say them. Pure: the clock is an argument.

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `2 d 4 h`, `2 h 14 min`, `42 min`, `9 s`: two units at most. */
export function duration(ms: number): string {
  const rest = Math.max(0, ms)
  if (rest >= DAY) return two(Math.floor(rest / DAY), 'd', Math.floor((rest % DAY) / HOUR), 'h')
  if (rest >= HOUR) return two(Math.floor(rest / HOUR), 'h', Math.floor((rest % HOUR) / MINUTE), 'min')
  if (rest >= MINUTE) return `${Math.floor(rest / MINUTE)} min`
  return `${Math.floor(rest / SECOND)} s`
}

const two = (major: number, majorUnit: string, minor: number, minorUnit: string) =>
  minor === 0 ? `${major} ${majorUnit}` : `${major} ${majorUnit} ${minor} ${minorUnit}`

/** `in 2 h 14 min`; below a minute every second counts, up to it none does. */
export function countdown(until: number, now: number): string {
  const left = until - now
  if (left <= 0) return 'now'
  // Rounded up, so that it never says 0 before it is time.
  if (left < MINUTE) return `in ${Math.ceil(left / SECOND)} s`
  return `in ${duration(Math.ceil(left / MINUTE) * MINUTE)}`
}

/** `just now`, `4 min ago`, `in 3 h`. */
export function relative(time: string, now: number): string {
  const delta = Date.parse(time) - now
  if (Number.isNaN(delta)) return ''
  if (Math.abs(delta) < 45 * SECOND) return 'just now'
  return delta < 0 ? `${duration(-delta)} ago` : `in ${duration(delta)}`
}

const clock = (time: Date) => time.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })

/** `Tuesday 10:00` within a week, `today 10:00`, else `3 March 10:00`. */
export function moment(time: string, now: number): string {
  const date = new Date(time)
  const today = new Date(now)
  const days = Math.round((startOfDay(date) - startOfDay(today)) / DAY)
  if (days === 0) return `today ${clock(date)}`
  if (days === 1) return `tomorrow ${clock(date)}`
  if (days === -1) return `yesterday ${clock(date)}`
  if (days > 1 && days < 7) return `${date.toLocaleDateString('en-GB', { weekday: 'long' })} ${clock(date)}`
  const year = date.getFullYear() === today.getFullYear() ? {} : { year: 'numeric' as const }
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'long', ...year })} ${clock(date)}`
}

/** `Fri 18:00`: the short form for rows. */
export function shortMoment(time: string, now: number): string {
  const date = new Date(time)
  const days = Math.round((startOfDay(date) - startOfDay(new Date(now))) / DAY)
  if (days === 0) return clock(date)
  if (days > 0 && days < 7) return `${date.toLocaleDateString('en-GB', { weekday: 'short' })} ${clock(date)}`
  return date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
}

/** For hover: everything, in the reader's own zone. */
export const exact = (time: string) =>
  new Date(time).toLocaleString('en-GB', { dateStyle: 'full', timeStyle: 'long' })

function startOfDay(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()
}

/** `12.4 Mb/s`, `860 kb/s`. */
export function bitrate(bitsPerSecond: number): string {
  if (bitsPerSecond >= 1e6) return `${(bitsPerSecond / 1e6).toFixed(1)} Mb/s`
  return `${Math.round(bitsPerSecond / 1e3)} kb/s`
}

export function fps(value: number): string {
  const rounded = Math.round(value * 100) / 100
  return `${Number.isInteger(rounded) ? rounded : rounded.toFixed(2)} fps`
}

export function bytes(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} GB`
  if (value >= 1e6) return `${Math.round(value / 1e6)} MB`
  return `${Math.round(value / 1e3)} kB`
}

/** `1 person`, `4 people`. */
export const count = (n: number, one: string, many: string) => `${n} ${n === 1 ? one : many}`

export const codecName = (codec: string): string =>
  ({ h264: 'H.264', avc: 'H.264', h265: 'H.265', hevc: 'H.265', vp8: 'VP8', vp9: 'VP9', av1: 'AV1', opus: 'Opus', aac: 'AAC' })[
    codec.toLowerCase()
  ] ?? codec

// Hebrew, Arabic and their neighbours: left alone, a name in them turns what follows it in a sentence.
const TURNS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u

/** A name or title as it may stand in a sentence, in its own direction. */
export const isolated = (text: string): string => (TURNS.test(text) ? `\u2068${text}\u2069` : text)

/** `Maya`, `Maya and Jonas`, `Maya, Jonas and 3 more`. */
export function list(all: string[]): string {
  const names = all.map(isolated)
  if (names.length <= 1) return names[0] ?? ''
  if (names.length === 2) return `${names[0]} and ${names[1]}`
  if (names.length === 3) return `${names[0]}, ${names[1]} and ${names[2]}`
  return `${names[0]}, ${names[1]} and ${names.length - 2} more`
}

/** A whole sentence: a capital first, a stop at the end. */
export const sentence = (text: string): string => {
  const whole = text.charAt(0).toUpperCase() + text.slice(1)
  return whole === '' || /[.!?…]$/.test(whole) ? whole : `${whole}.`
}

/** Sentences one after the other. */
export const sentences = (...texts: string[]): string => texts.filter((text) => text !== '').map(sentence).join(' ')
